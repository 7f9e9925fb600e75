"""What a person, or a program, is told of an import: the files, and the bills in them with what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, Inexact
from typing import Any

from agent.importing.bringing import Brought
from agent.importing.errors import printable
from agent.importing.look import Look, SeenBill

_FILES_SHOWN = 3
_EXACT = Context(prec=60, traps=[Inexact])


def file_lines(look: Look) -> list[str]:
    """A line for each file, by its name."""
    lines = []
    for file in sorted(look.files, key=lambda file: str(file.path)):
        odd = f"; not understood, and kept as they are: {', '.join(file.strange)}" if file.strange else ""
        lines.append(printable(f"{file.path}: {file.rows:,} rows of {file.table}{odd}"))
    return lines


def bill_line(bill: SeenBill) -> str:
    """A bill: its month, its name, its charges and sums."""
    told = f"{bill.month}  {bill.key.source}: {bill.charges:,} charges, {_sums(bill.sums)}"
    if bill.early:
        told += f" ({bill.early:,} of usage before that month)"
    return printable(told)


def brought_line(each: Brought, look: Look) -> str:
    """What became of a bill."""
    names = _names(look, each.bill)
    other = each.other
    match each.outcome:
        case "new":
            said = "came in"
        case "replaces":
            assert other is not None
            said = f"came in, in place of {other.charges:,} charges that added up to {_plain(other.billed)}"
        case "known":
            said = f"nothing new: what {names} says is in the book already"
        case "overtaken":
            since = "" if other is None else f" on {other.issued}"
            said = f"nothing new: what {names} says was in the book already and was overtaken{since}; --again makes it stand again"
    return f"{bill_line(each.bill)}: {printable(said)}"


def as_json(look: Look, brought: Sequence[Brought] = ()) -> dict[str, Any]:
    """The same for programs; amounts as text."""
    became = {each.bill.key: each for each in brought}
    return {
        "files": [
            {"file": str(file.path), "table": file.table, "rows": file.rows, "not_understood": list(file.strange)}
            for file in sorted(look.files, key=lambda file: str(file.path))
        ],
        "bills": [
            {
                "period": bill.month,
                "source": bill.key.source,
                "charges": bill.charges,
                "billed": {currency: f"{_shortest(amount):f}" for currency, amount in sorted(bill.sums.items())},
                "usage_before_period": bill.early,
                "files": sorted(str(path) for path in look.paths(bill.key)),
                **_became(became.get(bill.key)),
            }
            for bill in look.bills.values()
        ],
    }


def _became(each: Brought | None) -> dict[str, Any]:
    return {} if each is None else {"outcome": each.outcome, "version": each.version}


def _names(look: Look, bill: SeenBill) -> str:
    names = sorted(str(path) for path in look.paths(bill.key))
    few = ", ".join(names[:_FILES_SHOWN])
    left = len(names) - _FILES_SHOWN
    return few if left <= 0 else f"{few} and {left} more"


def _sums(sums: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{_shortest(amount):,f} {currency}" for currency, amount in sorted(sums.items()))


def _plain(amount: str) -> str:
    return f"{_shortest(Decimal(amount)):,f}"


def _shortest(amount: Decimal) -> Decimal:
    """Without zeros at the end; the default context would round to 28 digits."""
    return amount.normalize(_EXACT)

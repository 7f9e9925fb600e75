"""Which bills stand: of every provider's bill of a month the newest version that is whole.

A bill comes line by line, perhaps over several batches, perhaps from two agents, and is made anew by its provider several times a day and
for weeks after its month. So its lines count only once the row that closes the version is in the book and every line that it speaks of is,
too, with the same sum. Then the version takes the place of the former one as a whole: what was half told never counts, what was told twice
counts once, and the book of an earlier position still shows the bill of then.

Which of two versions is newer is for the provider to say, who issued them, and not for the agent that brought them.

Sums have 20 digits before the point. A bill that comes near to that counts as little as one that is not whole, so that all others can still be added up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa

from ledger.journal.view import View
from ledger.schema.decimals import exact, plain_text
from meterbook.wire.sections import CHARGES, COSTS

State = Literal["stands", "overtaken", "incomplete", "too large"]

_KEY = pa.schema([("source", pa.utf8()), ("period", pa.timestamp("us")), ("version", pa.utf8())])
#: Of a line that was told more than once the first counts, and where one batch tells it twice one of the two, always the same.
_FIRST = ", ".join(f'"{name}"' for name in dict.fromkeys(["position", *COSTS, "Tags", "others", *CHARGES.names]))
#: ``charges`` are limited to some versions by the table ``wanted``.
_LINES = "SELECT charges.* FROM charges SEMI JOIN wanted USING (source, period, version) WHERE position <= $1"
_ESTIMATED = "SELECT * FROM estimated WHERE position <= $1"
_ONCE = f"{_LINES} QUALIFY row_number() OVER (PARTITION BY source, period, version, line ORDER BY {_FIRST}) = 1"


#: States of newest versions that do not stand.
NOT_WHOLE = frozenset({"incomplete", "too large"})
#: A thousand bills, each below this in every cost whatever the signs of its charges, can be added up.
BILL_LIMIT = 10**17
#: Charges below this can be added up without looking at them, as many as a bill can have.
_LARGE = 10**9
_SIZES = ", ".join(f'abs("{name}")' for name in COSTS)
_IS_LARGE = f"greatest({_SIZES}) >= {_LARGE}"
#: Sums of any size: of whole numbers, and of what is behind the point.
_SIZE = ", ".join(f'sum(floor(abs("{name}"))) AS "{name}"' for name in COSTS)
_WHOLE = 'sum(trunc("BilledCost")) AS whole, sum("BilledCost" - trunc("BilledCost")) AS rest'


@dataclass(frozen=True)
class Bill:
    """One version of a bill, as it was closed at ``position``. ``period_us`` is the beginning of its month.

    ``lines`` of its ``charges`` are in the book; of a version that was overtaken nobody looks. ``is_repeated`` says that some came twice.
    Of what was estimated and is not in the book, ``rows`` are the charges, as the table ``charges`` has them.
    """

    source: str
    period_us: int
    version: str
    nature: str
    issued_us: int
    charges: int
    billed: Decimal
    position: int
    state: State = "overtaken"
    lines: int | None = None
    is_repeated: bool = False
    rows: pa.Table | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Lines:
    """Lines of standing bills, as a statement for the tables of a view: ``sql`` with the position as its first parameter.

    It names the tables that are ``given``.
    """

    sql: str
    given: Mapping[str, pa.Table]


def bills(view: View, sources: Collection[str] = ()) -> list[Bill]:
    """Every version that was closed, of some sources or of all: by source, then the newest period, then the newest version first."""
    closed: dict[tuple[str, int], list[Bill]] = {}
    for bill in _closed(view):
        if not sources or bill.source in sources:
            closed.setdefault((bill.source, bill.period_us), []).append(bill)
    judged: dict[tuple[str, int], list[Bill]] = {key: [] for key in closed}
    open_keys = list(closed)
    while open_keys:
        # The newest versions of all bills are looked at together; an older one only where a newer is not whole.
        found = _judged(view, [closed[key][len(judged[key])] for key in open_keys])
        for bill in found:
            judged[bill.source, bill.period_us].append(bill)
        open_keys = [
            key for key in open_keys if judged[key][-1].state != "stands" and len(judged[key]) < len(closed[key])
        ]
    return [bill for key in closed for bill in (*judged[key], *closed[key][len(judged[key]) :])]


def lines_of(standing: Sequence[Bill]) -> Lines:
    """The lines of these bills, each once."""
    held = [bill for bill in standing if bill.rows is None]
    told = _ONCE if any(bill.is_repeated for bill in held) else _LINES
    estimated = [bill.rows for bill in standing if bill.rows is not None]
    if not estimated:
        return Lines(told, {"wanted": _wanted(held)})
    given = {"estimated": pa.concat_tables(estimated)}
    if not held:
        return Lines(_ESTIMATED, given)
    return Lines(f"({told}) UNION ALL BY NAME {_ESTIMATED}", {"wanted": _wanted(held), **given})


def _closed(view: View) -> list[Bill]:
    rows = view.tables.query(
        "SELECT source, epoch_us(period) AS period_us, version, nature, epoch_us(issued) AS issued_us, charges, billed, position"
        " FROM bills WHERE position <= ?"
        # Two agents that close the same version say the same; where they do not, the first was believed.
        " QUALIFY row_number() OVER (PARTITION BY source, period, version ORDER BY position, issued, nature, charges, billed) = 1"
        " ORDER BY source, period DESC, issued DESC, position DESC, version",
        [view.position],
    )
    return [Bill(**row) for row in rows.to_pylist()]


def why_not(bill: Bill) -> str:
    """Why a version that is the newest does not stand, as it goes on behind the name of the bill."""
    if bill.state == "too large":
        return f"is too large to be added up: the charges of one of its costs come to {BILL_LIMIT} or more"
    counted = f"is incomplete, {bill.lines} of {bill.charges} charges"
    return counted if bill.lines != bill.charges else f"{counted}, which do not come to {plain_text(bill.billed)}"


def _judged(view: View, candidates: Sequence[Bill]) -> list[Bill]:
    """The candidates, each as one that stands, is incomplete or too large."""
    totals = _totals(view, candidates, _LINES)
    repeated = [
        bill
        for bill in candidates
        if (told := totals.get(_key(bill))) and told["lines"] == bill.charges != told["rows"]
    ]
    once = _totals(view, repeated, _ONCE) if repeated else {}
    judged = []
    for bill in candidates:
        told = totals.get(_key(bill), {"lines": 0, "rows": 0, "billed": Decimal(0), "first": 0, "last": -1})
        sums = once.get(_key(bill), told)
        is_whole = (told["lines"], told["first"], told["last"]) == (bill.charges, 0, bill.charges - 1)
        state: State = "stands" if is_whole and sums["billed"] == bill.billed else "incomplete"
        if sums.get("size", 0) >= BILL_LIMIT:
            state = "too large"
        judged.append(replace(bill, state=state, lines=told["lines"], is_repeated=bill in repeated))
    return judged


def _totals(view: View, candidates: Sequence[Bill], lines: str) -> dict[tuple[str, int, str], dict[str, Any]]:
    """By version: how many rows and lines, the first and the last of these, and what is billed; of large charges their size, too."""
    totals = _by_version(
        view,
        candidates,
        "count(*) AS rows, count(DISTINCT line) AS lines, min(line) AS first, max(line) AS last,"
        f' coalesce(sum("BilledCost") FILTER (NOT {_IS_LARGE}), 0) AS billed, bool_or({_IS_LARGE}) AS is_large',
        lines,
    )
    large = [bill for bill in candidates if totals.get(_key(bill), {}).get("is_large")]
    found = _by_version(view, large, f"{_SIZE}, {_WHOLE}", lines) if large else {}
    with exact():
        for key, sums in found.items():
            totals[key] |= {"billed": sums["whole"] + sums["rest"], "size": max(sums[name] for name in COSTS)}
    return totals


def _by_version(
    view: View, candidates: Sequence[Bill], sums: str, lines: str
) -> dict[tuple[str, int, str], dict[str, Any]]:
    rows = view.tables.query(
        f"SELECT source, epoch_us(period) AS period_us, version, {sums} FROM ({lines}) GROUP BY ALL",  # noqa: S608
        [view.position],
        {"wanted": _wanted(candidates)},
    )
    return {(row["source"], row["period_us"], row["version"]): row for row in rows.to_pylist()}


def _wanted(chosen: Iterable[Bill]) -> pa.Table:
    rows = [_key(bill) for bill in chosen]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, _KEY, strict=True)], schema=_KEY)


def _key(bill: Bill) -> tuple[str, int, str]:
    return bill.source, bill.period_us, bill.version

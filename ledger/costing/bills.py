"""Which bills stand: of every provider's bill of a month the newest version that is whole.

A bill comes line by line, perhaps over several batches, perhaps from two agents, and is made anew by its provider several times a day and
for weeks after its month. So its lines count only once the row that closes the version is in the book and every line that it speaks of is,
too, with the same sum. Then the version takes the place of the former one as a whole: what was half told never counts, what was told twice
counts once, and the book of an earlier position still shows the bill of then.

Which of two versions is newer is for the provider to say, who issued them, and not for the agent that brought them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa

from ledger.journal.view import View
from meterbook.wire.sections import CHARGES, COSTS

State = Literal["stands", "overtaken", "incomplete"]

_KEY = pa.schema([("source", pa.utf8()), ("period", pa.timestamp("us")), ("version", pa.utf8())])
#: Of a line that was told more than once the first counts, and where one batch tells it twice one of the two, always the same.
_FIRST = ", ".join(f'"{name}"' for name in dict.fromkeys(["position", *COSTS, "Tags", "others", *CHARGES.names]))
#: ``charges`` are limited to some versions by the table ``wanted``.
_LINES = "SELECT charges.* FROM charges SEMI JOIN wanted USING (source, period, version) WHERE position <= $1"
_ONCE = f"{_LINES} QUALIFY row_number() OVER (PARTITION BY source, period, version, line ORDER BY {_FIRST}) = 1"


@dataclass(frozen=True)
class Bill:
    """One version of a bill, as it was closed at ``position``. ``period_us`` is the beginning of its month.

    ``lines`` of its ``charges`` are in the book; of a version that was overtaken nobody looks. ``is_repeated`` says that some came twice.
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


@dataclass(frozen=True)
class Lines:
    """Lines of standing bills, as a statement for the tables of a view: ``sql`` with the position as its first parameter."""

    sql: str
    wanted: pa.Table


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
    sql = _ONCE if any(bill.is_repeated for bill in standing) else _LINES
    return Lines(sql, _wanted(standing))


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


def _judged(view: View, candidates: Sequence[Bill]) -> list[Bill]:
    """The candidates, each as one that stands or is incomplete."""
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
        judged.append(replace(bill, state=state, lines=told["lines"], is_repeated=bill in repeated))
    return judged


def _totals(view: View, candidates: Sequence[Bill], lines: str) -> dict[tuple[str, int, str], dict[str, Any]]:
    rows = view.tables.query(
        "SELECT source, epoch_us(period) AS period_us, version, count(*) AS rows, count(DISTINCT line) AS lines,"  # noqa: S608
        f' min(line) AS first, max(line) AS last, sum("BilledCost") AS billed FROM ({lines}) GROUP BY ALL',
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

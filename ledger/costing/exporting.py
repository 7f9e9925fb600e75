"""Exporting: the charges of bills that stand, as rows of FOCUS that say who bears what of each.

Bill by bill the charges are allocated, each by itself; then some thousands at a time are read with all their columns and become rows. So what is held in memory
are a few numbers for each charge of one bill, and never its rows. Rows come by bill, by line and by the name of whoever bears the part, always in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.costing import focuscolumns as focus
from ledger.costing.allocating import allocate
from ledger.costing.bills import Bill, lines_of
from ledger.costing.columns import pointer
from ledger.costing.focusrows import Bearers, batches, method_of
from ledger.costing.ratios import ratios
from ledger.directory.catalog import Catalog
from ledger.journal.view import View
from meterbook.wire.sections import AMOUNT, CHARGES, COSTS

#: Charges that are read at a time: each may have two documents of ``DOCUMENT_BYTES_MAX``.
_CHARGES = 8_192
_TEXTS = tuple(name for name in CHARGES.names if name[0].isupper() and CHARGES.field(name).type == pa.utf8())
_INSTANT = pa.timestamp("us", tz="UTC")


@dataclass
class Export:
    """An export while it is made. Counts, problems and notes are whole once the batches are."""

    view: View
    catalog: Catalog
    standing: Sequence[Bill]
    columns: focus.Columns
    rows: int = 0
    charges: int = 0
    problems: dict[str, None] = field(default_factory=dict)
    _empty: dict[str, int] = field(default_factory=dict)
    _unread: dict[str, tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, view: View, catalog: Catalog, standing: Sequence[Bill]) -> Export:
        """The export of some bills. Which columns it has is read from their charges."""
        return cls(view, catalog, standing, focus.columns_of(_keys(view, standing)))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        for bill in self.standing:
            allocated = allocate(self.view, self.catalog, [bill], by_line=True)
            self.problems.update(dict.fromkeys(allocated.problems))
            assert allocated.profiles.lines is not None
            lines = allocated.profiles.lines["line"].to_numpy()
            bearers = Bearers.of(allocated, self.catalog, bill.period_us)
            for low in range(0, len(lines), _CHARGES):
                rows = np.arange(low, min(low + _CHARGES, len(lines)))
                charges = self._read(bill, int(lines[rows[0]]), int(lines[rows[-1]]))
                self.charges += len(rows)
                found = ratios(allocated, self.catalog, rows)
                method = method_of(allocated, rows)
                for batch in batches(charges, self.columns.schema, bill, bearers, found, method):
                    self.rows += len(batch)
                    yield batch

    def notes(self) -> list[str]:
        """What the charges lack that FOCUS asks for, and what could not be told."""
        found = [
            f"{name}: {count} charges have none, which FOCUS asks for" for name, count in sorted(self._empty.items())
        ]
        for name, (count, place) in sorted(self._unread.items()):
            found.append(
                f"{name}: {count} charges have a text that is no number of at most 20 digits before the point, and nothing in the export;"
                f" the first is {place}"
            )
        if self.columns.left_out:
            found.append(
                f"{self.columns.left_out} columns of providers are left out, which come after the first {focus.CUSTOM_MAX} by name"
            )
        return found

    def _read(self, bill: Bill, first: int, last: int) -> dict[str, pa.Array]:
        """The columns of the charges of these lines, by the names that the export has for them."""
        keys, lines = self.columns.keys(), lines_of([bill])
        place = {key: number for number, key in enumerate(keys)}
        numbers = {name: place[self.columns.read[name]] for name in focus.numbers_of(self.columns)}
        told = "".join(
            f', TRY_CAST(texts[{at + 1}] AS DECIMAL({AMOUNT.precision}, {AMOUNT.scale})) AS "{name}"'
            for name, at in numbers.items()
        )
        texts = ", ".join(f'"{name}"' for name in (*COSTS, *_TEXTS, "ChargePeriodStart", "ChargePeriodEnd"))
        end = f"coalesce(TRY_CAST(texts[{place['BillingPeriodEnd'] + 1}] AS TIMESTAMP), period + INTERVAL 1 MONTH)"
        found = self.view.tables.query(
            f'SELECT line, {texts}, period AS "BillingPeriodStart", {end} AS "BillingPeriodEnd"{told}, texts'  # noqa: S608
            " FROM (SELECT *, CASE WHEN json_valid(others) THEN json_extract_string(others, $4) END AS texts"
            f" FROM ({lines.sql}) WHERE line BETWEEN $2 AND $3) ORDER BY line",
            [self.view.position, first, last, [pointer(key) for key in keys]],
            lines.given,
        )
        columns = {name: found[name].combine_chunks() for name in found.column_names}
        documents = columns.pop("texts")
        held = {key: _blank(pc.list_element(documents, number)) for key, number in place.items()}
        columns[focus.LINE] = columns.pop("line")
        for name in _TEXTS:
            columns[name] = _blank(columns[name])
        columns["Tags"] = pc.if_else(pc.equal(columns["Tags"], "{}"), None, columns["Tags"])
        for name in focus.TIMES:
            columns[name] = columns[name].cast(pa.int64()).cast(_INSTANT)
        for name, key in self.columns.read.items():
            if name not in columns:
                columns[name] = pc.coalesce(held[key], *(held[each] for each in focus.INSTEAD.get(name, ())))
        self._judge(bill, columns, {name: held[keys[at]] for name, at in numbers.items()})
        return columns

    def _judge(self, bill: Bill, columns: dict[str, pa.Array], texts: dict[str, pa.Array]) -> None:
        """Note what is missing, and what could not be read."""
        for name in focus.NEVER_NULL:
            if columns[name].null_count:
                self._empty[name] = self._empty.get(name, 0) + columns[name].null_count
        for name, column in texts.items():
            lost = pc.and_(column.is_valid(), columns[name].is_null())
            lines = columns[focus.LINE].filter(lost)
            if len(lines):
                count, place = self._unread.get(name, (0, f"{bill.source} {bill.version}:{lines[0]}"))
                self._unread[name] = (count + len(lines), place)


def _keys(view: View, standing: Sequence[Bill]) -> set[str]:
    """The names of all further columns of charges."""
    lines = lines_of(standing)
    found = view.tables.query(
        "SELECT DISTINCT unnest(keys) AS name FROM (SELECT DISTINCT json_keys(others) AS keys"  # noqa: S608
        f" FROM ({lines.sql}) WHERE json_valid(others))",
        [view.position],
        lines.given,
    )
    return set(found["name"].to_pylist())


def _blank(column: pa.Array) -> pa.Array:
    """Texts, null where they are empty."""
    return pc.if_else(pc.equal(column, ""), None, column)

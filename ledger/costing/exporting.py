"""Exporting: the charges of bills that stand, as rows of FOCUS that say who bears what of each.

Bill by bill the charges are allocated, each by itself; then some thousands at a time are read with all their columns, and become rows as many at a time as a number of
ways allows by which parts go from them. So what is held in memory are a few numbers for each charge of one bill, and never its rows. Rows come by bill, by line and by
the name of whoever bears the part, always in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.costing import focuscolumns as focus
from ledger.costing.allocating import allocate
from ledger.costing.bills import Bill, lines_of
from ledger.costing.columns import pointer
from ledger.costing.focusrows import Bearers, batches, method_of
from ledger.costing.ratios import ratios, ways_of
from ledger.directory.catalog import Catalog
from ledger.journal.view import View
from meterbook.wire.instants import EARLIEST_US, LATEST_US, from_datetime
from meterbook.wire.sections import AMOUNT, CHARGES, COSTS

#: Charges that are read at a time: each may have two documents of ``DOCUMENT_BYTES_MAX``.
_CHARGES = 8_192
#: Ways that are told of at a time, but for a charge that has more: each takes some hundred bytes of details.
WAYS_MAX = 262_144
_TEXTS = tuple(name for name in CHARGES.names if name[0].isupper() and CHARGES.field(name).type == pa.utf8())
_INSTANT = pa.timestamp("us", tz="UTC")
_NO_NUMBER = "a text that is no number of at most 20 digits before the point, and nothing in the export"
_ROUNDED = "a number of more than 18 digits after the point, which is rounded to them"
_NO_TIME = "a text that is no time, and one month after BillingPeriodStart in the export"
#: Numbers that may have more digits after the point than an amount.
_MAYBE_LONG = rf"\.[0-9_]{{{AMOUNT.scale + 1}}}|[eE]-"


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
    _odd: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

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
                for first, last in _runs(ways_of(allocated, rows)):
                    some = {name: column.slice(first, last - first) for name, column in charges.items()}
                    found = ratios(allocated, self.catalog, rows[first:last])
                    method = method_of(allocated, rows[first:last])
                    for batch in batches(some, self.columns.schema, bill, bearers, found, method):
                        self.rows += len(batch)
                        yield batch

    def notes(self) -> list[str]:
        """What the charges lack that FOCUS asks for, and what could not be told."""
        found = [
            f"{name}: {count} charges have none, which FOCUS asks for" for name, count in sorted(self._empty.items())
        ]
        for (name, what), (count, place) in sorted(self._odd.items()):
            found.append(f"{name}: {count} charges have {what}; the first is {place}")
        if self.columns.left_out:
            found.append(
                f"{self.columns.left_out} columns of providers are left out, which come after the first {focus.CUSTOM_MAX} by name"
            )
        return found

    def _read(self, bill: Bill, first: int, last: int) -> dict[str, pa.Array]:
        """The columns of the charges of these lines, by the names that the export has for them."""
        keys, charged = self.columns.keys(), lines_of([bill])
        place = {key: number for number, key in enumerate(keys)}
        numbers = {name: place[self.columns.read[name]] for name in focus.numbers_of(self.columns)}
        told = "".join(
            f', TRY_CAST(texts[{at + 1}] AS DECIMAL({AMOUNT.precision}, {AMOUNT.scale})) AS "{name}"'
            for name, at in numbers.items()
        )
        texts = ", ".join(f'"{name}"' for name in (*COSTS, *_TEXTS, "ChargePeriodStart", "ChargePeriodEnd"))
        found = self.view.tables.query(
            f'SELECT line, {texts}, period AS "BillingPeriodStart", period + INTERVAL 1 MONTH AS "BillingPeriodEnd"{told}, texts'  # noqa: S608
            " FROM (SELECT *, CASE WHEN json_valid(others) THEN json_extract_string(others, $4) END AS texts"
            f" FROM ({charged.sql}) WHERE line BETWEEN $2 AND $3) ORDER BY line",
            [self.view.position, first, last, [pointer(key) for key in keys]],
            charged.given,
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
        ends = _instants(held["BillingPeriodEnd"])
        columns["BillingPeriodEnd"] = pc.coalesce(ends, columns["BillingPeriodEnd"])
        for name, key in self.columns.read.items():
            if name not in columns:
                columns[name] = pc.coalesce(held[key], *(held[each] for each in focus.INSTEAD.get(name, ())))
        self._judge(columns)
        lines = columns[focus.LINE]
        self._note(bill, lines.filter(_lost(held["BillingPeriodEnd"], ends)), "BillingPeriodEnd", _NO_TIME)
        for name, at in numbers.items():
            text, number = held[keys[at]], columns[name]
            self._note(bill, lines.filter(_lost(text, number)), name, _NO_NUMBER)
            self._note(bill, lines.filter(_rounded(text, number)), name, _ROUNDED)
        return columns

    def _judge(self, columns: dict[str, pa.Array]) -> None:
        """Note what is missing."""
        for name in focus.NEVER_NULL:
            if columns[name].null_count:
                self._empty[name] = self._empty.get(name, 0) + columns[name].null_count

    def _note(self, bill: Bill, lines: pa.Array, name: str, what: str) -> None:
        """Note what is odd of a column of the charges of these lines."""
        if len(lines):
            count, place = self._odd.get((name, what), (0, f"{bill.source} {bill.version}:{lines[0]}"))
            self._odd[name, what] = (count + len(lines), place)


def _runs(ways: np.ndarray) -> Iterator[tuple[int, int]]:
    """Charges one after another, as many at a time as have no more ways than WAYS_MAX."""
    ends, low = np.cumsum(ways), 0
    while low < len(ways):
        before = int(ends[low]) - int(ways[low])
        high = max(low + 1, int(np.searchsorted(ends, before + WAYS_MAX, "right")))
        yield low, high
        low = high


def _lost(texts: pa.Array, read: pa.Array) -> pa.Array:
    """Whether of each text nothing could be read."""
    return pc.and_(texts.is_valid(), read.is_null())


def _rounded(texts: pa.Array, numbers: pa.Array) -> pa.Array:
    """Whether each number is another one than its text."""
    maybe = pc.and_(pc.match_substring_regex(texts, _MAYBE_LONG), numbers.is_valid()).fill_null(False)
    found = maybe.to_numpy(zero_copy_only=False).copy()
    for row in np.flatnonzero(found).tolist():
        # An exponent that no decimal has is below all digits that an amount has.
        with suppress(InvalidOperation):
            found[row] = Decimal(texts[row].as_py()) != numbers[row].as_py()
    return pa.array(found)


def _instants(texts: pa.Array) -> pa.Array:
    """Times as they are written in bills, which are few, in UTC where they do not say; null for what is none."""
    coded = texts.dictionary_encode()
    times_us = [_instant(text) for text in coded.dictionary.to_pylist()]
    return pa.array(times_us, pa.int64()).take(coded.indices).cast(_INSTANT)


def _instant(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        return None
    found = from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return found if EARLIEST_US <= found <= LATEST_US else None


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

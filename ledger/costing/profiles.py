"""Profiles: charges that are alike in all that anybody looks at, as columns, with their costs added up.

What nobody looks at is added up where the charges lie, so that a month of charges by the hour takes the room of what differs in it. Texts
are numbered: what is said of a text is said once, and not for every charge that has it. With ``by_line`` every charge is a profile of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.costing.bills import Bill, lines_of
from ledger.costing.columns import told
from ledger.directory.focus import Reading
from ledger.journal.view import View
from meterbook.wire.sections import AMOUNT

#: The costs of a charge that are allocated (FOCUS 1.2, "Metrics"): what is on the invoice, and what it comes to when what was paid ahead is spread.
ALLOCATED = ("BilledCost", "EffectiveCost")
MISSING = -1
_INT64_END = 1 << 63


@dataclass(frozen=True)
class Coded:
    """A column of texts: the number of its text for each row, MISSING where there is none, and the texts."""

    codes: np.ndarray
    texts: tuple[str, ...]

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Coded:
        """A column of texts, of which an empty one is missing."""
        encoded = pc.dictionary_encode(column.combine_chunks())
        codes = encoded.indices.fill_null(MISSING).to_numpy(zero_copy_only=False).astype(np.int64)
        texts = tuple(encoded.dictionary.to_pylist())
        if "" in texts:
            codes[codes == texts.index("")] = MISSING
        return cls(codes, texts)

    def read(self, reading: Reading) -> Coded:
        """What is read of each text."""
        if reading.capture is None:
            return self
        found = [reading.of(text) for text in self.texts]
        number = {text: place for place, text in enumerate(dict.fromkeys(text for text in found if text is not None))}
        codes = np.array([MISSING if text is None else number[text] for text in found] + [MISSING], np.int64)
        return Coded(codes[self.codes], tuple(number))

    def text(self, row: int) -> str:
        """The text of one row, empty where missing."""
        return self.named(int(self.codes[row]))

    def named(self, code: int) -> str:
        """The text of a number, empty for MISSING."""
        return "" if code == MISSING else self.texts[code]

    def chosen(self, rows: np.ndarray) -> pa.Array:
        """The texts of some rows, null where missing."""
        codes = self.codes[rows]
        return pa.array(self.texts, pa.utf8()).take(pa.array(codes, mask=codes == MISSING))


@dataclass(frozen=True)
class Profiles:
    """Charges as columns: a row for all that are alike, or for each.

    ``columns`` are those that were asked for, by name. ``charges`` is how many a row stands for, ``costs`` what they come to (decimals
    of 38 digits, 18 of them after the point). ``lines`` tells which charge a row is, where each has its own: source, version, line.
    """

    columns: Mapping[str, Coded]
    currency: Coded
    start_us: np.ndarray
    end_us: np.ndarray
    charges: np.ndarray
    costs: Mapping[str, pa.ChunkedArray]
    lines: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.start_us)

    @cached_property
    def count(self) -> int:
        """How many charges there are in all."""
        return int(self.charges.sum())

    def chosen(self, rows: np.ndarray) -> Profiles:
        """Some of the rows, by their places."""
        at = pa.array(rows)
        return Profiles(
            {name: Coded(column.codes[rows], column.texts) for name, column in self.columns.items()},
            Coded(self.currency.codes[rows], self.currency.texts),
            self.start_us[rows],
            self.end_us[rows],
            self.charges[rows],
            {name: column.take(at) for name, column in self.costs.items()},
            None if self.lines is None else self.lines.take(at),
        )


def profiles(view: View, standing: Sequence[Bill], names: Collection[str], *, by_line: bool = False) -> Profiles:
    """The charges of these bills, told apart by the columns of these names. Raises NoSuchColumn."""
    ordered = sorted(names)
    parts = [told(name, 2 + place) for place, name in enumerate(ordered)]
    keys = "".join(f"{expression} AS by_{place}, " for place, (expression, _) in enumerate(parts))
    times = 'epoch_us("ChargePeriodStart") AS start_us, epoch_us("ChargePeriodEnd") AS end_us'
    if by_line:
        # Of charges that are equal the first is told first, and that must be the same one for ever.
        counted, group = (
            "1::BIGINT AS charges, source, version, line, " + ", ".join(f'"{each}"' for each in ALLOCATED),
            " ORDER BY source, period, version, line",
        )
    else:
        sums = ", ".join(
            f'sum("{each}")::DECIMAL({AMOUNT.precision}, {AMOUNT.scale}) AS "{each}"' for each in ALLOCATED
        )
        counted, group = f"count(*) AS charges, {sums}", " GROUP BY ALL"
    lines = lines_of(standing)
    found = view.tables.query(
        f'SELECT {keys}"BillingCurrency" AS currency, {times}, {counted} FROM ({lines.sql}){group}',  # noqa: S608
        [view.position, *(parameter for _, parameter in parts)],
        lines.given,
    )
    return Profiles(
        {name: Coded.of(found[f"by_{place}"]) for place, name in enumerate(ordered)},
        Coded.of(found["currency"]),
        found["start_us"].to_numpy(),
        found["end_us"].to_numpy(),
        found["charges"].to_numpy(),
        {each: found[each] for each in ALLOCATED},
        found.select(["source", "version", "line"]) if by_line else None,
    )


def numbered(columns: Sequence[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are the same in all columns as one number each, from 0 on; and of each number the first row that has it.

    ``count`` is how many rows there are, for where there is no column. Where rows come in the order of the columns, so do the numbers.
    """
    codes, several = np.zeros(count, np.int64), 1
    for column in columns:
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        if (high - low + 1) * several >= _INT64_END:
            column, low, high = _dense(column), 0, count
            codes, several = _dense(codes), count + 1
        codes = codes * (high - low + 1) + (column - low)
        several *= high - low + 1
    steps = np.diff(codes, prepend=codes[:1] - 1)
    if (steps >= 0).all():
        # Rows that come in order need not be looked up.
        return np.cumsum(steps > 0) - 1, np.flatnonzero(steps)
    if several <= 2 * count:
        first = np.full(several, MISSING, np.int64)
        first[codes[::-1]] = np.arange(count - 1, -1, -1)
        used = np.flatnonzero(first != MISSING)
        places = first[used]
        first[used] = np.arange(len(used))
        return first[codes], places
    codes = _dense(codes)
    places = np.zeros(int(codes.max(initial=-1)) + 1, np.int64)
    places[codes[::-1]] = np.arange(count - 1, -1, -1)
    return codes, places


def _dense(column: np.ndarray) -> np.ndarray:
    """Numbers from 0 on, in the order in which they come first."""
    found: np.ndarray = pc.dictionary_encode(pa.array(column)).indices.to_numpy().astype(np.int64)
    return found

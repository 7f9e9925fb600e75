"""Which rows of an accepted batch can be used, and why the others cannot.

What passes here can be stored, metered and shown by every part of the ledger: one row that could not would stop the
book for everybody, for ever. So what the wire's types allow and the book cannot hold is sorted out here.

The log keeps a batch exactly as the agent sealed it; screening happens when its rows move to the tables. A row that
cannot be used becomes a dead letter with its reason, and the rest of the batch is kept. Screening is a pure function
of the batch, the time of its commit and the series known before it, so a rebuild from the log gives the same tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.wire import instants
from meterbook.wire.instants import EARLIEST_US, LATEST_US
from meterbook.wire.sections import (
    AMOUNT,
    COST_LIMIT,
    COSTS,
    DEAD_LETTERS,
    DOCUMENT_BYTES_MAX,
    NATURES,
    STATUSES,
    TEXT_BYTES_MAX,
    VALUE_LIMIT,
    Sections,
    is_stale,
)
from meterbook.wire.series import canonical_json

#: How far ahead of the ledger's clock a time may be before it is taken for a mistake.
FUTURE_US_MAX = instants.HOUR_US
#: Rows of one section that become a dead letter each for the same reason. The batch itself has the others.
LETTERS_MAX = 1_000

_DOCUMENTS = ("labels", "attributes", "properties", "document", "Tags", "others")
_DOCUMENT_CHARS_MAX, _SHOWN_CHARS_MAX = 4_096, 80
#: What the columns of samples are to a computer.
_NUMBERS = (pa.int64(), pa.int64(), pa.float64())
_VALUE_LIMIT = pa.scalar(VALUE_LIMIT, pa.decimal128(38, 9))
_COST_LIMIT = pa.scalar(COST_LIMIT, AMOUNT)
# An object of texts without escapes: what nearly every document is, and far cheaper to see than to parse.
_PLAIN_TEXT = r'"[^"\\\x00-\x1f]*"'
_PLAIN_OBJECT = rf"\A\{{(?:{_PLAIN_TEXT}:{_PLAIN_TEXT}(?:,{_PLAIN_TEXT}:{_PLAIN_TEXT})*)?\}}\z"


@dataclass(frozen=True)
class KnownSeries:
    """Series defined so far: ids ascending, with the identity and whether it is a counter, all of equal length."""

    ids: np.ndarray
    identities: np.ndarray
    counters: np.ndarray

    @classmethod
    def of(cls, table: pa.Table) -> KnownSeries:
        """From definitions with columns series_id, identity and kind; the first of each id stands."""
        ids, first = np.unique(table["series_id"].to_numpy(), return_index=True)
        counters = pc.equal(table["kind"], "counter").to_numpy(zero_copy_only=False)
        return cls(ids, table["identity"].to_numpy()[first], counters.astype(bool)[first])

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of ``ids``, and whether each is known at all (the place of an unknown one means nothing)."""
        if len(self.ids) == 0:
            return np.zeros(len(ids), dtype=np.int64), np.zeros(len(ids), dtype=bool)
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return places, self.ids[places] == ids

    def with_more(self, table: pa.Table) -> KnownSeries:
        """These and the definitions of ``table``; what is known already stands."""
        if table.num_rows == 0:
            return self
        more = KnownSeries.of(table)
        new = ~self.find(more.ids)[1]
        if not new.any():
            return self
        places = np.searchsorted(self.ids, more.ids[new])
        return KnownSeries(
            np.insert(self.ids, places, more.ids[new]),
            np.insert(self.identities, places, more.identities[new]),
            np.insert(self.counters, places, more.counters[new]),
        )


def screen(content: Sections, time_us: int, known: KnownSeries) -> tuple[Sections, KnownSeries]:
    """The usable rows of ``content``, the rest as dead letters, and the series known after it.

    ``time_us`` is the commit time of the batch's record.
    """
    bench = _Bench(time_us + FUTURE_US_MAX)
    series = bench.series(content.series, known)
    known = known.with_more(series)
    kept = Sections(
        series=series,
        samples=bench.samples(content.samples, known),
        events=bench.events(content.events),
        coverage=bench.coverage(content.coverage),
        charges=bench.charges(content.charges),
        bills=bench.bills(content.bills),
        dead_letters=pa.concat_tables([bench.short(content.dead_letters), bench.dead_letters()]),
    )
    return kept, known


class _Bench:
    """Collects dead letters while one batch is screened."""

    def __init__(self, latest_us: int) -> None:
        self._latest_us = latest_us
        self._dead: list[tuple[str, str, str, str]] = []

    def dead_letters(self) -> pa.Table:
        columns = zip(*self._dead, strict=True) if self._dead else ((), (), (), ())
        return pa.table([pa.array(column, pa.utf8()) for column in columns], schema=DEAD_LETTERS)

    def short(self, table: pa.Table) -> pa.Table:
        """Rows without a text that is too long."""
        if table.num_rows == 0:
            return table
        for field in table.schema:
            if not pa.types.is_string(field.type):
                continue
            bytes_max = DOCUMENT_BYTES_MAX if field.name in _DOCUMENTS else TEXT_BYTES_MAX
            lengths = pc.binary_length(table[field.name])
            if (pc.max(lengths).as_py() or 0) > bytes_max:
                table = self._not_over(table, field.name, lengths.to_numpy(), bytes_max)
        return table

    def _not_over(self, table: pa.Table, column: str, lengths: np.ndarray, bytes_max: int) -> pa.Table:
        fits = lengths <= bytes_max
        lengths_over = iter(lengths[~fits])
        return self._keep(table, fits, lambda _: f"{column} has {next(lengths_over)} bytes, more than {bytes_max}")

    def series(self, table: pa.Table, known: KnownSeries) -> pa.Table:
        if table.num_rows == 0:
            return table
        table = self.short(table)
        kind_fits = pc.is_in(table["kind"], pa.array(["counter", "gauge"]))
        table = self._keep(table, kind_fits, lambda row: f"kind {_shown(row['kind'])} is neither counter nor gauge")
        for column in ("labels", "attributes"):
            table = self._objects(table, column)
        for column in ("start", "since"):
            table = self._since(table, column, EARLIEST_US, "the year 1")
            table = self._until(table, column, LATEST_US, "after the year 9999")
        known = known.with_more(table)
        places, found = known.find(table["series_id"].to_numpy())
        if not found.any():
            return table
        counters = pc.equal(table["kind"], "counter").to_numpy().astype(bool)
        same = (known.identities[places] == table["identity"].to_numpy()) & (known.counters[places] == counters)
        return self._keep(table, same, lambda row: f"series_id {row['series_id']} already stands for another series")

    def samples(self, table: pa.Table, known: KnownSeries) -> pa.Table:
        if table.num_rows == 0 or self._are_usable(table, known):
            return table
        table, counters = self._defined(table, known)
        values = table["value"].to_numpy()
        # Neither a NaN nor an infinity is less than the limit; one NaN says that its series ends.
        fits = (np.abs(values) < VALUE_LIMIT) & ~(counters & (values < 0)) | is_stale(values)
        table = self._keep(table, fits, lambda row: f"value {row['value']} cannot be metered")
        return self._not_ahead(table, "time")

    def _are_usable(self, table: pa.Table, known: KnownSeries) -> bool:
        """Whether it can be seen at a glance that all samples can be used, as nearly always."""
        for chunk in table.to_batches():
            # Read where they lie; NumPy's least of numbers with a NaN among them is NaN.
            ids, times, values = (
                column.view(kind).to_numpy() for column, kind in zip(chunk.columns, _NUMBERS, strict=True)
            )
            if not (values.min() >= 0 and values.max() < VALUE_LIMIT):
                return False
            if not (times.min() >= 0 and times.max() <= self._latest_us and known.find(ids[firsts(ids)])[1].all()):
                return False
        return True

    def _defined(self, table: pa.Table, known: KnownSeries) -> tuple[pa.Table, np.ndarray]:
        """The samples of series that are defined, and whether each is a counter's."""
        ids = table["series_id"].to_numpy()
        first = firsts(ids)
        lengths = np.diff(first, append=len(ids))
        places, found = known.find(ids[first])
        counters = np.repeat(known.counters[places] & found, lengths) if found.any() else np.zeros(len(ids), dtype=bool)
        if found.all():
            return table, counters
        is_defined = np.repeat(found, lengths)
        kept = self._keep(table, is_defined, lambda row: f"series_id {row['series_id']} was never defined")
        return kept, counters[is_defined]

    def events(self, table: pa.Table) -> pa.Table:
        if table.num_rows == 0:
            return table
        table = self.short(table)
        fits = pc.less(pc.abs(table["value"]), _VALUE_LIMIT)
        table = self._keep(table, fits, lambda row: f"value {row['value']} cannot be metered")
        return self._not_ahead(self._objects(table, "properties"), "time")

    def coverage(self, table: pa.Table) -> pa.Table:
        if table.num_rows == 0:
            return table
        table = self.short(table)
        status_fits = pc.is_in(table["status"], pa.array(STATUSES))
        table = self._keep(
            table, status_fits, lambda row: f"status {_shown(row['status'])} is not one of {', '.join(STATUSES)}"
        )
        forward = pc.less_equal(table["start"], table["end"])
        table = self._keep(table, forward, lambda row: f"end {row['end']} is before start {row['start']}")
        return self._not_ahead(self._not_ahead(table, "start"), "end")

    def charges(self, table: pa.Table) -> pa.Table:
        if table.num_rows == 0:
            return table
        table = self.short(table)
        for column in COSTS:
            table = self._countable(table, column)
        for column in ("Tags", "others"):
            table = self._objects(table, column)
        # What was paid in advance is for a time to come.
        for column in ("period", "ChargePeriodStart", "ChargePeriodEnd"):
            table = self._until(self._since(table, column, 0, "1970"), column, LATEST_US, "after the year 9999")
        return table

    def _countable(self, table: pa.Table, column: str) -> pa.Table:
        fits = pc.less(pc.abs(table[column]), _COST_LIMIT)
        return self._keep(table, fits, lambda row: f"{column} {row[column]} cannot be added up")

    def bills(self, table: pa.Table) -> pa.Table:
        if table.num_rows == 0:
            return table
        table = self.short(table)
        fits = pc.is_in(table["nature"], pa.array(NATURES))
        table = self._keep(
            table, fits, lambda row: f"nature {_shown(row['nature'])} is not one of {', '.join(NATURES)}"
        )
        for column in ("period", "issued"):
            table = self._until(self._since(table, column, 0, "1970"), column, LATEST_US, "after the year 9999")
        return table

    def _not_ahead(self, table: pa.Table, column: str) -> pa.Table:
        # The hours of the book are counted from 1970 on: what is older would stand in none of them.
        table = self._since(table, column, 0, "1970")
        return self._until(table, column, self._latest_us, "over an hour ahead of the ledger's clock")

    def _since(self, table: pa.Table, column: str, earliest_us: int, when: str) -> pa.Table:
        """Rows whose time is not before the earliest one; no time at all is none that is wrong."""
        least_us = pc.min(table[column].cast(pa.int64())).as_py()
        if least_us is None or least_us >= earliest_us:
            return table
        fits = pc.greater_equal(table[column].cast(pa.int64()).fill_null(earliest_us), earliest_us)
        return self._keep(table, fits, lambda row: f"{column} {row[column]} is before {when}")

    def _until(self, table: pa.Table, column: str, latest_us: int, beyond: str) -> pa.Table:
        """Rows whose time is not after the latest one; likewise."""
        most_us = pc.max(table[column].cast(pa.int64())).as_py()
        if most_us is None or most_us <= latest_us:
            return table
        fits = pc.less_equal(table[column].cast(pa.int64()).fill_null(latest_us), latest_us)
        return self._keep(table, fits, lambda row: f"{column} {row[column]} is {beyond}")

    def _objects(self, table: pa.Table, column: str) -> pa.Table:
        """Rows whose document can be read where dimensions are looked up."""
        fits = pc.match_substring_regex(table[column], _PLAIN_OBJECT).to_numpy().astype(bool)
        others = table[column].filter(pa.array(~fits)).to_pylist()
        fits[~fits] = [_is_flat_object(document) for document in others]
        return self._keep(table, fits, lambda row: f"{column} {_shown(row[column])} is not a flat JSON object")

    def _keep(
        self, table: pa.Table, fits: pa.ChunkedArray | np.ndarray, reason: Callable[[dict[str, str]], str]
    ) -> pa.Table:
        """The rows that fit; the others, seldom any, become dead letters."""
        mask = np.asarray(fits, dtype=bool)
        if mask.all():
            return table
        refused = table.filter(pa.array(~mask))
        for row in _texts(refused.slice(0, LETTERS_MAX)):
            source = row.get("source", f"series {row.get('series_id')}")
            document = canonical_json(row)[:_DOCUMENT_CHARS_MAX]
            self._dead.append((source, row.get("id") or row.get("place", ""), reason(row), document))
        more = refused.num_rows - LETTERS_MAX
        if more > 0:
            # A batch may be wrong from end to end; a letter for each row would hold up everybody's tables.
            source, _, last, _ = self._dead[-1]
            self._dead.append((source, "", f"{more} more rows of this batch, refused like this one: {last}", ""))
        return table.filter(pa.array(mask))


def firsts(ids: np.ndarray) -> np.ndarray:
    """Where the samples of another series begin: those of one stand together, and each needs to be looked for once."""
    return np.concatenate((np.zeros(min(1, len(ids)), dtype=np.int64), np.flatnonzero(ids[1:] != ids[:-1]) + 1))


def _texts(table: pa.Table) -> Iterator[dict[str, str]]:
    """Rows as texts, which never lose a digit and hold any time; no longer than is shown, and without what is null."""
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_timestamp(field.type):
            columns.append([None if us is None else _time_text(us) for us in column.cast(pa.int64()).to_pylist()])
        elif pa.types.is_string(field.type):
            columns.append(pc.utf8_slice_codeunits(column, 0, _DOCUMENT_CHARS_MAX).to_pylist())
        else:
            columns.append([None if value is None else str(value) for value in column.to_pylist()])
    for cells in zip(*columns, strict=True):
        yield {name: cell for name, cell in zip(table.column_names, cells, strict=True) if cell is not None}


def _time_text(us: int) -> str:
    return instants.text(us) if EARLIEST_US <= us <= LATEST_US else f"{us} microseconds after 1970"


def _shown(text: str) -> str:
    return repr(text[:_SHOWN_CHARS_MAX])


def _is_flat_object(document: str) -> bool:
    try:
        pairs = json.loads(document)
    except (ValueError, RecursionError):
        return False
    # How deep a document may be nested depends on who parses it. What is nested at all is refused by everybody.
    return isinstance(pairs, dict) and not any(isinstance(value, dict | list) for value in pairs.values())

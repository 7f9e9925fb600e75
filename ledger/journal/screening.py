"""Which rows of an accepted batch can be used, and why the others cannot.

The log keeps a batch exactly as the agent sealed it; screening happens when its rows move to the tables. A row that
cannot be used becomes a dead letter with its reason, and the rest of the batch is kept. Screening is a pure function
of the batch, the time of its commit and the series known before it, so a rebuild from the log gives the same tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from meterbook.wire import instants
from meterbook.wire.sections import DEAD_LETTERS, STATUSES, Sections
from meterbook.wire.series import canonical_json

#: How far ahead of the ledger's clock a time may be before it is taken for a mistake.
FUTURE_US_MAX = instants.HOUR_US
#: Samples from here on cannot be metered exactly: see ``ledger.metering.nano``.
VALUE_LIMIT = float(1 << 62)

_DOCUMENT_CHARS_MAX = 4_096


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
        dead_letters=pa.concat_tables([content.dead_letters, bench.dead_letters()]),
    )
    return kept, known


class _Bench:
    """Collects dead letters while one batch is screened."""

    def __init__(self, latest_us: int) -> None:
        self._latest = pa.scalar(latest_us, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        self._dead: list[tuple[str, str, str, str]] = []

    def dead_letters(self) -> pa.Table:
        columns = zip(*self._dead, strict=True) if self._dead else ((), (), (), ())
        return pa.table([pa.array(column, pa.utf8()) for column in columns], schema=DEAD_LETTERS)

    def series(self, table: pa.Table, known: KnownSeries) -> pa.Table:
        kind_fits = pc.is_in(table["kind"], pa.array(["counter", "gauge"]))
        table = self._keep(table, kind_fits, lambda row: f"kind {row['kind']!r} is neither counter nor gauge")
        places, found = known.with_more(table).find(table["series_id"].to_numpy())
        identities = known.with_more(table).identities[places] if len(found) else np.zeros(0, dtype=np.int64)
        same = identities == table["identity"].to_numpy()
        return self._keep(table, same, lambda row: f"series_id {row['series_id']} already stands for another series")

    def samples(self, table: pa.Table, known: KnownSeries) -> pa.Table:
        if table.num_rows == 0:
            return table
        places, found = known.find(table["series_id"].to_numpy())
        table = self._keep(table, found, lambda row: f"series_id {row['series_id']} was never defined")
        counters = known.counters[places[found]] if table.num_rows else np.zeros(0, dtype=bool)
        values = table["value"].to_numpy()
        fits = np.isfinite(values) & (np.abs(values) < VALUE_LIMIT) & ~(counters & (values < 0))
        table = self._keep(table, fits, lambda row: f"value {row['value']} cannot be metered")
        return self._not_ahead(table, "time")

    def events(self, table: pa.Table) -> pa.Table:
        return self._not_ahead(table, "time")

    def coverage(self, table: pa.Table) -> pa.Table:
        status_fits = pc.is_in(table["status"], pa.array(STATUSES))
        table = self._keep(
            table, status_fits, lambda row: f"status {row['status']!r} is not one of {', '.join(STATUSES)}"
        )
        forward = pc.less_equal(table["start"], table["end"])
        table = self._keep(table, forward, lambda row: f"end {row['end']} is before start {row['start']}")
        return self._not_ahead(table, "end")

    def _not_ahead(self, table: pa.Table, column: str) -> pa.Table:
        in_time = pc.less_equal(table[column], self._latest)
        return self._keep(
            table, in_time, lambda row: f"{column} {row[column]} is over an hour ahead of the ledger's clock"
        )

    def _keep(
        self, table: pa.Table, fits: pa.ChunkedArray | np.ndarray, reason: Callable[[dict[str, object]], str]
    ) -> pa.Table:
        """The rows that fit; the others, seldom any, become dead letters one by one."""
        mask = np.asarray(fits, dtype=bool)
        if mask.all():
            return table
        for row in table.filter(pa.array(~mask)).to_pylist():
            # A number as text never loses a digit; times come as ISO 8601.
            document = canonical_json({name: str(value) for name, value in row.items() if value is not None})
            source = str(row.get("source", f"series {row.get('series_id')}"))
            self._dead.append((source, str(row.get("id", "")), reason(row), document[:_DOCUMENT_CHARS_MAX]))
        return table.filter(pa.array(mask))

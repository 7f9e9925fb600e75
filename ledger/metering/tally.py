"""What many tenants used of one meter, each in a time of its own, kept up to date at little cost.

An answer per tenant would ask the tables as many times as there are tenants. Here one question sums the entries of all of them, and its
answer is kept for as long as nothing was booked; only what no entry settles is measured again with every new position, for all
tenants at once. Both parts are what ``answer.usage`` gives for the total of a range, and the sum is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from ledger.directory.catalog import Catalog
from ledger.journal.quantity import from_decimal
from ledger.journal.view import View
from ledger.metering.booking import MeterVersion, meter_versions, unbooked_from
from ledger.metering.buckets import aggregated_by_key
from ledger.metering.grid import Grid, ceil_us
from ledger.metering.measure import quantities
from meterbook.wire.instants import LATEST_US

_BOOKED = (
    "SELECT span, {dimensions} AS dimensions, sum(quantity) AS quantity FROM entries JOIN spans USING (tenant)"
    " WHERE meter = $1 AND position <= $2 AND hour >= make_timestamp($3) AND hour < make_timestamp($4)"
    " AND epoch_us(hour) >= start_us AND epoch_us(hour) < end_us GROUP BY ALL"
)


@dataclass(frozen=True)
class Span:
    """A tenant, and the time whose windows are summed: those that begin in [start_us, end_us)."""

    tenant: str
    start_us: int
    end_us: int


#: Nano-units by span and dimensions, these "" where nobody tells them apart.
Sums = Mapping[Span, Mapping[str, int]]


class Tally:
    """The sums of one meter. Not safe for threads."""

    def __init__(self, meter: str, *, by_dimensions: bool) -> None:
        self._meter, self._by_dimensions = meter, by_dimensions
        self._settled: dict[int, tuple[Hashable, Mapping[tuple[Span, str], int]]] = {}

    def sums(self, view: View, catalog: Catalog, spans: tuple[Span, ...]) -> Sums:
        """The sums of some spans as of a view; one in which nothing was used is left out. The same tuple again costs least."""
        found: dict[Span, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        if not spans:
            return found
        start_us, end_us = min(each.start_us for each in spans), max(each.end_us for each in spans)
        for version in meter_versions(catalog, self._meter):
            low_us, high_us = max(start_us, version.start_us), min(end_us, version.end_us)
            if low_us >= high_us:
                continue
            live_us = unbooked_from(view, version)
            live_us = high_us if live_us is None else min(max(live_us, low_us), high_us)
            for (span, dimensions), nano in self._booked(view, version, spans, (low_us, live_us)).items():
                found[span][dimensions] += nano
            for span, dimensions, nano in self._live(view, version, spans, (live_us, high_us)):
                found[span][dimensions] += nano
        return found

    def _booked(
        self, view: View, version: MeterVersion, spans: tuple[Span, ...], within: tuple[int, int]
    ) -> Mapping[tuple[Span, str], int]:
        runs = view.runs(self._meter)
        # Entries come with runs, and with nothing else.
        depends_on = (runs.num_rows, max(runs["position"].to_pylist(), default=0), within, spans)
        kept = self._settled.get(version.start_us)
        if kept is None or kept[0] != depends_on:
            kept = depends_on, self._ask(view, spans, within)
            self._settled[version.start_us] = kept
        return kept[1]

    def _ask(self, view: View, spans: tuple[Span, ...], within: tuple[int, int]) -> Mapping[tuple[Span, str], int]:
        if within[0] >= within[1]:
            return {}
        columns = {
            "span": list(range(len(spans))),
            "tenant": [each.tenant for each in spans],
            "start_us": [each.start_us for each in spans],
            "end_us": [each.end_us for each in spans],
        }
        found = view.tables.query(
            _BOOKED.format(dimensions="dimensions" if self._by_dimensions else "''"),
            [self._meter, view.position, within[0], min(within[1], LATEST_US)],
            {"spans": pa.table(columns)},
        )
        told = (found[name].to_pylist() for name in ("span", "dimensions", "quantity"))
        return {(spans[span], text): from_decimal(quantity) for span, text, quantity in zip(*told, strict=True)}

    def _live(
        self, view: View, version: MeterVersion, spans: tuple[Span, ...], within: tuple[int, int]
    ) -> Iterator[tuple[Span, str, int]]:
        first_us, last_us = (ceil_us(version.windows, each) for each in within)
        if first_us >= last_us:
            return
        grid = Grid(first_us, last_us, version.windows)
        measured = quantities(aggregated_by_key(view, version.meter, grid), version.meter)
        mine: dict[str, list[Span]] = defaultdict(list)
        for each in spans:
            mine[each.tenant].append(each)
        for key, windows in measured.items():
            for span in mine.get(key.tenant, ()):
                nano = sum(pair[0] for at_us, pair in windows.items() if span.start_us <= at_us < span.end_us)
                if nano:
                    yield span, key.dimensions if self._by_dimensions else "", nano

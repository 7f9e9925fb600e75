"""The register of aggregations. A new one is one file with a function, one line here, and one test.

An aggregation reads what it needs of a view for the hours in [start, end) and gives amounts per group and hour, with
the key and the source of every group; and it tells how far back new rows reach, so that a run need not measure
everything again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering.hours import Hourly
from ledger.metering.increase import RENAMED_US, UNSEEN_US, Columns, increase
from ledger.metering.integral import integral
from ledger.metering.observation import Polls
from ledger.metering.occurrences import occurrences
from ledger.metering.reach import events_reach, series_reach
from ledger.metering.subjects import Key, Subjects, subjects
from meterbook.wire.instants import SECOND_US


@dataclass(frozen=True)
class Aggregated:
    """Amounts per group and hour, and what a group stands for."""

    hourly: Hourly
    key_of: Callable[[int], Key]
    source_of: Callable[[int], str]


@dataclass(frozen=True)
class Aggregation:
    """One way to add up: over the hours in [start_us, end_us), and how far back what came after a position reaches."""

    aggregate: Callable[[View, Meter, int, int], Aggregated]
    reach: Callable[[View, Meter, int], int | None]


def _samples(view: View, chosen: Subjects, start_us: int, end_us: int, *, ends: bool = False) -> Columns:
    """Samples as columns; ``ends`` as in :meth:`View.samples`."""
    table = view.samples(chosen.ids, start_us, end_us, ends=ends)
    codes = np.searchsorted(chosen.ids, table["series_id"].to_numpy())
    return codes, table["time_us"].to_numpy(), table["value"].to_numpy()


def _distinct(samples: Columns) -> Columns:
    """Of two samples of one instant only the first accepted."""
    codes, times, values = samples
    again = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    kept = np.concatenate((np.ones(min(1, len(codes)), dtype=bool), ~again))
    return codes[kept], times[kept], values[kept]


def _increase(view: View, meter: Meter, start_us: int, end_us: int) -> Aggregated:
    chosen = subjects(view.series(_metric(meter)), meter)
    codes, times, values = _samples(view, chosen, start_us, end_us)
    is_end = np.isnan(values)
    unseen, renamed = (
        set(zip(codes[is_end].tolist(), (times[is_end] + before_us).tolist(), strict=True))
        for before_us in (UNSEEN_US, RENAMED_US)
    )
    if is_end.any():
        vouched = _vouched(view, chosen, unseen | renamed)
        unseen, renamed = unseen - vouched, renamed - vouched
    samples = _distinct((codes[~is_end], times[~is_end], values[~is_end]))
    max_gap_us = meter.max_gap_s * SECOND_US
    hourly = increase(samples, chosen, Polls(view), max_gap_us, start_us, end_us, unseen, renamed)
    return Aggregated(hourly, chosen.keys.__getitem__, chosen.source_of)


def _vouched(view: View, chosen: Subjects, marked: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those samples, by place and time, that somebody has given without a marker of its own."""
    codes, times = (np.array(column, np.int64) for column in zip(*sorted(marked), strict=True))
    found = view.vouched(chosen.ids[codes], times)
    ids, times = found["series_id"].to_numpy(), found["time_us"].to_numpy()
    return set(zip(np.searchsorted(chosen.ids, ids).tolist(), times.tolist(), strict=True))


def _integral(view: View, meter: Meter, start_us: int, end_us: int) -> Aggregated:
    chosen = subjects(view.series(_metric(meter)), meter)
    samples = _distinct(_samples(view, chosen, start_us, end_us, ends=True))
    hourly = integral(samples, chosen, meter.max_gap_s * SECOND_US)
    return Aggregated(hourly, chosen.keys.__getitem__, chosen.source_of)


def _occurrences(view: View, meter: Meter, start_us: int, end_us: int) -> Aggregated:
    names = sorted({*meter.filter, *meter.group_by})
    found = occurrences(view.events(_event(meter), names, start_us, end_us), meter)
    return Aggregated(found.hourly, found.keys.__getitem__, found.origins.__getitem__)


def _metric(meter: Meter) -> str:
    assert meter.source.metric is not None
    return meter.source.metric


def _event(meter: Meter) -> str:
    assert meter.source.event is not None
    return meter.source.event


AGGREGATIONS = {
    "increase": Aggregation(_increase, series_reach),
    "integral": Aggregation(_integral, series_reach),
    "count": Aggregation(_occurrences, events_reach),
    "sum": Aggregation(_occurrences, events_reach),
}

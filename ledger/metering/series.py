"""Samples as metering reads them: of each series in order, one for each instant, and as points where what a gauge was matters."""

from __future__ import annotations

import numpy as np

from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering import nano
from ledger.metering.aggregated import Aggregated, Part, Resource, folded
from ledger.metering.grid import Grid
from ledger.metering.held import held_until_told, present
from ledger.metering.increase import RENAMED_US, UNSEEN_US, Columns, Sighted, increase
from ledger.metering.integral import integral
from ledger.metering.latest import latest
from ledger.metering.observation import Polls
from ledger.metering.points import Points, numbered
from ledger.metering.subjects import Subjects, subjects
from ledger.metering.unique import by_value, unique
from meterbook.wire.instants import SECOND_US


def increased(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """What counters were increased by (see ``increase``)."""
    chosen = read_by(view, meter)
    codes, times, values = _samples(view, chosen, grid)
    is_end = np.isnan(values)
    unseen, renamed = (
        set(zip(codes[is_end].tolist(), (times[is_end] + before_us).tolist(), strict=True))
        for before_us in (UNSEEN_US, RENAMED_US)
    )
    if is_end.any():
        vouched = _vouched(view, chosen, unseen | renamed)
        unseen, renamed = unseen - vouched, renamed - vouched
    samples = _distinct((codes[~is_end], times[~is_end], values[~is_end]))
    sighted = Sighted(Polls(view), unseen, renamed)
    found = increase(samples, chosen, sighted, meter.max_gap_s * SECOND_US, grid)
    return folded(found, grid, _parts(chosen))


def integrated(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """Value x seconds of gauges (see ``integral``); of ``active`` ones the seconds in which they were not 0."""
    if meter.per is not None:
        # Whichever series tells of a resource, it has one value at a time.
        points = sampled(view, meter, grid)
        told = present(points) if meter.aggregation == "active" else points
        return held_until_told(told, grid, meter.max_gap_s * SECOND_US)
    chosen = read_by(view, meter)
    codes, times, values = _distinct(_samples(view, chosen, grid, ends=True))
    if meter.aggregation == "active":
        values = np.where(np.isnan(values), values, (values != 0).astype(np.float64))
    found = integral((codes, times, values), chosen, meter.max_gap_s * SECOND_US, grid.step_us)
    return folded(found, grid, _parts(chosen))


def sampled(view: View, meter: Meter, grid: Grid) -> Points:
    """Samples of gauges as points: those of the grid, and of each series the one before and the one after."""
    chosen = read_by(view, meter)
    codes, times, values = _distinct(_samples(view, chosen, grid))
    there = ~np.isnan(values)
    codes, times, values = codes[there], times[there], values[there]
    assigned = _parts(chosen)
    places: dict[Resource, int] = {}
    of = np.array([places.setdefault(part.resource, len(places)) for part in assigned], np.int64)
    origins, sources = numbered(part.source for part in assigned)
    assignments = chosen.assignments(codes, times)
    whole, rest = nano.split(values)
    points = Points(of[assignments], times, whole, rest, origins[assignments], list(places), sources, codes)
    # Two series may be of one resource. Of what they say at the same moment the greater comes last.
    return points.chosen(np.lexsort((points.origins, rest, whole, times, points.groups)))


def seen(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """How many different values a label has, of series that were read."""
    return unique(latest(sampled(view, by_value(meter), grid), grid))


def read_by(view: View, meter: Meter) -> Subjects:
    """The series that a meter of a metric reads."""
    assert meter.source.metric is not None
    return subjects(view.series(meter.source.metric), meter)


def _samples(view: View, chosen: Subjects, grid: Grid, *, ends: bool = False) -> Columns:
    """Samples as columns; ``ends`` as in :meth:`View.samples`."""
    table = view.samples(chosen.ids, grid.start_us, grid.end_us, ends=ends)
    codes = np.searchsorted(chosen.ids, table["series_id"].to_numpy())
    return codes, table["time_us"].to_numpy(), table["value"].to_numpy()


def _distinct(samples: Columns) -> Columns:
    """Of two samples of one instant only the first accepted."""
    codes, times, values = samples
    again = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    kept = np.concatenate((np.ones(min(1, len(codes)), dtype=bool), ~again))
    return codes[kept], times[kept], values[kept]


def _vouched(view: View, chosen: Subjects, marked: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those samples, by place and time, that somebody has given without a marker of its own."""
    codes, times = (np.array(column, np.int64) for column in zip(*sorted(marked), strict=True))
    found = view.vouched(chosen.ids[codes], times)
    ids, times = found["series_id"].to_numpy(), found["time_us"].to_numpy()
    return set(zip(np.searchsorted(chosen.ids, ids).tolist(), times.tolist(), strict=True))


def _parts(chosen: Subjects) -> list[Part]:
    """Every assignment as a part of its resource."""
    owners = zip(chosen.keys, chosen.names, strict=True)
    return [Part(Resource(*owner), chosen.source_of(place)) for place, owner in enumerate(owners)]

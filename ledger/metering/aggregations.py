"""The register of aggregations. A new one is one file with a function, one line here, one name in ``directory.meter``, and one test.

An aggregation reads what it needs of a view for the windows of a grid and gives amounts per resource and window; and it tells
how far back new rows reach, so that a run need not measure everything again. Most are functions of points, which are the same
whether samples or events told of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ledger.directory.making import Buckets
from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering import events, nano, series
from ledger.metering.aggregated import Aggregated
from ledger.metering.different import different
from ledger.metering.extreme import greatest, least
from ledger.metering.grid import Grid, floor_us
from ledger.metering.held import held, present
from ledger.metering.latest import last_known, latest
from ledger.metering.mean import mean
from ledger.metering.news import News, Reach
from ledger.metering.percentile import percentile
from ledger.metering.points import Points
from ledger.metering.reach import events_reach, held_reach, series_reach
from ledger.metering.total import summed, total
from ledger.metering.windows import Windows
from meterbook.wire.instants import SECOND_US

Aggregate = Callable[[View, Meter, Grid], Aggregated]


@dataclass(frozen=True)
class Aggregation:
    """One way to make quantities of what a source tells."""

    aggregate: Aggregate
    reach: Reach
    #: The same for all resources of a key together, where that is cheaper.
    by_key: Aggregate | None = None


def _of_samples(kernel: Callable[[Points, Grid], Aggregated]) -> Aggregation:
    return Aggregation(lambda view, meter, grid: kernel(series.sampled(view, meter, grid), grid), series_reach)


def _of_events(kernel: Callable[[Points, Grid], Aggregated]) -> Aggregation:
    return Aggregation(lambda view, meter, grid: kernel(_told(view, meter, grid), grid), events_reach)


def _told(view: View, meter: Meter, grid: Grid) -> Points:
    """Events of the grid as points that say what there is."""
    return _history(view, meter, grid) if meter.changes else events.told_points(view, meter, grid)


def _history(view: View, meter: Meter, grid: Grid) -> Points:
    """All events before the end of the grid, as points that say what there is."""
    points = events.told_points(view, meter, grid, since_ever=True)
    return summed(points) if meter.changes else points


def _per_second(aggregate: Aggregate) -> Aggregate:
    """Divided by the seconds of the window: an average over time, in which what was not there counts as nothing."""

    def divided(view: View, meter: Meter, grid: Grid) -> Aggregated:
        found = aggregate(view, meter, grid)
        parts = [
            {
                cell: nano.round_half_even(amount * SECOND_US, _length_us(grid, cell[1]))
                for cell, amount in amounts.items()
            }
            for amounts in (found.quantity, found.estimated)
        ]
        return replace(found, quantity=parts[0], estimated=parts[1])

    return divided


def _length_us(grid: Grid, start_us: int) -> int:
    start_us, end_us = grid.within(start_us)
    return end_us - start_us


def _percentile_of(points: Callable[[View, Meter, Grid], Points]) -> Aggregate:
    def aggregate(view: View, meter: Meter, grid: Grid) -> Aggregated:
        assert meter.percentile is not None
        return percentile(points(view, meter, grid), grid, meter.percentile)

    return aggregate


def _held(view: View, meter: Meter, grid: Grid) -> Aggregated:
    points = _history(view, meter, grid)
    return held(present(points) if meter.aggregation == "active" else points, grid, view.time_us)


_OF_METRICS = {
    "increase": Aggregation(series.increased, series_reach, series.increased_by_key),
    "rate": Aggregation(_per_second(series.increased), series_reach),
    "integral": Aggregation(series.integrated, series_reach, series.integrated_by_key),
    "average": Aggregation(_per_second(series.integrated), series_reach),
    "active": Aggregation(series.integrated, series_reach, series.integrated_by_key),
    "min": _of_samples(least),
    "max": _of_samples(greatest),
    "mean": _of_samples(mean),
    "percentile": Aggregation(_percentile_of(series.sampled), series_reach),
    "latest": _of_samples(latest),
    "last_known": Aggregation(
        lambda view, meter, grid: last_known(series.sampled(view, meter, grid), grid, view.time_us),
        held_reach(series_reach),
    ),
    "unique": Aggregation(series.seen, series_reach),
}
_OF_EVENTS = {
    "count": Aggregation(events.added, events_reach),
    "sum": Aggregation(events.added, events_reach),
    "total": Aggregation(
        lambda view, meter, grid: total(events.told_points(view, meter, grid, since_ever=True), grid, view.time_us),
        held_reach(events_reach),
    ),
    "integral": Aggregation(_held, held_reach(events_reach)),
    "average": Aggregation(_per_second(_held), held_reach(events_reach)),
    "active": Aggregation(_held, held_reach(events_reach)),
    "min": _of_events(least),
    "max": _of_events(greatest),
    "mean": _of_events(mean),
    "percentile": Aggregation(_percentile_of(_told), events_reach),
    "latest": _of_events(latest),
    "last_known": Aggregation(
        lambda view, meter, grid: last_known(_history(view, meter, grid), grid, view.time_us),
        held_reach(events_reach),
    ),
    "unique": Aggregation(events.named, events_reach, different),
}
#: By kind of source and name.
AGGREGATIONS = {"metric": _OF_METRICS, "event": _OF_EVENTS}


def aggregation_of(meter: Meter) -> Aggregation:
    """How a meter aggregates, of its windows or of each of its buckets."""
    found = AGGREGATIONS[meter.source.kind][meter.aggregation]
    if meter.buckets is None:
        return found
    # With empty ones, a bucket that passes without anything is told by time alone.
    reach = held_reach(found.reach) if meter.buckets.empty == "zero" else found.reach
    return replace(found, reach=_whole(reach, buckets_of(meter, meter.buckets)))


def buckets_of(meter: Meter, buckets: Buckets) -> Windows:
    """The buckets of a meter."""
    return Windows(buckets.unit, meter.window.zone, meter.window.anchor, buckets.minutes)


def _whole(reach: Reach, buckets: Windows) -> Reach:
    """News of a bucket are news of all of it, which may belong to the window before."""

    def reached(view: View, meter: Meter, after: int) -> list[News]:
        return [replace(each, since_us=floor_us(buckets, each.since_us)) for each in reach(view, meter, after)]

    return reached

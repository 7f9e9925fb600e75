"""Samples as metering reads them: of each series in order, one for each instant, and as points where what a gauge was matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from ledger.directory.meter import Meter
from ledger.journal import samples
from ledger.journal.samples import MARKED_US
from ledger.journal.view import View
from ledger.metering import nano
from ledger.metering.aggregated import Aggregated, Part, Resource, summed_up
from ledger.metering.approximate import approximated, met_once
from ledger.metering.grid import Grid
from ledger.metering.held import held_until_told, present
from ledger.metering.increase import Increase
from ledger.metering.integral import Integral
from ledger.metering.latest import latest
from ledger.metering.marks import Marks
from ledger.metering.observation import Polls
from ledger.metering.points import Points, numbered
from ledger.metering.stream import Block, blocks
from ledger.metering.subjects import Subjects, read_by
from ledger.metering.unique import by_value, unique
from meterbook.wire.instants import SECOND_US


def increased(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """What counters were increased by (see ``increase``)."""
    return _increased(view, meter, grid, _parts)


def increased_by_key(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """The same for all resources of a key together, as far as one source tells of them."""
    return _increased(view, meter, grid, _parts_of_keys)


def integrated(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """Value x seconds of gauges (see ``integral``); of ``active`` ones the seconds in which they were not 0."""
    return _integrated(view, meter, grid, _parts)


def integrated_by_key(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """The same for all resources of a key together, as far as one source tells of them."""
    return _integrated(view, meter, grid, _parts_of_keys)


def _increased(view: View, meter: Meter, grid: Grid, parts_of: Callable[[Subjects], list[Part]]) -> Aggregated:
    chosen = read_by(view, meter)
    places: dict[Part, int] = {}
    groups = np.array([places.setdefault(part, len(places)) for part in parts_of(chosen)], np.int64)
    found = Increase(chosen, grid, groups, meter.max_gap_s * SECOND_US)
    marks = Marks(view, chosen.ids)
    # Markers right before the grid say something of what is first in it.
    for block in _blocks(view, chosen, grid.start_us - MARKED_US, grid.end_us, ends=False):
        said = marks.said(block)
        kept = _distinct(block, ends=False) & (block.times >= grid.start_us)
        found.feed(block.chosen(kept), None if said is None else said[kept])
    first_ids = found.first_ids()
    before = samples.before(view, first_ids, np.full(len(first_ids), grid.start_us))
    found.finish(before, Polls(view))
    return summed_up(found.sums, grid, list(places), found.estimated)


def _integrated(view: View, meter: Meter, grid: Grid, parts_of: Callable[[Subjects], list[Part]]) -> Aggregated:
    is_active = meter.aggregation == "active"
    if meter.per is not None:
        # Whichever series tells of a resource, it has one value at a time.
        points = sampled(view, meter, grid)
        return held_until_told(present(points) if is_active else points, grid, meter.max_gap_s * SECOND_US)
    chosen = read_by(view, meter)
    found = Integral(chosen, grid.step_us, meter.max_gap_s * SECOND_US, is_active=is_active)
    # What was read longer ago is held no more.
    since_us = grid.start_us - meter.max_gap_s * SECOND_US
    found.begin(samples.before(view, chosen.ids, np.full(len(chosen.ids), grid.start_us), since_us, ends=True))
    for block in _blocks(view, chosen, grid.start_us, grid.end_us, ends=True):
        found.feed(block.chosen(_distinct(block, ends=True)))
    return summed_up(found.sums.per_second(), grid, parts_of(chosen))


def sampled(view: View, meter: Meter, grid: Grid) -> Points:
    """Samples of gauges as points: those of the grid, and of each series the one before and the one after."""
    chosen = read_by(view, meter)
    near = _block(chosen, samples.near(view, chosen.ids, grid.start_us, grid.end_us))
    codes, times, values, _ = near.chosen(_distinct(near, ends=False))
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
    found = latest(sampled(view, by_value(meter), grid), grid)
    return approximated([met_once(view, found, meter)], grid) if meter.approximate else unique(found)


def _blocks(view: View, chosen: Subjects, start_us: int, end_us: int, *, ends: bool) -> Iterator[Block]:
    """The samples of [start, end) in blocks, and at last the one after of each series; ``ends`` as in ``samples.after``."""
    yield from blocks(view, chosen.ids, start_us, end_us)
    yield _block(chosen, samples.after(view, chosen.ids, end_us, ends=ends))


def _block(chosen: Subjects, table: pa.Table) -> Block:
    ids, times, values = (column.to_numpy() for column in table.columns)
    return Block.of(np.searchsorted(chosen.ids, ids), times, values)


def _distinct(block: Block, *, ends: bool) -> np.ndarray:
    """Of two samples of one instant only the first; markers are there with ``ends`` only. Gives a mask."""
    kept = np.ones(len(block.codes), bool) if ends else ~np.isnan(block.values)
    again = block.times[1:] == block.times[:-1]
    if again.any():
        # A marker comes last.
        kept[1:] &= ~(again & (block.codes[1:] == block.codes[:-1]))
    return kept


def _parts(chosen: Subjects) -> list[Part]:
    """Every assignment as a part of its resource."""
    owners = zip(chosen.keys, chosen.names, strict=True)
    return [Part(Resource(*owner), chosen.source_of(place)) for place, owner in enumerate(owners)]


def _parts_of_keys(chosen: Subjects) -> list[Part]:
    """Every assignment as a part of all that its key has."""
    return [Part(Resource(key, ""), chosen.source_of(place)) for place, key in enumerate(chosen.keys)]

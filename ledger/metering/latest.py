"""The last value of a window, and the last that is known at its end, whenever it was told."""

from __future__ import annotations

import numpy as np

from ledger.metering.aggregated import Aggregated, Cell, attributed
from ledger.metering.grid import Grid
from ledger.metering.points import Points, parts


def latest(points: Points, grid: Grid) -> Aggregated:
    """The last value of each resource and window in which it has one."""
    found = parts(points, grid)
    return found.aggregated(found.points.nano(found.ends - 1))


def last_known(points: Points, grid: Grid, now_us: int) -> Aggregated:
    """The last value that each resource has had by the end of a window, of the windows that have begun by ``now_us``.

    ``points`` are those before the grid, too, or at least the last of each resource.
    """
    quantity: dict[Cell, int] = {}
    behind: dict[Cell, set[str]] = {}
    known = points.chosen(points.times < grid.end_us)
    for first, last in known.firsts():
        times, values = known.times[first:last], known.nano(np.arange(first, last))
        for start_us, end_us in grid.walk(int(times[0]), now_us):
            place = int(np.searchsorted(times, min(end_us, grid.end_us))) - 1
            cell = (int(known.groups[first]), start_us)
            quantity[cell], behind[cell] = values[place], {known.sources[int(known.origins[first + place])]}
    return attributed(quantity, {}, known.resources, behind)

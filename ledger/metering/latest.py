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

    ``points`` are those before the grid, too, or at least the last of each thread. What a thread told of one resource is known
    no longer when it has told of another.
    """
    newest: dict[Cell, tuple[int, int, str]] = {}
    known = points.chosen(points.times < grid.end_us)
    for rows in known.by_thread():
        times, values = known.times[rows], known.nano(rows)
        for start_us, end_us in grid.walk(int(times[0]), now_us):
            place = int(np.searchsorted(times, min(end_us, grid.end_us))) - 1
            row = int(rows[place])
            cell = (int(known.groups[row]), start_us)
            found = (int(times[place]), values[place], known.sources[int(known.origins[row])])
            # Where several threads are of one resource the one that spoke last knows, as ever the greater of one moment.
            newest[cell] = max(newest.get(cell, found), found)
    quantity = {cell: value for cell, (_, value, _) in newest.items()}
    return attributed(quantity, {}, known.resources, {cell: {source} for cell, (_, _, source) in newest.items()})

"""The mean of the values of a window, each of which counts as much as any other."""

from __future__ import annotations

from ledger.metering import nano
from ledger.metering.aggregated import Aggregated
from ledger.metering.grid import Grid
from ledger.metering.points import Points, parts


def mean(points: Points, grid: Grid) -> Aggregated:
    """The mean of each resource and window in which it has a value, to the nearest nano-unit, half to even."""
    found = parts(points, grid)
    sums = nano.sums(found.points.whole, found.points.rest, found.starts)
    counts = (found.ends - found.starts).tolist()
    return found.aggregated(nano.round_half_even(total, count) for total, count in zip(sums, counts, strict=True))

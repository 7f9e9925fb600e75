"""The sum of everything since ever, as it is at the end of a window: what is stored, what is owed, how far somebody has come."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from ledger.metering import nano
from ledger.metering.aggregated import Aggregated
from ledger.metering.grid import Grid
from ledger.metering.latest import last_known
from ledger.metering.points import Points


def total(points: Points, grid: Grid, now_us: int) -> Aggregated:
    """The running total of each resource at the end of each window that has begun by ``now_us``; ``points`` are all there ever were."""
    return last_known(summed(points), grid, now_us)


def summed(points: Points) -> Points:
    """Points that say what was added, as points that say what there is."""
    values = [value for first, last in points.firsts() for value in accumulate(points.nano(np.arange(first, last)))]
    return points.valued(*nano.pairs(values))

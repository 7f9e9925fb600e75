"""The greatest or the least value of a window."""

from __future__ import annotations

from ledger.metering.aggregated import Aggregated
from ledger.metering.grid import Grid
from ledger.metering.points import Points, ordered


def greatest(points: Points, grid: Grid) -> Aggregated:
    """The greatest value of each resource and window in which it has one."""
    found = ordered(points, grid)
    return found.aggregated(found.points.nano(found.ends - 1))


def least(points: Points, grid: Grid) -> Aggregated:
    """The least value of each resource and window in which it has one."""
    found = ordered(points, grid)
    return found.aggregated(found.points.nano(found.starts))

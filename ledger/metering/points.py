"""Values at moments, by the thing that has them: what every aggregation but the plainest looks at.

A point is a sample of a gauge, or an event. Points are grouped by *resource*: a series, or all that agrees in the labels or
properties a meter names with ``per``. A resource has one value at a time, belongs to one tenant and stands under one set of
dimensions; what its tenant has is the sum over resources. Values are whole units and nano-units, both int64 (see ``nano``),
whether a float64 or a decimal told of them, so that one kernel serves both, exactly.

Points at the same moment are put into an order that does not depend on how they arrived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ledger.journal.quantity import NANO
from ledger.metering.aggregated import Aggregated, Cell, Resource, attributed
from ledger.metering.grid import Grid
from ledger.metering.sums import runs_of


@dataclass(frozen=True)
class Points:
    """Columns of equal length, sorted by ``groups`` (places in ``resources``) and then by time; times in microseconds.

    ``origins`` are places in ``sources``: who told of a point. ``threads`` are numbers of what told one thing after the other,
    such as a series, which may be of one resource first and then of another; None where that is the resource itself.
    """

    groups: np.ndarray
    times: np.ndarray
    whole: np.ndarray
    rest: np.ndarray
    origins: np.ndarray
    resources: list[Resource]
    sources: list[str]
    threads: np.ndarray | None = None

    def chosen(self, rows: np.ndarray) -> Points:
        """Those of some rows: a mask, or places."""
        columns = (self.groups, self.times, self.whole, self.rest, self.origins)
        groups, times, whole, rest, origins = (column[rows] for column in columns)
        threads = None if self.threads is None else self.threads[rows]
        return Points(groups, times, whole, rest, origins, self.resources, self.sources, threads)

    def valued(self, whole: np.ndarray, rest: np.ndarray) -> Points:
        """The same points with other values."""
        return replace(self, whole=whole, rest=rest)

    def between(self, start_us: int, end_us: int) -> Points:
        """Those of [start, end)."""
        return self.chosen((self.times >= start_us) & (self.times < end_us))

    def nano(self, rows: np.ndarray) -> list[int]:
        """The values of some rows in nano-units, as Python integers."""
        pairs = zip(self.whole[rows].tolist(), self.rest[rows].tolist(), strict=True)
        return [whole * NANO + rest for whole, rest in pairs]

    def firsts(self) -> list[tuple[int, int]]:
        """The rows of each resource that has any: first, and behind the last."""
        starts = np.flatnonzero(np.diff(self.groups, prepend=-1)).tolist()
        return list(zip(starts, [*starts, len(self.groups)][1:], strict=True))

    def by_thread(self) -> list[np.ndarray]:
        """The rows of each thread that has any, in the order of its points."""
        threads = self.groups if self.threads is None else self.threads
        if len(threads) == 0:
            return []
        order = np.lexsort((self.times, threads))
        return np.split(order, np.flatnonzero(np.diff(threads[order])) + 1)


@dataclass(frozen=True)
class Parts:
    """Points of a grid in parts of one resource and window each: ``starts`` and ``ends`` are rows, ``cells`` what the parts are."""

    points: Points
    starts: np.ndarray
    ends: np.ndarray
    cells: list[Cell]

    def aggregated(self, amounts: Iterable[int]) -> Aggregated:
        """An amount for each part, on the sources that told of its points."""
        behind: dict[Cell, set[str]] = {}
        origins = self.points.origins
        for cell, start, end in zip(self.cells, self.starts.tolist(), self.ends.tolist(), strict=True):
            behind[cell] = {self.points.sources[place] for place in np.unique(origins[start:end]).tolist()}
        return attributed(dict(zip(self.cells, amounts, strict=True)), {}, self.points.resources, behind)


def parts(points: Points, grid: Grid) -> Parts:
    """How the points that lie in a grid fall into its windows."""
    inside = points.between(grid.start_us, grid.end_us)
    return split(inside, grid.starts_of(inside.times))


def ordered(points: Points, grid: Grid) -> Parts:
    """The same, with the points of each part by their value."""
    inside = points.between(grid.start_us, grid.end_us)
    windows = grid.starts_of(inside.times)
    order = np.lexsort((inside.rest, inside.whole, windows, inside.groups))
    return split(inside.chosen(order), windows[order])


def split(points: Points, windows: np.ndarray) -> Parts:
    """Points in parts, given the start of the window of each; both sorted by resource and window."""
    starts = runs_of(points.groups, windows)
    ends = np.append(starts[1:], len(windows)) if len(starts) else starts
    return Parts(points, starts, ends, list(zip(points.groups[starts].tolist(), windows[starts].tolist(), strict=True)))


def numbered(names: Iterable[str]) -> tuple[np.ndarray, list[str]]:
    """Texts as places in a list of different ones."""
    places: dict[str, int] = {}
    found = np.array([places.setdefault(name, len(places)) for name in names], np.int64)
    return found, list(places)

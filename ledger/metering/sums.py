"""Exact sums by group and step, of more amounts than anybody wants to hold.

Amounts come in columns, and what is of one group and step is added up as it comes. They are whole units and nano-units, the whole ones
in two limbs of 31 bits, so that sums of int64 cannot overflow one. Only what is left at the end becomes Python integers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ledger.metering import nano

#: Groups, steps (start in microseconds), and the limbs of the amounts.
_Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
#: Rows that may wait until they are added up.
_ROWS = 1 << 19
_NONE = np.zeros(0, np.int64)


class Sums:
    """Adds up; with ``step_us`` all starts are multiples of it."""

    def __init__(self, step_us: int | None = None) -> None:
        self._step_us = step_us
        self._parts: list[_Columns] = []
        self._rows = 0

    def add(self, groups: np.ndarray, starts_us: np.ndarray, whole: np.ndarray, rest: np.ndarray) -> None:
        """Add whole units and nano-units to the groups and steps of each row; cheapest where rows of a group and step are neighbours."""
        runs = runs_of(groups, starts_us)
        if len(runs):
            self._keep((groups[runs], starts_us[runs], *nano.limbs(whole, rest, runs)))

    def add_weighted(
        self, groups: np.ndarray, starts_us: np.ndarray, whole: np.ndarray, rest: np.ndarray, weights: np.ndarray
    ) -> None:
        """The same times weights, which are not negative and of one group and step at most 2^32 together."""
        runs = runs_of(groups, starts_us)
        if len(runs):
            self._keep((groups[runs], starts_us[runs], *nano.weighted_limbs(whole, rest, weights, runs)))

    def per_second(self) -> Sums:
        """Where amounts were weighted by microseconds: by seconds, each sum rounded to nano-units, half to even."""
        groups, starts_us, *limbs = self._summed()
        found = Sums()
        if len(groups):
            found._keep((groups, starts_us, *nano.per_million(*limbs)))
        return found

    def by(self, groups: np.ndarray, starts_of: Callable[[np.ndarray], np.ndarray], start_us: int, end_us: int) -> Sums:
        """The sums of other groups, told for each of these, and of windows, told for steps, of those that lie in [start, end)."""
        old, starts_us, *limbs = self._summed()
        inside = (starts_us >= start_us) & (starts_us < end_us)
        found = Sums()
        if inside.any():
            high, low, rest = (limb[inside] for limb in limbs)
            found._keep((groups[old[inside]], starts_of(starts_us[inside]), high, low, rest))
        return found

    def cells(self) -> dict[tuple[int, int], int]:
        """Nano-units by group and step."""
        groups, starts_us, high, low, rest = self._summed()
        cells = zip(groups.tolist(), _shared(starts_us), strict=True)
        return dict(zip(cells, nano.integers(high, low, rest), strict=True))

    def _keep(self, columns: _Columns) -> None:
        self._parts.append(columns)
        self._rows += len(columns[0])
        # What was added up must be worth it: otherwise the same rows would be sorted again and again.
        if self._rows > max(_ROWS, 2 * len(self._parts[0][0])):
            self._summed()

    def _summed(self) -> _Columns:
        if not self._parts:
            return _NONE, _NONE, _NONE, _NONE, _NONE
        groups, starts_us, *limbs = (np.concatenate(columns) for columns in zip(*self._parts, strict=True))
        summed = _in_a_table(groups, starts_us, limbs, self._step_us) or _in_order(groups, starts_us, limbs)
        self._parts, self._rows = [summed], len(summed[0])
        return summed


def _in_a_table(
    groups: np.ndarray, starts_us: np.ndarray, limbs: list[np.ndarray], step_us: int | None
) -> _Columns | None:
    """Sums by group and start, where nearly every group has something of nearly every step: each has its place in a table."""
    if step_us is None or any(limb.dtype == object for limb in limbs):
        return None
    first_us = int(starts_us.min())
    steps = (int(starts_us.max()) - first_us) // step_us + 1
    size = (int(groups.max()) + 1) * steps
    if size > len(groups):
        return None
    cells = groups * steps + (starts_us - first_us) // step_us
    there = np.zeros(size, bool)
    there[cells] = True
    table = np.zeros((3, size), np.int64)
    for row, limb in zip(table, limbs, strict=True):
        np.add.at(row, cells, limb)
    found = np.flatnonzero(there)
    return found // steps, first_us + found % steps * step_us, *table[:, found]


def _in_order(groups: np.ndarray, starts_us: np.ndarray, limbs: list[np.ndarray]) -> _Columns:
    order = np.lexsort((starts_us, groups))
    groups, starts_us = groups[order], starts_us[order]
    runs = runs_of(groups, starts_us)
    high, low, rest = (np.add.reduceat(limb[order], runs) for limb in limbs)
    return groups[runs], starts_us[runs], high, low, rest


def _shared(column: np.ndarray) -> list[int]:
    """The numbers of a column, of each one object, however often it stands there."""
    distinct, places = np.unique(column, return_inverse=True)
    return list(map(distinct.tolist().__getitem__, places.tolist()))


def runs_of(groups: np.ndarray, starts_us: np.ndarray) -> np.ndarray:
    """Places at which rows of another group or start begin."""
    changes = np.empty(len(groups), bool)
    changes[:1] = True
    np.not_equal(groups[1:], groups[:-1], out=changes[1:])
    changes[1:] |= starts_us[1:] != starts_us[:-1]
    return np.flatnonzero(changes)

"""The windows that a quantity is made for, and the steps that they consist of.

Windows may be months of a zone, and steps are hours, or quarters of an hour where days of the zone do not begin at whole hours
of UTC. A step belongs to the window in which it starts. Windows are not listed: one mistaken time may be centuries away from
all others, so only those are looked for in which there is something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from ledger.metering.windows import FIRST_US, LAST_US, Windows
from meterbook.wire.instants import HOUR_US

_QUARTER_US = HOUR_US // 4
#: Offsets of a zone are looked at from the first to the last of these years; before that clocks kept local time, to the second.
_YEARS = range(1970, 2038)


@dataclass(frozen=True)
class Grid:
    """The windows that meet [start_us, end_us); without ``windows`` the range itself is the only one."""

    start_us: int
    end_us: int
    windows: Windows | None

    @cached_property
    def step_us(self) -> int:
        """Length of the steps; all of them lie on the grid of the epoch."""
        if self.windows is None:
            return HOUR_US
        if self.windows.step_us is not None:
            return min(self.windows.step_us, HOUR_US)
        return _step_us(self.windows.zone)

    def start_of(self, at_us: int) -> int:
        """The start of the window that holds an instant of the range."""
        return self.start_us if self.windows is None else floor_us(self.windows, at_us)

    def bounds(self, start_us: int) -> tuple[int, int]:
        """Start and end of the window that begins at an instant."""
        if self.windows is None:
            return self.start_us, self.end_us
        return start_us, ceil_us(self.windows, start_us + 1)

    def within(self, start_us: int) -> tuple[int, int]:
        """Start and end of what lies in the range of the window that begins at an instant."""
        start_us, end_us = self.bounds(start_us)
        return max(start_us, self.start_us), min(end_us, self.end_us)

    def walk(self, since_us: int, until_us: int) -> Iterator[tuple[int, int]]:
        """Start and end of the windows of the grid, from the one that holds ``since_us`` on, that begin before ``until_us``."""
        start_us, end_us = self.bounds(self.start_of(max(since_us, self.start_us)))
        while start_us < min(until_us, self.end_us):
            yield start_us, end_us
            start_us, end_us = self.bounds(end_us) if self.windows is not None else (self.end_us, self.end_us)

    def starts_of(self, times_us: np.ndarray) -> np.ndarray:
        """The start of the window of each time of the range."""
        if self.windows is None:
            return np.full(len(times_us), self.start_us)
        if (length_us := self.windows.step_us) is not None:
            return times_us // length_us * length_us
        steps, places = np.unique(times_us // self.step_us * self.step_us, return_inverse=True)
        starts = np.array([floor_us(self.windows, step_us) for step_us in steps.tolist()], np.int64)
        found: np.ndarray = starts[places]
        return found


def floor_us(windows: Windows, at_us: int) -> int:
    """The start of the window that holds an instant, or of the first or last window there is."""
    if windows.step_us is not None:
        return at_us // windows.step_us * windows.step_us
    return windows.start(min(max(at_us, FIRST_US), LAST_US))


def ceil_us(windows: Windows, at_us: int) -> int:
    """The first start of a window at an instant or after it, or the last there is."""
    start_us = floor_us(windows, at_us)
    if start_us >= at_us or (windows.step_us is None and at_us > LAST_US):
        return start_us
    return start_us + windows.step_us if windows.step_us is not None else windows.next(start_us)


@lru_cache(maxsize=1_000)
def _step_us(zone: str) -> int:
    place = ZoneInfo(zone)
    moments = (datetime(year, month, 1, tzinfo=UTC) for year in _YEARS for month in (1, 7))
    offsets = {moment.astimezone(place).utcoffset() or timedelta(0) for moment in moments}
    return _QUARTER_US if any(offset % timedelta(hours=1) for offset in offsets) else HOUR_US

"""Windows: the pieces into which time is cut wherever a quantity is asked for by the hour, by the day or by the month.

A window is half-open, in microseconds of UTC, and the end of one is the start of the next because both are drawn by the
same function from the same number of a window. That, and not arithmetic with days or hours, is why windows neither
overlap nor leave a gap: a month is not a number of days, and a day is not 24 hours where clocks change.

Minutes and hours are those of UTC, since an hour of usage is an hour that passed, whatever a clock showed. Days and all
that is longer begin at the local midnight of a zone, by the rule of :func:`local_midnight_us`. The boundary decides, also
where clocks that go back show the evening before once more. A date that a zone left out altogether, as Samoa did with
30 December 2011, begins where the next one does: it has no window.

Months, quarters and years begin on the anchor's day of the month, or on the last day of a month that is shorter. Each
start is drawn from the anchor and not from the start before it, so that 31 January, 28 February and 31 March follow
each other.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np

from ledger.schema.calendar import UNITS, Unit
from ledger.schema.moments import local_midnight_us, zone_names
from meterbook.wire import instants

_MINUTE_US, _MINUTES_OF_HOUR = 60 * instants.SECOND_US, 60
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MONTHS_OF_YEAR = _MONTHS["year"]
_DAYS_OF_WEEK = 7
_ANCHOR_MAX = 31
#: With a year to spare on both sides, windows of every zone and anchor begin and end in years that can be written down.
FIRST_US, LAST_US = instants.parse("0002-01-01"), instants.parse("9999-01-01") - 1


@dataclass(frozen=True)
class Windows:
    """All windows of one kind, which tile the years 2 to 9998.

    ``zone`` is an IANA name, and stands for nothing with minutes and hours. ``anchor`` is the weekday on which weeks
    begin, 1 (Monday) to 7 as in ISO 8601, and the day of the month, 1 to 31, on which months begin, quarters in January,
    April, July and October, and years in January; it stands for nothing with the others. Windows of minutes have so many
    ``minutes``. Raises ValueError for a unit, a zone or an anchor that there is not, and minutes that do not tile an hour.
    """

    unit: Unit
    zone: str = "UTC"
    anchor: int = 1
    minutes: int = 1

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"unit {self.unit!r} is none of {', '.join(UNITS)}")
        if self.zone not in zone_names():
            raise ValueError(f"zone {self.zone!r} is not an IANA time zone")
        if self.minutes < 1 or _MINUTES_OF_HOUR % self.minutes:
            raise ValueError(f"an hour is not a number of windows of {self.minutes} minutes")
        anchor_max = _DAYS_OF_WEEK if self.unit == "week" else _ANCHOR_MAX
        if not 1 <= self.anchor <= anchor_max:
            raise ValueError(f"anchor {self.anchor} of {self.unit} windows is not from 1 to {anchor_max}")

    @cached_property
    def step_us(self) -> int | None:
        """The one length, in microseconds, of windows that all begin at whole multiples of it from the epoch; else None."""
        if self.unit == "minute":
            return self.minutes * _MINUTE_US
        if self.unit == "day" and self._place.utcoffset(None) == timedelta(0):
            return instants.DAY_US
        return instants.HOUR_US if self.unit == "hour" else None

    def start(self, at_us: int) -> int:
        """The beginning of the window that holds an instant. Raises ValueError outside of the years 2 to 9998."""
        return self.bounds(at_us)[0]

    def next(self, at_us: int) -> int:
        """The end of the window that holds an instant, where the next one begins. Raises ValueError as ``start``."""
        return self.bounds(at_us)[1]

    def bounds(self, at_us: int) -> tuple[int, int]:
        """Start, inclusive, and end, exclusive, of the window that holds an instant. Raises ValueError as ``start``."""
        self._check(at_us)
        if self.step_us is not None:
            start_us = at_us // self.step_us * self.step_us
            return start_us, start_us + self.step_us
        number = self._number(at_us)
        return self._start_us(number), self._start_us(number + 1)

    def edges(self, start_us: int, end_us: int) -> np.ndarray:
        """Starts of all windows that meet [start, end), ascending, and the end of the last one, as int64.

        The windows are n and their edges n + 1; where the range is empty there is no window, and no edge either. Raises
        ValueError as ``start``.
        """
        if start_us >= end_us:
            return np.zeros(0, dtype=np.int64)
        first_us, last_us = self.start(start_us), self.next(end_us - 1)
        if self.step_us is not None:
            return np.arange(first_us, last_us + self.step_us, self.step_us, dtype=np.int64)
        number, found = self._number(start_us), [first_us]
        while found[-1] < last_us:
            number += 1
            edge_us = self._start_us(number)
            if edge_us > found[-1]:
                found.append(edge_us)
        return np.array(found, dtype=np.int64)

    @cached_property
    def _place(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def _check(self, at_us: int) -> None:
        if not FIRST_US <= at_us <= LAST_US:
            raise ValueError(f"{at_us} us is outside of the years 2 to 9998, for which there are {self.unit} windows")

    def _number(self, at_us: int) -> int:
        """The window that holds an instant, counted from year 0; of windows that begin at once the last."""
        local = instants.to_datetime(at_us).astimezone(self._place)
        if self.unit in _MONTHS:
            number = (local.year * _MONTHS_OF_YEAR + local.month - 1) // _MONTHS[self.unit]
        elif self.unit == "week":
            number = (local.toordinal() - self.anchor) // _DAYS_OF_WEEK
        else:
            number = local.toordinal()
        # Near a boundary the calendar may show the other side of it: before the anchor's day, and where clocks change.
        while at_us < self._start_us(number):
            number -= 1
        while at_us >= self._start_us(number + 1):
            number += 1
        return number

    def _start_us(self, number: int) -> int:
        """Where a window begins. No clock ever left out more than one day at once, so the starts never descend."""
        day = self._first_day(number)
        return local_midnight_us(day.year, day.month, day.day, self._place)

    def _first_day(self, number: int) -> date:
        if self.unit == "day":
            return date.fromordinal(number)
        if self.unit == "week":
            # Day 1 of the calendar is a Monday.
            return date.fromordinal(number * _DAYS_OF_WEEK + self.anchor)
        year, month = divmod(number * _MONTHS[self.unit], _MONTHS_OF_YEAR)
        if year > MAXYEAR:
            raise ValueError(f"a {self.unit} window of {self.zone} ends after the year {MAXYEAR}")
        return date(year, month + 1, min(self.anchor, monthrange(year, month + 1)[1]))

"""Billing periods: calendar months in the customer's own time zone.

A period is half-open, in microseconds: it holds its start and not its end. Periods neither overlap nor leave a gap, as
all windows do.

Usage is booked per hour of UTC. An hour belongs to the period in which it starts; in zones that are not a whole
number of hours from UTC, the hour across the end of a month is therefore billed, whole and once, in the old one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ledger.metering.windows import Windows
from ledger.schema.moments import instant_of, parse_moment
from meterbook.wire import instants

_MONTH, _DAY = re.compile(r"[0-9]{4}-[0-9]{2}"), re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Period:
    """An interval of event time in microseconds: start inclusive, end exclusive."""

    start_us: int
    end_us: int

    def holds(self, instant_us: int) -> bool:
        """Whether the instant is inside."""
        return self.start_us <= instant_us < self.end_us

    def clipped(self, start_us: int, end_us: int | None) -> Period | None:
        """The part inside [start, end), where an end of None is no end; None where there is none."""
        start = max(self.start_us, start_us)
        end = self.end_us if end_us is None else min(self.end_us, end_us)
        return Period(start, end) if start < end else None

    def __str__(self) -> str:
        return f"{instants.text(self.start_us)} to {instants.text(self.end_us)}"


def billing_period(at_us: int, zone: ZoneInfo) -> Period:
    """The calendar month of ``zone`` that holds an instant. Raises ValueError outside of the years 2 to 9998."""
    return Period(*Windows("month", zone.key).bounds(at_us))


def named_period(name: str, zone: ZoneInfo) -> Period:
    """The period that a person names: a month ``2026-03``, a day ``2026-03-10``, or ``FROM/TO`` of dates or RFC 3339 times.

    Months, days and dates are those of ``zone``; the end is exclusive. Raises ValueError for anything else.
    """
    if _MONTH.fullmatch(name) or _DAY.fullmatch(name):
        at_us = instant_of(parse_moment(name if _DAY.fullmatch(name) else f"{name}-01"), zone)
        return Period(*Windows("day" if _DAY.fullmatch(name) else "month", zone.key).bounds(at_us))
    start, slash, end = name.partition("/")
    if not slash:
        raise ValueError(
            f"{name!r} is neither a month such as 2026-03, nor a day such as 2026-03-10, nor FROM/TO of two such days"
        )
    start_us, end_us = (instant_of(parse_moment(each), zone) for each in (start, end))
    if start_us >= end_us:
        raise ValueError(f"{name!r} ends before it begins, or at once: give an end, exclusive, that is after the start")
    return Period(start_us, end_us)

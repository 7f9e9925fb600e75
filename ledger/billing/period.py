"""Billing periods: calendar months in the customer's own time zone.

A period is half-open, in microseconds: it holds its start and not its end. Periods neither overlap nor leave a gap, as
all windows do.

Usage is booked per hour of UTC. An hour belongs to the period in which it starts; in zones that are not a whole
number of hours from UTC, the hour across the end of a month is therefore billed, whole and once, in the old one.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ledger.metering.windows import Windows
from meterbook.wire import instants


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

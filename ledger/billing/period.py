"""Billing periods: calendar months in the customer's own time zone.

A period is half-open, in microseconds: it holds its start and not its end, and the end of one month is the
start of the next because both are drawn by the same function from the same date. That, and not any arithmetic
with days or hours, is why periods neither overlap nor leave a gap: months are not a number of days, days are
not 24 hours where clocks change, and a month may even begin at another hour than midnight where a change skips
it.

Usage is booked per hour of UTC. An hour belongs to the period in which it starts; in zones that are not a whole
number of hours from UTC, the hour across the end of a month is therefore billed, whole and once, in the old one.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ledger.directory.moments import local_midnight_us
from meterbook.wire import instants

MONTHS = 12


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
    """The calendar month of ``zone`` that holds an instant."""
    local = instants.to_datetime(at_us).astimezone(zone)
    month = local.year * MONTHS + local.month - 1
    # Where clocks change around the first midnight of a month, the calendar may show the one month on the
    # other's side of the boundary; the boundary decides, and is then never more than one month away.
    if at_us < _start_us(month, zone):
        month -= 1
    elif at_us >= _start_us(month + 1, zone):
        month += 1
    return Period(_start_us(month, zone), _start_us(month + 1, zone))


def _start_us(month: int, zone: ZoneInfo) -> int:
    """The instant at which a month, counted from year 0, begins."""
    return local_midnight_us(month // MONTHS, month % MONTHS + 1, 1, zone)

"""Which months are due.

A month is *open* until it was read whole when it was settled, so many days after its end; it stays so however long nobody could read it, and
what is open is due. Days are whole days in UTC, and a day is asked for when it is over: on the first of a month nothing of that month
can be asked, and a period that ends where it begins is refused ("AWS Billing and Cost Management API reference", DateInterval).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from meterbook.wire.instants import from_datetime, to_datetime

#: Months before the current one that can be had by the day ("AWS Cost Management user guide", "Analyzing your costs with Cost Explorer").
HISTORY_MONTHS = 12


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month, UTC."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Month:
        """The month of a day."""
        return cls(day.year, day.month)

    @classmethod
    def named(cls, name: str) -> Month:
        """The month of that name."""
        return cls.of(date.fromisoformat(f"{name}-01"))

    @property
    def name(self) -> str:
        """``2026-01``."""
        return f"{self.year:04}-{self.number:02}"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def start_us(self) -> int:
        """Where it begins."""
        return midnight_us(self.first)

    def after(self, months: int) -> Month:
        """The month so many months later, or earlier where that is negative."""
        count = self.year * 12 + self.number - 1 + months
        return Month(count // 12, count % 12 + 1)

    def is_settled(self, today: date, settle_days: int) -> bool:
        """Whether it is over for so many days."""
        return today >= self.after(1).first + timedelta(days=settle_days)


@dataclass(frozen=True)
class Due:
    """Days of a month that are asked for: all before ``until``."""

    month: Month
    until: date


@dataclass(frozen=True)
class Plan:
    """What is due, the earliest first; and until when months are ``lost`` that were open and cannot be had any more."""

    due: tuple[Due, ...]
    lost_us: int | None = None


def plan(open_since: Month | None, today: date, settle_days: int, history_months: int) -> Plan:
    """What is due where all months since one are open; where none is known, the last one is that has not settled."""
    current = Month.of(today)
    if open_since is None:
        before = current.after(-1)
        open_since = min(current if before.is_settled(today, settle_days) else before, current.after(-history_months))
    oldest = current.after(-HISTORY_MONTHS)
    since = max(open_since, oldest)
    count = (current.year - since.year) * 12 + current.number - since.number + 1
    months = [since.after(place) for place in range(count)]
    due = tuple(Due(month, min(month.after(1).first, today)) for month in months if month.first < today)
    return Plan(due, oldest.start_us if open_since < oldest else None)


def still_open(planned: Plan, read: Collection[Month], today: date, settle_days: int) -> Month:
    """Since when months are open after some were read."""
    for each in planned.due:
        if each.month not in read or not each.month.is_settled(today, settle_days):
            return each.month
    return Month.of(today)


def day_of(instant_us: int) -> date:
    """The day of an instant, UTC."""
    return to_datetime(instant_us).date()


def midnight_us(day: date) -> int:
    """Where a day begins, UTC."""
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC))

"""What is to be made of files: bills of which name, which month and which nature."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from meterbook.wire import instants

#: What is before the account in the name of a bill that was given none.
PREFIX = "import/"
#: Local midnight is so much before and after that of UTC, at most (IANA time zones have offsets from -12:00 to +14:00).
EAST, WEST = timedelta(hours=14), timedelta(hours=12)


@dataclass(frozen=True)
class Wanted:
    """``source`` is the name of all bills, or None where each billing account has one of its own; ``month`` the only one that may come."""

    source: str | None = None
    month: str | None = None
    nature: str = "billed"
    splits_currencies: bool = False

    def source_of(self, account: str, currency: str) -> str:
        """The name of the bill of a billing account."""
        name = self.source if self.source is not None else f"{PREFIX}{account or 'unnamed'}"
        return f"{name}/{currency}" if self.splits_currencies else name


def month_us(start_us: int) -> int | None:
    """The first instant, in UTC, of the month that a billing period begins; None where it begins none, or one behind the year 9999.

    Google Cloud's periods begin with the month in its own time zone (Cloud Billing, "FOCUS usage cost data", BillingPeriodStart).
    """
    try:
        local = instants.to_datetime(start_us) + EAST
    except OverflowError:
        return None
    first = datetime(local.year, local.month, 1, tzinfo=UTC)
    return instants.from_datetime(first) if local - first <= EAST + WEST else None


def month_text(period_us: int) -> str:
    """A month as people write it: ``2026-03``."""
    return instants.text(period_us)[:7]


def month_end_us(period_us: int) -> int:
    """When the month that begins at ``period_us`` is over everywhere."""
    first = instants.to_datetime(period_us)
    try:
        return instants.from_datetime(first + timedelta(days=monthrange(first.year, first.month)[1]) + WEST)
    except OverflowError:
        return instants.LATEST_US + 1

"""Instants as the wire and the book carry them: whole microseconds since the Unix epoch, UTC.

An ``int`` of microseconds is exact, sorts, and is what Arrow's ``timestamp[us]`` holds; aware ``datetime``
objects appear only where people read or write. Nothing here reads a clock except :func:`now_us`.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?)?\Z",
    re.ASCII,
)


def now_us() -> int:
    """The wall clock, in microseconds."""
    return time.time_ns() // 1_000


def from_datetime(moment: datetime) -> int:
    """Microseconds of an aware datetime. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"time {moment.isoformat()} has no time zone")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_datetime(instant_us: int) -> datetime:
    """Aware UTC datetime of an instant."""
    return _EPOCH + timedelta(microseconds=instant_us)


_FIRST_US = from_datetime(datetime.min.replace(tzinfo=UTC))
_LAST_US = from_datetime(datetime.max.replace(tzinfo=UTC))
#: The years 1 to 9999, which every part of the book can write down, to the second.
EARLIEST_US, LATEST_US = _FIRST_US, _LAST_US // SECOND_US * SECOND_US


def parse(text: str) -> int:
    """Microseconds of an RFC 3339 time (section 5.6); a date alone is its midnight UTC.

    Digits beyond the microsecond are cut off. Raises ValueError where the text is no such time or where it
    gives a time of day without an offset, which would silently mean somebody's local time.
    """
    found = _RFC3339.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time such as 2026-01-31T09:30:00Z")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if hour is not None and offset is None:
        raise ValueError(f"{text!r} has no offset: end it with Z or +01:00")
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: {error}") from None
    instant_us = from_datetime(moment) + int((fraction or "").ljust(6, "0")[:6])
    if offset is not None and offset not in "Zz":
        sign = 1 if offset[0] == "+" else -1
        instant_us -= sign * (int(offset[1:3]) * 3_600 + int(offset[4:6]) * 60) * SECOND_US
    if not _FIRST_US <= instant_us <= _LAST_US:
        raise ValueError(f"{text!r} is outside the years 1 to 9999 in UTC")
    return instant_us


@lru_cache(maxsize=4096)
def text(instant_us: int) -> str:
    """RFC 3339 text in UTC, with a fraction only where there is one."""
    moment = to_datetime(instant_us)
    return moment.replace(tzinfo=None).isoformat() + "Z"

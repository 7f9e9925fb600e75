"""Moments as people write them in definitions: an instant, or a calendar date that waits for its time zone.

``2026-03-01T00:00:00Z`` is the same moment everywhere. ``2026-03-01`` in a subscription means the customer's
first of March, which begins at different instants in Auckland and in Denver; the document does not know the
customer's zone, so a date stays a date in the definition and becomes an instant where the zone is known.

The midnight that begins a date may be skipped or may happen twice when clocks change. The rule here is the
``fold=0`` reading of the zone database: the first of two midnights, and for a skipped one the instant that the
clock before the change would have called midnight. What counts is that the same function draws both sides of
every boundary, so that neighbours neither overlap nor leave a gap.
"""

from __future__ import annotations

import difflib
import re
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator

from meterbook.wire import instants

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: What a machine calls its own zone differs from machine to machine; an invoice must not.
_NOT_A_PLACE = frozenset({"localtime"})


def parse_moment(value: object) -> str:
    """The canonical text of a date (unchanged) or of an RFC 3339 instant (in UTC). Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a date such as 2026-01-31 or a time such as 2026-01-31T09:30:00Z")
    instant_us = instants.parse(value)
    return value if _DATE.fullmatch(value) else instants.text(instant_us)


@lru_cache(maxsize=65_536)
def instant_of(moment: str, zone: ZoneInfo) -> int:
    """Microseconds of a moment; a date is the midnight that begins it in ``zone``."""
    if not _DATE.fullmatch(moment):
        return instants.parse(moment)
    day = date.fromisoformat(moment)
    return local_midnight_us(day.year, day.month, day.day, zone)


def local_midnight_us(year: int, month: int, day: int, zone: ZoneInfo) -> int:
    """Microseconds of the midnight that begins a local date."""
    return instants.from_datetime(datetime(year, month, day, tzinfo=zone))


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """The IANA names of this machine's zone database, read once."""
    return frozenset(available_timezones() - _NOT_A_PLACE)


def known_zone(name: str) -> str:
    """A name of the zone database. Raises ValueError for another."""
    if name not in zone_names():
        near = difflib.get_close_matches(name, zone_names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name!r} is not an IANA time zone{hint}")
    return name


#: A field of a definition that holds a moment.
Moment = Annotated[str, BeforeValidator(parse_moment)]

"""Time zones and forms of times, as they are declared, and local times as instants.

A local time that the clocks of its zone never show is no time; one that they show twice is one of two, and which one nobody guesses.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

from meterbook.wire.instants import SECOND_US, from_datetime, to_datetime

#: Microseconds times how many of the unit make one.
UNIX = {"unix_s": SECOND_US, "unix_ms": 1_000, "unix_us": 1}
UNIX_FORMS = frozenset({*UNIX, "unix_ns"})
FORMS = ("rfc3339", "unix_s", "unix_ms", "unix_us", "unix_ns")

Ambiguous = Literal["refuse", "earlier", "later"]

_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
#: A moment whose parts all differ, to see what a pattern keeps of it.
_PROBE = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


@cache
def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ValueError(f"zone {name!r} is not an IANA time zone such as Europe/Berlin") from None


def directives(pattern: str) -> list[str]:
    """The letters behind the percent signs of a pattern of strptime."""
    return _DIRECTIVE.findall(pattern)


def checked_form(form: str, zone: str | None) -> None:
    """Raises ValueError for what is no form of a time, or leaves open which offset it has."""
    if "%" not in form:
        if form not in FORMS:
            raise ValueError(
                f"form {form!r} is none of {', '.join(FORMS)}, and no pattern of strptime such as %Y-%m-%d"
            )
        if zone is not None and form in UNIX_FORMS:
            raise ValueError(f"form {form} counts in UTC: it takes no zone")
        return
    letters = directives(form)
    if "Z" in letters:
        raise ValueError(f"form {form!r} has %Z, but names of zones are no offsets: use %z, or declare the zone")
    if ("z" in letters) == (zone is not None):
        has = "has offsets and a zone" if zone is not None else "has no offset: end it with %z, or declare the zone"
        raise ValueError(f"form {form!r} {has}")
    try:
        kept = datetime.strptime(_PROBE.strftime(form), form)  # noqa: DTZ007
    except (ValueError, re.error) as error:
        raise ValueError(f"form {form!r} is no pattern of strptime: {error}") from None
    if kept.date() != date(2001, 2, 3):
        raise ValueError(f"form {form!r} does not tell the day")


def instant_us(local_us: int, zone: ZoneInfo, ambiguous: Ambiguous) -> int:
    """The instant of a local time, both in microseconds. Raises ValueError where there is none, or no single one."""
    first, second = offsets_us(local_us, zone)
    if first < second:
        raise ValueError(f"was never shown by the clocks of {zone.key}")
    if first > second and ambiguous == "refuse":
        raise ValueError(f"was shown twice by the clocks of {zone.key}: set ambiguous to earlier or later")
    return local_us - (second if ambiguous == "later" else first)


def offsets_us(local_us: int, zone: ZoneInfo) -> tuple[int, int]:
    """Offsets from UTC of a local time, as the first and as the second with that name (PEP 495). Raises ValueError, OverflowError."""
    local = to_datetime(local_us)
    first, second = (from_datetime(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    return local_us - first, local_us - second

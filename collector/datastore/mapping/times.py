"""The time of one record, in any form that can be declared, as microseconds; what is none is refused with its reason.

Digits beyond the microsecond are cut off, as everywhere in the book.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from collector.datastore.cloudevents import NUMBER, BadEvent, shortened, shown
from collector.datastore.mapping.config import TimeField
from collector.datastore.mapping.texts import Moment, text_of
from collector.datastore.mapping.zones import UNIX_FORMS, directives, instant_us, zone_of
from meterbook.wire.instants import from_datetime, parse, to_datetime

#: Years 1 to 9999 in UTC.
TIME_MIN_US = parse("0001-01-01")
TIME_MAX_US = parse("9999-12-31T23:59:59.999999Z")

#: Powers of ten that make microseconds of a unit.
SHIFTS = {"unix_s": 6, "unix_ms": 3, "unix_us": 0, "unix_ns": -3}
#: Digits of any time that there can be, in nanoseconds.
_DIGITS_MAX = 21
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.]+)?")


@dataclass(frozen=True)
class Clock:
    """Reads the field of the time."""

    time: TimeField

    def instant_us(self, leaf: Any) -> int:
        """Microseconds of what a field holds. Raises BadEvent."""
        name = f"time {self.time.field}"
        if isinstance(leaf, Moment):
            found = self._of_moment(leaf, name)
        elif self.time.form in UNIX_FORMS:
            found = self._counted(leaf, name)
        else:
            text = text_of(leaf, name)
            if not text:
                raise BadEvent(f"{name} is missing")
            found = self._written(text, name)
        if not TIME_MIN_US <= found <= TIME_MAX_US:
            raise BadEvent(f"{name} {shown(text_of(leaf, name))} is outside the years 1 to 9999 in UTC")
        return found

    def _of_moment(self, moment: Moment, name: str) -> int:
        if moment.is_zoned:
            return moment.instant_us
        if self.time.zone is None:
            if moment.is_day:
                return moment.instant_us
            raise BadEvent(f"{name} {shown(moment.text())} has no offset: declare its zone")
        return self._local(moment.instant_us, moment.text(), name)

    def _counted(self, leaf: Any, name: str) -> int:
        if leaf is None or leaf == "":
            raise BadEvent(f"{name} is missing")
        number = Decimal(leaf) if isinstance(leaf, str) and NUMBER.fullmatch(leaf) else leaf
        if not isinstance(number, Decimal):
            raise BadEvent(f"{name} {shown(leaf)} is not a number")
        shift = SHIFTS[self.time.form]
        if number and number.adjusted() > _DIGITS_MAX:
            raise BadEvent(f"{name} {shown(leaf)} is outside the years 1 to 9999 in UTC")
        if not number or number.adjusted() + shift < 0:
            return -1 if number < 0 else 0
        sign, digits, exponent = number.as_tuple()
        assert isinstance(exponent, int)
        return int(Decimal((sign, digits, exponent + shift)).to_integral_value(ROUND_FLOOR))

    def _written(self, text: str, name: str) -> int:
        if self.time.form != "rfc3339":
            return self._patterned(text, name)
        is_local = self.time.zone is not None and _LOCAL.fullmatch(text) is not None
        try:
            found = parse(f"{text}Z" if is_local and len(text) > len("2026-01-31") else text)
        except (ValueError, OverflowError) as error:
            told = str(error).replace(repr(f"{text}Z"), repr(text)) if is_local else str(error)
            raise BadEvent(f"{name} {shortened(told)}") from None
        return self._local(found, text, name) if is_local else found

    def _patterned(self, text: str, name: str) -> int:
        try:
            moment = datetime.strptime(text, self.time.form)  # noqa: DTZ007
        except (ValueError, OverflowError):
            raise BadEvent(f"{name} {shown(text)} is not a time such as {self.time.form}") from None
        if "z" in directives(self.time.form):
            return from_datetime(moment)
        return self._local(from_datetime(moment.replace(tzinfo=to_datetime(0).tzinfo)), text, name)

    def _local(self, local_us: int, text: str, name: str) -> int:
        assert self.time.zone is not None
        try:
            return instant_us(local_us, zone_of(self.time.zone), self.time.ambiguous)
        except ValueError as error:
            raise BadEvent(f"{name} {shown(text)} {shortened(str(error))}") from None
        except OverflowError:
            raise BadEvent(f"{name} {shown(text)} is outside the years 1 to 9999 in UTC") from None

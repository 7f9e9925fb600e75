"""Figures and days as a person of one language and one currency writes them.

Amounts are written with the coins that the book rounds to, and not with those that the language's own table thinks a currency has: the two differ for some, and a figure
on paper must be the figure in the book. Nothing is rounded here but amounts of pieces, which are exact and may have many digits.

A figure comes in two halves, before and after the decimal mark, so that a column of them can be aligned by it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, localcontext
from functools import cached_property
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_interval, format_timedelta
from babel.numbers import NumberPattern, get_decimal_symbol, parse_pattern

from ledger.billing.period import Period
from ledger.export.languages.labels import Labels
from ledger.rating.rounding import round_digits
from ledger.schema.currency import EXPONENTS
from ledger.schema.decimals import plain_text
from meterbook.wire import instants

#: Babel rounds by the context of the thread, which keeps 28 digits; a quantity may have 38.
_WIDE = Context(prec=100)
#: Digits that the amount of a piece may have beyond those of a coin.
_PIECE_DIGITS = 4
_FRACTION_DIGITS_MAX = 30
#: Above every number of days: fourteen of them stay days and are not two weeks.
_NEVER = 1e9
#: Turns the direction of all that follows, and so can make a figure read as another.
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: Between a currency's letters and a digit there is a space; a language's pattern only knows of symbols.
_BESIDE = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Cn"})


@dataclass(frozen=True)
class Figure:
    """A number as it is written: what is before the decimal mark, and the mark with what is after it ("" for none)."""

    whole: str
    fraction: str = ""

    def __str__(self) -> str:
        return self.whole + self.fraction


def printable(text: str) -> str:
    """Text that somebody chose, fit for paper: nothing that has no shape, turns what follows or is no character.

    PDF/A allows no character without a meaning, and HTML no control characters.
    """
    kept = _TURNS.sub("", text)
    return "".join(
        " " if each.isspace() else "\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) in _UNPRINTABLE else each
        for each in kept
    )


@dataclass(frozen=True)
class Wording:
    """One language, one currency and one calendar."""

    labels: Labels
    locale: Locale
    currency: str
    zone: ZoneInfo

    def money(self, amount: Decimal) -> str:
        """An amount with its currency."""
        pattern: NumberPattern = self.locale.currency_formats["standard"]
        text = self._applied(pattern, amount, self._digits, self._digits, self.currency)
        return _BESIDE.sub("\N{NO-BREAK SPACE}", text)

    def amount(self, amount: Decimal) -> Figure:
        """An amount in whole coins, without its currency."""
        return self._figure(amount, self._digits, self._digits)

    def piece(self, amount: Decimal) -> Figure:
        """An exact amount, with a few more digits than a coin has where it needs them."""
        shown = Decimal(plain_text(round_digits(amount, self._digits + _PIECE_DIGITS)))
        return self._figure(shown, self._digits, self._digits + _PIECE_DIGITS)

    def price(self, price: Decimal) -> Figure:
        """A price of one unit: every digit that it has, and at least those of a coin."""
        return self._figure(price, self._digits, _FRACTION_DIGITS_MAX)

    def number(self, number: Decimal) -> Figure:
        """A quantity: every digit that it has."""
        return self._figure(number, 0, _FRACTION_DIGITS_MAX)

    def percent(self, share: Decimal) -> str:
        """A share from 0 to 1 in percent: every digit that it has."""
        return self._applied(self.locale.percent_formats[None], share, 0, _FRACTION_DIGITS_MAX)

    def days(self, count: int) -> str:
        """So many days."""
        return str(format_timedelta(timedelta(days=count), "day", threshold=_NEVER, locale=self.locale))

    def day(self, at_us: int) -> str:
        """The day of an instant."""
        return self._day(self._local(at_us).date())

    def due(self, issued_us: int, days: int) -> str:
        """The day so many days after that of an instant."""
        return self._day(self._local(issued_us).date() + timedelta(days=days))

    def span(self, period: Period) -> str:
        """A period by its days, the last one included; with times of day where it does not end with a day."""
        start, end = self._local(period.start_us), self._local(period.end_us)
        if start == end:
            return self.day(period.start_us)
        if _is_midnight(start) and _is_midnight(end):
            last = end.date() - timedelta(days=1)
            return str(format_interval(start.date(), last, "yMMMd", locale=self.locale))
        return f"{self._moment(start)} \N{EN DASH} {self._moment(end)}"

    def _day(self, day: date) -> str:
        return format_date(day, "long", locale=self.locale)

    def _moment(self, moment: datetime) -> str:
        return format_datetime(moment, "medium", tzinfo=self.zone, locale=self.locale)

    def _local(self, at_us: int) -> datetime:
        return instants.to_datetime(at_us).astimezone(self.zone)

    @cached_property
    def _digits(self) -> int:
        return EXPONENTS[self.currency]

    @cached_property
    def _mark(self) -> str:
        return get_decimal_symbol(self.locale)

    def _figure(self, number: Decimal, least: int, most: int) -> Figure:
        text = self._applied(self.locale.decimal_formats[None], number, least, most)
        whole, mark, fraction = text.rpartition(self._mark)
        return Figure(whole, mark + fraction) if mark else Figure(text)

    def _applied(self, pattern: NumberPattern, number: Decimal, least: int, most: int, currency: str = "") -> str:
        # The language's own patterns are shared by all who use them: what is changed is a copy.
        own = parse_pattern(pattern.pattern)
        own.frac_prec = (least, most)
        with localcontext(_WIDE):
            return str(own.apply(number, self.locale, currency=currency or None, currency_digits=False))


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)

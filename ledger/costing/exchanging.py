"""Exchanging: amounts of several currencies in one, by the rates that held on their days, and what has no rate.

An amount is turned at the rate of the day (in UTC) on which the period of its charge begins. One rate is made of one or two quotations: as stated, as one
divided by what is stated, or over a third currency. It is a fraction, and so is amount x rate: both are exact, so amounts that add up to a whole
still do in another currency, whether they are turned before they are added up or after. Only what is shown is rounded (``apportioning``).

What has no rate on its day keeps its currency and is told of by name; it is never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from ledger.directory.quotations import Quotation, Quotations

#: Missing days that are told one by one.
_DAYS_TOLD_MAX = 3


@dataclass(frozen=True)
class Rate:
    """One unit of ``currency`` was worth ``value`` of ``into``, by one quotation or two; by none where they are the same."""

    currency: str
    into: str
    value: Fraction
    quotations: tuple[Quotation, ...] = ()


@dataclass(frozen=True)
class UsedRate:
    """A rate and the first and the last day for which it was used."""

    rate: Rate
    first: date
    last: date


@dataclass(frozen=True)
class Exchange:
    """The rates into one currency (empty for none: everything keeps its own) of the currencies and days that were asked for.

    ``rates`` has None where there is none.
    """

    into: str
    rates: Mapping[tuple[str, date], Rate | None]

    @classmethod
    def of(cls, quotations: Quotations, into: str, wanted: Iterable[tuple[str, date]]) -> Exchange:
        """The rates of these currencies on these days."""
        if not into:
            return cls("", {})
        return cls(into, {each: rate_of(quotations, each[0], into, each[1]) for each in sorted(set(wanted))})

    def rate(self, currency: str, day: date) -> Rate:
        """The rate of a day; where there is none, the one by which an amount stays as it is."""
        return self.rates.get((currency, day)) or Rate(currency, currency, Fraction(1))

    def used(self) -> list[UsedRate]:
        """The rates of currencies other than ``into``, by currency and then by day."""
        found: dict[Rate, UsedRate] = {}
        for (currency, day), rate in sorted(self.rates.items(), key=lambda each: each[0]):
            if rate is not None and currency != self.into:
                held = found.get(rate, UsedRate(rate, day, day))
                found[rate] = UsedRate(rate, held.first, day)
        return sorted(found.values(), key=lambda each: (each.rate.currency, each.first))

    def missing(self) -> list[str]:
        """What has no rate, a sentence for each currency."""
        days: dict[str, list[date]] = {}
        for (currency, day), rate in sorted(self.rates.items(), key=lambda each: each[0]):
            if rate is None:
                days.setdefault(currency, []).append(day)
        return [
            f"there is no exchange rate of {currency or 'no currency'} into {self.into} on {_told(missing)}: "
            f"these amounts stay in {currency or 'no currency'}; apply exchange-rates that hold then"
            for currency, missing in days.items()
        ]


def rate_of(quotations: Quotations, currency: str, into: str, day: date) -> Rate | None:
    """The rate of a day: by what is quoted of the two, or else over the first currency, by code, that both are quoted with; None for none."""
    if currency == into:
        return Rate(currency, into, Fraction(1))
    quoted = quotations.held(currency, into, day)
    if quoted is not None:
        return Rate(currency, into, _value(quoted, currency), (quoted,))
    for between in sorted(quotations.partners(currency) & quotations.partners(into)):
        one, other = quotations.held(currency, between, day), quotations.held(between, into, day)
        if one is not None and other is not None:
            return Rate(currency, into, _value(one, currency) * _value(other, between), (one, other))
    return None


def turned(amount: Decimal, rate: Rate) -> Fraction:
    """The exact amount in the other currency."""
    return Fraction(amount) * rate.value


def _value(quotation: Quotation, currency: str) -> Fraction:
    """What one unit of a currency is worth in the other one of a quotation."""
    stated = Fraction(quotation.rate)
    return stated if quotation.base == currency else 1 / stated


def _told(days: list[date]) -> str:
    first = ", ".join(str(day) for day in days[:_DAYS_TOLD_MAX])
    left = len(days) - _DAYS_TOLD_MAX
    return first + (f" and {left} more days" if left > 0 else "")

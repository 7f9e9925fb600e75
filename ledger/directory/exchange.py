"""Exchange rates: what one unit of a currency was worth in another one, by dates or by months.

A rate is stated once and then decides what costs come to in another currency for years, so it is a definition like a price, with versions and an
author::

    kind: exchange-rates
    name: ecb-usd
    spec: {base: EUR, quote: USD, rates: {2026-03-02: 1.0832, 2026-03-03: 1.0791}}

A rate of a date holds from that date on until the next one, over weekends and holidays too. A rate of a month, such as the average that a tax office
publishes, holds in that month and no longer. The newest version of a name takes the place of all earlier ones. Several names may tell of the same two
currencies, a month each for instance, as long as they never tell of one date twice (``quotations``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from ledger.schema.currency import Currency
from ledger.schema.decimals import PlainDecimal
from ledger.schema.spec import Spec

_DATE, _MONTH = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), re.compile(r"[0-9]{4}-[0-9]{2}")


def is_month(when: str) -> bool:
    """Whether a rate is that of a month, and not of a date."""
    return _MONTH.fullmatch(when) is not None


def first_day(when: str) -> date:
    """The day on which a rate begins to hold. Raises ValueError for what is neither a date nor a month."""
    if not _DATE.fullmatch(when) and not is_month(when):
        raise ValueError(f"{when!r} is neither a date such as 2026-03-02 nor a month such as 2026-03")
    try:
        return date.fromisoformat(f"{when}-01" if is_month(when) else when)
    except ValueError as error:
        raise ValueError(f"{when!r} is not in the calendar: {error}") from None


def _begins(when: str) -> str:
    first_day(when)
    return when


#: A date or a month, as text.
When = Annotated[str, AfterValidator(_begins)]


def _of_one_kind(rates: Mapping[str, object]) -> Mapping[str, object]:
    months = [when for when in rates if is_month(when)]
    if months and len(months) < len(rates):
        other = next(when for when in rates if not is_month(when))
        raise ValueError(
            f"{months[0]!r} is a month and {other!r} a date: give all rates by months, or all by dates, since one day would have two"
        )
    return rates


class ExchangeRates(Spec):
    """Rates between two currencies: one unit of ``base`` is so many of ``quote``."""

    dated: ClassVar[bool] = False

    base: Currency = Field(description="ISO 4217 alphabetic code of the currency of which the rates are for one unit.")
    quote: Currency = Field(description="ISO 4217 alphabetic code of the currency in which that unit is told.")
    rates: Annotated[
        Mapping[When, Annotated[PlainDecimal, Field(gt=0)]], Field(min_length=1), AfterValidator(_of_one_kind)
    ] = Field(
        description="How many units of quote one unit of base is, by date (from then until the next) or by month (in that month); above 0."
    )
    days_max: int | None = Field(
        default=None,
        ge=1,
        le=3_660,
        description="Days for which a rate of a date holds at most where no other follows; without end by default.",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> ExchangeRates:
        if self.base == self.quote:
            raise ValueError(f"base and quote are both {self.base!r}: a currency needs no rate to itself")
        if self.days_max is not None and any(map(is_month, self.rates)):
            raise ValueError("'days_max' goes with rates of dates: a rate of a month holds in that month alone")
        return self

"""What a customer was promised besides the plan: other prices, discounts and commitments, each from a moment to a moment.

They stand on the subscription and name what they change, so the plan stays one for all: who changes it changes it for
everybody, and what was promised goes on to hold. Each says who approved it, because somebody will ask.

One holds for a billing period if it holds at the first moment of it at which the plan is charged: no tier and no minimum is ever split by it.
Of several discounts each is taken off what those before it left, and those of a price come before those of its product and of the plan.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from ledger.rating.models import AnyModel
from ledger.schema.decimals import PlainDecimal, plain_text
from ledger.schema.moments import Moment, instant_of
from ledger.schema.spec import Name, Part

_HUNDRED = Decimal(100)


def _a_share(percent: Decimal) -> Decimal:
    if not 0 < percent <= _HUNDRED:
        raise ValueError(f"{plain_text(percent)} is not more than 0 and at most 100")
    return percent


def _positive(number: Decimal) -> Decimal:
    if number == 0:
        raise ValueError("0 would change nothing: leave it out")
    return number


Percent = Annotated[PlainDecimal, AfterValidator(_a_share)]
Positive = Annotated[PlainDecimal, AfterValidator(_positive)]


class TimeBoxed(Part):
    """What holds from a moment to a moment."""

    since: Moment | None = Field(
        default=None,
        description="From when it holds: a date in the tenant's time zone or an RFC 3339 time; always by default.",
    )
    until: Moment | None = Field(default=None, description="Until when, exclusive, like since; for ever by default.")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> TimeBoxed:
        since, until = self.since, self.until
        # A date and a time can only be compared where the zone is known; what ends before it begins never holds.
        if since is not None and until is not None and ("T" in since) == ("T" in until):
            utc = ZoneInfo("UTC")
            if instant_of(until, utc) <= instant_of(since, utc):
                raise ValueError(f"until {until!r} is not after since {since!r}")
        return self


class Override(TimeBoxed):
    """Other terms for a price, a product, or all that the plan charges."""

    name: Name = Field(description="Name of the promise, one of a kind on the subscription; the invoice shows it.")
    approved: Annotated[str, Field(min_length=1)] = Field(description="Who approved it, and why.")
    price: Name | None = Field(default=None, description="The price that it is for; none by default.")
    product: Name | None = Field(
        default=None, description="The product that it is for; none by default: the whole plan."
    )
    tier: int | None = Field(
        default=None, ge=1, description="Only what is in this tier, counted from 1; every tier by default."
    )
    percent: Percent | None = Field(default=None, description="Taken off the amount, in percent of it.")
    amount: Positive | None = Field(
        default=None,
        description="Taken off the amount of a billing period, in proportion to time as the plan prorates, in the currency, down to 0 at most.",
    )
    per_unit: Positive | None = Field(
        default=None, description="Taken off the price of each unit, in the currency, down to 0 at most."
    )
    charge: AnyModel | None = Field(default=None, description="A price model in place of the price's own.")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Override:
        given = [key for key in ("percent", "amount", "per_unit", "charge") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("say what it is by exactly one of 'percent', 'amount', 'per_unit' and 'charge'")
        if self.price is not None and self.product is not None:
            raise ValueError("it is for a price or for a product: name one of them")
        if given[0] in ("per_unit", "charge") and self.price is None:
            raise ValueError(f"{given[0]!r} is for one price: name the 'price'")
        if self.tier is not None and (self.price is None or given[0] not in ("percent", "per_unit")):
            raise ValueError("'tier' goes with a 'price' and with 'percent' or 'per_unit'")
        return self


class Commitment(TimeBoxed):
    """An amount that the customer undertook to spend while it holds.

    ``billed: advance``: it is charged with the invoice of the billing period in which it begins, and then draws down what is
    charged. ``billed: arrears``: what was not spent is charged with the invoice of the billing period in which it ends. It counts what is charged for
    every billing period in which it holds at any moment, and ends with the subscription at the latest. It holds for whole coins.
    """

    name: Name = Field(description="Name of the commitment, one of a kind on the subscription; the invoice shows it.")
    amount: Positive = Field(description="What is committed to for the whole time, in the currency.")
    billed: Annotated[str, Field(pattern="^(advance|arrears)$")] = Field(
        default="advance",
        description="When it is paid for: at its beginning, the default, or what is missing at its end.",
    )
    products: tuple[Name, ...] = Field(
        default=(), description="Only what these products charge counts; all by default."
    )
    overage_percent: PlainDecimal = Field(
        default=Decimal(0),
        description="Added to what is charged beyond the commitment while it holds, in percent of that; 0 by default.",
    )

"""Prices: what one thing that a customer uses, holds or simply has is charged, and within which bounds.

What is charged comes from one place: a meter (usage), a quantity that the subscription holds (seats), or nothing but time; the model
says which it needs, and how an amount is made of it. Then, in this order: what the plan includes is taken off before
the model sees it, and the amount is raised to the minimum or cut at the maximum.

Whatever goes by time (fees, quantities in force, allowances, minimum and maximum) is for a whole billing period, and is
prorated where only a part of one is charged. Tiers are not: they are ranges of what was used. Nor are maximums of plans without
proration: what is not charged whole would be given away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from ledger.directory.agreement import Positive
from ledger.rating.models import AnyModel, name_of
from ledger.schema.decimals import PlainDecimal, plain_text
from ledger.schema.spec import Name, Part, Reference

_ROLLOVER_MAX = 120


class Included(Part):
    """A quantity that costs nothing, of every billing period."""

    quantity: Positive = Field(
        description="How much of each billing period costs nothing, in the unit of what is charged."
    )
    rollover_periods: int = Field(
        default=0,
        ge=0,
        le=_ROLLOVER_MAX,
        description="In how many later billing periods, paused ones too, what was left can still be used, the oldest first; it ends with the first that has "
        "no such price; 0 by default.",
    )
    rollover_maximum: PlainDecimal | None = Field(
        default=None, description="Most that is carried over, all periods together; null, the default, for no limit."
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Included:
        if self.rollover_maximum is not None and not self.rollover_periods:
            raise ValueError("'rollover_maximum' goes with 'rollover_periods'")
        return self


class Bounded(Part):
    """What has a least and a most amount per billing period."""

    minimum: PlainDecimal | None = Field(
        default=None, description="Charged at least, for a whole billing period, in the currency; none by default."
    )
    maximum: PlainDecimal | None = Field(
        default=None, description="Charged at most, for a whole billing period, in the currency; none by default."
    )

    @model_validator(mode="after")
    def _minimum_below_maximum(self) -> Bounded:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(
                f"minimum {plain_text(self.minimum)} is more than maximum {plain_text(self.maximum)}: no amount is both"
            )
        return self


class Price(Bounded):
    """What one thing is charged."""

    name: Name = Field(description="Name of the price, one of a kind in the plan; lines and overrides go by it.")
    title: str | None = Field(default=None, min_length=1, description="What the invoice calls it; its name by default.")
    meter: Name | None = Field(default=None, description="Meter whose usage is charged; none by default.")
    where: Mapping[Name, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Only usage with one of these values, for each dimension named; all usage by default.",
    )
    quantity: Name | None = Field(
        default=None, description="What is held is charged, under this name on the subscription; none by default."
    )
    charge: AnyModel = Field(description="How an amount is made of it: a price model.")
    billed: Literal["arrears", "advance"] = Field(
        default="arrears",
        description="When: after the billing period, the default, or before it, with what changes in it made up afterwards.",
    )
    times: Literal["recurring", "once"] = Field(
        default="recurring",
        description="Every billing period, the default, or once, whole: in the first in which the subscription has the plan and anything is charged.",
    )
    included: Included | None = Field(default=None, description="What costs nothing; none by default.")

    @model_validator(mode="after")
    def _says_what_is_charged(self) -> Price:
        name = name_of(self.charge)
        given = [key for key in ("meter", "quantity") if getattr(self, key) is not None]
        if self.charge.of == "quantity" and len(given) != 1:
            raise ValueError(f"the model {name!r} charges a quantity: name either the 'meter' or the 'quantity'")
        if self.charge.of != "quantity" and given:
            raise ValueError(f"the model {name!r} charges no quantity: leave {given[0]!r} out")
        if self.where and self.meter is None:
            raise ValueError("'where' goes with 'meter'")
        if self.included is not None and self.charge.of != "quantity":
            raise ValueError(f"the model {name!r} charges no quantity, of which some could be included")
        if self.included is not None and self.included.rollover_periods and self.meter is None:
            raise ValueError("what is held is not used up: of it nothing can roll over")
        if self.billed == "advance" and (self.meter is not None or self.charge.of == "cost"):
            raise ValueError("usage and cost are known afterwards: they cannot be billed in advance")
        if self.times == "once" and self.charge.of != "nothing":
            raise ValueError(f"the model {name!r} charges what is used or held: it cannot be charged once")
        return self

    @property
    def shown(self) -> str:
        """What the invoice calls it."""
        return self.title or self.name

    @property
    def is_of_time(self) -> bool:
        """Whether it is charged for the time that something was in force, and so in proportion to it."""
        return self.meter is None and self.charge.of != "cost"

    def meters(self) -> tuple[str, ...]:
        """The meters that it goes by, its own first."""
        return (*([self.meter] if self.meter else []), *self.charge.meters())

    def references(self, at: tuple[str | int, ...]) -> tuple[Reference, ...]:
        """Every meter that it goes by; ``at`` is where the price stands."""
        own = [Reference("meter", self.meter, (*at, "meter"))] if self.meter else []
        return (*own, *(Reference("meter", each, (*at, "charge")) for each in self.charge.meters()))

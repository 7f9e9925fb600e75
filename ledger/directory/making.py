"""How a meter's quantity is made: for which windows, of which buckets within them, and with how many digits."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ledger.schema.calendar import Unit
from ledger.schema.moments import known_zone
from ledger.schema.spec import Part

_DAYS_OF_WEEK, _MINUTES_OF_HOUR, _DIGITS = 7, 60, 9
Percentile = Annotated[Decimal, Field(gt=0, le=100, decimal_places=4)]
Zone = Annotated[str, AfterValidator(known_zone)]


class Window(Part):
    """Pieces of time, next to each other, that have a quantity each."""

    unit: Unit = Field(default="hour", description="Length of the windows; an hour by default.")
    zone: Zone = Field(
        default="UTC", description="IANA time zone in which days, and all that is longer, begin; UTC by default."
    )
    anchor: int = Field(
        default=1,
        ge=1,
        le=31,
        description="Day of the month on which months, quarters and years begin, or weekday (1 is Monday) of weeks; 1 by default.",
    )

    @model_validator(mode="after")
    def _anchor_is_a_weekday(self) -> Window:
        if self.unit == "week" and self.anchor > _DAYS_OF_WEEK:
            raise ValueError(f"anchor {self.anchor} is no weekday: 1 is Monday, 7 is Sunday")
        return self


class Buckets(Part):
    """Shorter pieces of a window whose quantities become one: the peak of its hours, the average of its days."""

    unit: Unit = Field(description="Length of a bucket; shorter than the window.")
    minutes: int = Field(
        default=1,
        ge=1,
        le=30,
        description="How many minutes a bucket of minutes has, of which an hour is a number; 1 by default.",
    )
    combine: Literal["sum", "average", "min", "max", "percentile"] = Field(
        description="What the quantities of all buckets of a window become."
    )
    percentile: Percentile | None = Field(
        default=None, description="Which percentile, by nearest rank, such as 95; for combine: percentile."
    )
    of: Literal["tenant", "resource"] = Field(
        default="tenant",
        description="Whether buckets of the tenant's sum are combined, or those of each resource, and then summed; tenant by default.",
    )
    empty: Literal["skip", "zero"] = Field(
        default="skip",
        description="Whether buckets without a quantity are left out or count as zero; left out by default.",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Buckets:
        if (self.combine == "percentile") != (self.percentile is not None):
            raise ValueError("'percentile' goes with 'combine: percentile', and only with that")
        if _MINUTES_OF_HOUR % self.minutes:
            raise ValueError(f"an hour is not a number of buckets of {self.minutes} minutes")
        if self.minutes > 1 and self.unit != "minute":
            raise ValueError("'minutes' goes with 'unit: minute', and only with that")
        return self


class Rounding(Part):
    """To how many digits the quantity of a window is rounded, and how."""

    digits: int = Field(
        default=_DIGITS,
        ge=-18,
        le=_DIGITS,
        description="Digits behind the point, before it where negative; 9 by default.",
    )
    mode: Literal["half_even", "half_up", "up", "down"] = Field(
        default="half_even", description="To the nearest, away from zero, or towards it; half_even by default."
    )

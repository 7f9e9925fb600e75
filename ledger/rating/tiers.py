"""Tiers: ranges of quantity, each with its price.

A tier is written by its upper end, which belongs to it: ``up_to: 1000`` covers the thousandth unit, and the next tier
starts after it. Tiers must cover every quantity exactly once, so their ends rise and the last has none; a gap or an
overlap cannot be written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Protocol, TypeVar

from pydantic import AfterValidator, Field

from ledger.schema.decimals import PlainDecimal, difference, plain_text
from ledger.schema.spec import Part


class Range(Part):
    """A range of quantity; what is charged in it is said by those that are more."""

    up_to: PlainDecimal | None = Field(
        default=None, description="Upper end in the meter's unit, inclusive; null, the default, for no end."
    )


class Tier(Range):
    """A range of quantity, the price of one unit in it, and what is charged once when it is reached."""

    unit_price: PlainDecimal = Field(
        default=Decimal(0), description="Price of one unit inside the tier, in the plan's currency; 0 by default."
    )
    amount: PlainDecimal = Field(
        default=Decimal(0),
        description="Charged once as soon as anything is in the tier, in the plan's currency; 0 by default.",
    )


class Ending(Protocol):
    """Anything with an upper end."""

    @property
    def up_to(self) -> Decimal | None:
        """Inclusive; None for no end."""


Ranged = TypeVar("Ranged", bound=Ending)


def tiled(tiers: tuple[Ranged, ...]) -> tuple[Ranged, ...]:
    """The tiers, if they cover every quantity exactly once. Raises ValueError."""
    if not tiers:
        raise ValueError("a charge needs at least one tier")
    if tiers[-1].up_to is not None:
        raise ValueError(
            f"the last tier ends at {plain_text(tiers[-1].up_to)}: it must be open-ended (up_to: null), "
            "or a larger quantity would have no price"
        )
    ends = [tier.up_to for tier in tiers[:-1]]
    closed = [end for end in ends if end is not None]
    if len(closed) < len(ends):
        raise ValueError(f"tier {ends.index(None) + 1} has no up_to, but only the last tier may be open-ended")
    if closed and closed[0] == 0:
        raise ValueError("the first tier ends at 0 and would hold nothing")
    for lower, upper in pairwise(closed):
        if upper <= lower:
            raise ValueError(f"up_to {plain_text(upper)} does not rise above {plain_text(lower)} of the tier before")
    return tiers


#: Tiers with a price per unit, in rising order.
Tiers = Annotated[tuple[Tier, ...], AfterValidator(tiled)]


def held(quantity: Decimal, tiers: Sequence[Ranged]) -> Iterator[tuple[int, Ranged, Decimal]]:
    """What of a quantity each tier holds, in rising order: (number from 1, tier, part); tiers that hold nothing are left out."""
    lower = Decimal(0)
    for number, tier in enumerate(tiers, 1):
        if quantity <= lower:
            return
        upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
        yield number, tier, difference(upper, lower)
        lower = upper


def reached(quantity: Decimal, tiers: Sequence[Ranged]) -> tuple[int, Ranged] | None:
    """The one tier that a quantity as a whole falls into: (number from 1, tier); None of nothing."""
    if quantity <= 0:
        return None
    return next((number, tier) for number, tier in enumerate(tiers, 1) if tier.up_to is None or quantity <= tier.up_to)

"""Plans: what customers pay, as a flat fee and a price per meter in graduated tiers.

Tiers are written by their upper end, which belongs to the tier: ``up_to: 1000`` covers the thousandth unit and
the next tier starts after it. The tiers of a charge must cover every quantity exactly once, so their ends rise
and the last has none; a gap or an overlap cannot be written down.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ledger.directory.decimals import PlainDecimal, plain_text
from ledger.directory.pricesheet import Currency
from ledger.directory.spec import Name, Part, Reference, Spec


class Tier(Part):
    """A range of quantity and the price of one unit in it."""

    up_to: PlainDecimal | None = Field(
        default=None, description="Upper end in the meter's unit, inclusive; null, the default, for no end."
    )
    unit_price: PlainDecimal = Field(description="Price of one unit inside the tier, in the plan's currency.")


def _tiled(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
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


class Charge(Part):
    """What the usage of one meter is charged."""

    meter: Name = Field(description="Name of the meter whose quantity is charged.")
    model: Literal["graduated"] = Field(
        default="graduated", description="Price model; graduated, the default, is the only one."
    )
    tiers: Annotated[tuple[Tier, ...], AfterValidator(_tiled)] = Field(
        description="Tiers in rising order; each unit is charged at the price of the tier it falls into."
    )


def _one_per_meter(charges: tuple[Charge, ...]) -> tuple[Charge, ...]:
    seen: set[str] = set()
    for charge in charges:
        if charge.meter in seen:
            raise ValueError(f"meter {charge.meter!r} is charged twice: the same usage would be paid for twice")
        seen.add(charge.meter)
    return charges


class Plan(Spec):
    """What a customer pays for a billing period."""

    currency: Currency = Field(description="ISO 4217 alphabetic code of the fee and of every price.")
    flat_fee: PlainDecimal = Field(
        default=Decimal(0),
        description="Charged once per billing period whatever the usage, in the currency; 0 by default.",
    )
    charges: Annotated[tuple[Charge, ...], AfterValidator(_one_per_meter)] = Field(
        default=(), description="Charges in the order in which the invoice shows them; none by default."
    )

    def references(self) -> tuple[Reference, ...]:
        """Every meter with a charge."""
        return tuple(
            Reference("meter", charge.meter, ("charges", index, "meter")) for index, charge in enumerate(self.charges)
        )

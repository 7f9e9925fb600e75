"""Graduated percentage: each part of an amount of money at the percentage of the tier it falls into.

The quantity is money: the meter sums what was turned over, in the plan's currency, and the tiers end at amounts of it. A tier may
besides charge an amount once, as soon as anything is in it. With 10 percent up to 1000, and 5 percent and 20 once beyond, 1500 is
1000 x 0.10, and 500 x 0.05 + 20.

>>> from ledger.rating.models.graduated_percentage import GraduatedPercentage
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> tiers = [{"up_to": 1000, "percent": 10}, {"percent": 5, "amount": 20}]
>>> lines = GraduatedPercentage(model="graduated_percentage", tiers=tiers).rate(Used(Decimal(1500)))
>>> [(str(line.quantity), str(line.unit_price), str(line.amount), line.tier) for line in lines]
[('1000', '0.10', '100.00', 1), ('500', '0.05', '45.00', 2)]
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ledger.rating.model import Model, RatedLine, Used
from ledger.rating.percent import share
from ledger.rating.tiers import Range, held, tiled
from ledger.schema.decimals import PlainDecimal, exact


class PercentTier(Range):
    """A range of an amount of money, what is charged of each part inside it, and what is charged once when it is reached."""

    percent: PlainDecimal = Field(
        default=Decimal(0), description="Charged of what is inside the tier, in percent; 0 by default."
    )
    amount: PlainDecimal = Field(
        default=Decimal(0),
        description="Charged once as soon as anything is in the tier, in the plan's currency; 0 by default.",
    )


class GraduatedPercentage(Model):
    """Each part of an amount of money at the percentage of the tier it falls into."""

    model: Literal["graduated_percentage"] = Field(
        description="Each part of an amount of money at the percentage of the tier it falls into."
    )
    tiers: Annotated[tuple[PercentTier, ...], AfterValidator(tiled)] = Field(
        description="Tiers in rising order; the last has no end."
    )

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """The lines, one per tier that holds any of the amount, in rising order; they add up to it exactly. The unit price is what 1 costs."""
        with exact():
            return tuple(
                RatedLine(part, factor := share(tier.percent), part * factor + tier.amount, number)
                for number, tier, part in held(used.quantity, self.tiers)
            )

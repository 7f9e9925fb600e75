"""Graduated tiers: each unit is charged at the price of the tier it falls into.

With tiers up to 1000 at 0.002 and beyond at 0.001, a quantity of 1500 is 1000 x 0.002 and 500 x 0.001. Quantities need not be whole,
and are cut at the ends exactly.

>>> from ledger.rating.models.graduated import Graduated
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> tiers = [{"up_to": 1000, "unit_price": "0.002"}, {"unit_price": "0.001"}]
>>> [(str(line.quantity), str(line.amount)) for line in Graduated(model="graduated", tiers=tiers).rate(Used(Decimal(1500)))]
[('1000', '2.000'), ('500', '0.500')]
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ledger.rating.model import Model, RatedLine, Used
from ledger.rating.tiers import Tiers, held
from ledger.schema.decimals import charged


class Graduated(Model):
    """Each unit at the price of the tier it falls into."""

    model: Literal["graduated"] = Field(description="Each unit at the price of the tier it falls into.")
    tiers: Tiers = Field(description="Tiers in rising order; the last has no end.")

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """The lines, one per tier that holds any of the quantity, in rising order; they add up to it exactly."""
        return tuple(
            RatedLine(part, tier.unit_price, charged(part, tier.unit_price, tier.amount), number)
            for number, tier, part in held(used.quantity, self.tiers)
        )

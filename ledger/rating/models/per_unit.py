"""Per unit: every unit has the same price.

$2 for each of 37 reports:

>>> from ledger.rating.models.per_unit import PerUnit
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> [(line.quantity, line.amount) for line in PerUnit(model="per_unit", unit_price=2).rate(Used(Decimal(37)))]
[(Decimal('37'), Decimal('74'))]
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ledger.rating.model import Model, RatedLine, Used
from ledger.schema.decimals import PlainDecimal, product


class PerUnit(Model):
    """One price for every unit."""

    model: Literal["per_unit"] = Field(description="One price for every unit.")
    unit_price: PlainDecimal = Field(description="Price of one unit, in the plan's currency.")

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """One line; none where nothing was used."""
        if used.quantity <= 0:
            return ()
        return (RatedLine(used.quantity, self.unit_price, product(used.quantity, self.unit_price)),)

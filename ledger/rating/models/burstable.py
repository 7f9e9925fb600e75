"""Burstable: a committed quantity is always paid, and what is above it has a price of its own.

This is how bandwidth is sold: the customer commits to a rate, and the month is measured by its 95th percentile, so that bursts in one
hour of twenty cost nothing. The percentile is the meter's work (its aggregation); here its result is split at the commitment.

The commitment is paid whatever was used, and where nothing was used, too: committed x unit price is what the model owes at least. It
is a quantity of a billing period as a whole, like the percentile.

100 Mbit/s committed at 2 each, 3 for each above, and a 95th percentile of 130:

>>> from ledger.rating.models.burstable import Burstable
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> burstable = Burstable(model="burstable", committed=100, unit_price=2, overage_price=3)
>>> [(str(line.quantity), str(line.amount), line.label) for line in burstable.rate(Used(Decimal(130)))]
[('100', '200', 'committed'), ('30', '90', 'overage')]
>>> [(str(line.quantity), str(line.amount), line.label) for line in burstable.rate(Used(Decimal(0)))]
[('100', '200', 'committed')]
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ledger.rating.model import Model, RatedLine, Used
from ledger.schema.decimals import PlainDecimal, exact


class Burstable(Model):
    """A committed quantity that is always paid, and another price for what is above it."""

    model: Literal["burstable"] = Field(
        description="A committed quantity that is always paid, and another price for what is above it."
    )
    committed: PlainDecimal = Field(description="Quantity that is always paid, in the meter's unit; 0 for none.")
    unit_price: PlainDecimal = Field(description="Price of one committed unit, in the plan's currency.")
    overage_price: PlainDecimal | None = Field(
        default=None,
        description="Price of one unit above the commitment, in the plan's currency; null, the default, for 'unit_price'.",
    )

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """A line of the commitment and one of what is above it; none of what is zero. A quantity below zero is taken for zero."""
        lines = []
        with exact():
            if self.committed > 0:
                amount = self.committed * self.unit_price
                lines.append(RatedLine(self.committed, self.unit_price, amount, label="committed"))
            above = used.quantity - self.committed
            if above > 0:
                price = self.unit_price if self.overage_price is None else self.overage_price
                lines.append(RatedLine(above, price, above * price, label="overage"))
        return tuple(lines)

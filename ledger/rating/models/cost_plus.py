"""Cost plus: what serving the tenant cost, with a markup in percent on top.

The quantity is the cost, in the plan's currency. A markup is a percentage of the cost, which is another number than the margin, a
percentage of the revenue: a markup of 25 percent on 80 gives 100, of which a margin of 20 percent is left.

>>> from ledger.rating.models.cost_plus import CostPlus
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> cost_plus = CostPlus(model="cost_plus", markup_percent=25)
>>> [(str(line.quantity), str(line.unit_price), str(line.amount)) for line in cost_plus.rate(Used(Decimal(80)))]
[('80', '1.25', '100.00')]
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ledger.rating.model import Basis, Model, RatedLine, Used
from ledger.rating.percent import raised
from ledger.schema.decimals import PlainDecimal, exact


class CostPlus(Model):
    """What serving the tenant cost, and a markup on it."""

    of: ClassVar[Basis] = "cost"

    model: Literal["cost_plus"] = Field(description="What serving the tenant cost, and a markup on it.")
    markup_percent: PlainDecimal = Field(description="Added to the cost, in percent of it; 0 to pass the cost on.")

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """One line, its quantity the cost and its unit price what 1 of cost is charged; none where it cost nothing."""
        if used.quantity <= 0:
            return ()
        factor = raised(self.markup_percent)
        with exact():
            return (RatedLine(used.quantity, factor, used.quantity * factor),)

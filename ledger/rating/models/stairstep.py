"""Stairstep: one amount for everything, that of the step which the total falls into.

Up to 100 reports are 50, up to 500 are 200, and any more are 350. There is no price per unit: the 101st report costs 150, and the 102nd nothing.
The steps are ends in rising order, as tiers are, and an end belongs to its step.

>>> from ledger.rating.models.stairstep import Stairstep
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> steps = [{"up_to": 100, "amount": 50}, {"up_to": 500, "amount": 200}, {"amount": 350}]
>>> stairstep = Stairstep(model="stairstep", tiers=steps)
>>> [(str(line.quantity), line.unit_price, str(line.amount), line.tier) for line in stairstep.rate(Used(Decimal(101)))]
[('101', None, '200', 2)]
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ledger.rating.model import Model, RatedLine, Used
from ledger.rating.tiers import Range, reached, tiled
from ledger.schema.decimals import PlainDecimal


class Step(Range):
    """A range of quantity, and the amount of every total inside it."""

    amount: PlainDecimal = Field(
        description="Charged for a total inside the step, whatever it is, in the plan's currency."
    )


class Stairstep(Model):
    """The amount of the step that the total falls into."""

    model: Literal["stairstep"] = Field(description="The amount of the step that the total falls into.")
    tiers: Annotated[tuple[Step, ...], AfterValidator(tiled)] = Field(
        description="Steps in rising order; the last has no end."
    )

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """One line without a unit price; none where nothing was used."""
        found = reached(used.quantity, self.tiers)
        if found is None:
            return ()
        number, step = found
        return (RatedLine(used.quantity, None, step.amount, number),)

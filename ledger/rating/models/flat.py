"""Flat: an amount that is charged for time alone, whatever was used.

>>> from ledger.rating.models.flat import Flat
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> [(line.quantity, line.amount) for line in Flat(model="flat", amount="49.90").rate(Used(Decimal(0)))]
[(Decimal('1'), Decimal('49.9'))]
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Literal

from pydantic import Field

from ledger.rating.model import Basis, Model, RatedLine, Used
from ledger.schema.decimals import PlainDecimal

_ONE = Decimal(1)


class Flat(Model):
    """An amount for a billing period."""

    of: ClassVar[Basis] = "nothing"

    model: Literal["flat"] = Field(description="An amount for a billing period, whatever was used.")
    amount: PlainDecimal = Field(description="Charged for a whole billing period, in the plan's currency.")

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """One line; none where the amount is zero."""
        return (RatedLine(_ONE, self.amount, self.amount),) if self.amount else ()

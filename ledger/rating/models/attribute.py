"""Attribute: an amount that is charged for time alone, and goes by what is known of the tenant.

A support fee of 100 for gold customers and of 25 for silver ones, and none for others:

>>> from ledger.rating.models.attribute import Attribute
>>> from ledger.rating.model import Used
>>> from decimal import Decimal
>>> support = Attribute(model="attribute", attribute="client_type", amounts={"gold": 100, "silver": 25})
>>> used = Used(Decimal(0), attributes={"client_type": "gold"})
>>> [(str(line.quantity), str(line.amount), line.label) for line in support.rate(used)]
[('1', '100', 'gold')]
>>> support.rate(Used(Decimal(0)))
()
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ledger.rating.model import Basis, Model, RatedLine, Used
from ledger.schema.decimals import PlainDecimal
from ledger.schema.spec import Name

_ONE = Decimal(1)


class Attribute(Model):
    """An amount for a billing period, by an attribute of the tenant."""

    of: ClassVar[Basis] = "nothing"
    by_attributes: ClassVar[bool] = True

    model: Literal["attribute"] = Field(description="An amount for a billing period, by an attribute of the tenant.")
    attribute: Name = Field(description="Attribute of the tenant that the amount goes by.")
    amounts: Annotated[Mapping[str, PlainDecimal], Field(min_length=1)] = Field(
        description="For each value of the attribute, what a whole billing period is charged, in the plan's currency."
    )
    otherwise: PlainDecimal = Field(
        default=Decimal(0),
        description="What a tenant with another value, or with none, is charged, in the plan's currency; 0 by default.",
    )

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """One line, its label the tenant's value; none where the amount is zero."""
        value = used.attributes.get(self.attribute, "")
        amount = self.amounts.get(value, self.otherwise)
        return (RatedLine(_ONE, amount, amount, label=value),) if amount else ()

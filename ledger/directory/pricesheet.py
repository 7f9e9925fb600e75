"""Price sheets: what one unit of a meter costs the vendor.

This is the cost side; what customers pay stands in plans. Several sheets may be in force at once and may price
the same meter: their costs then add up, as compute and licence do. A sheet has one currency; costs of different
currencies are never added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from ledger.schema.currency import Currency
from ledger.schema.decimals import PlainDecimal
from ledger.schema.spec import Name, Reference, Spec


class PriceSheet(Spec):
    """Unit costs, per meter."""

    currency: Currency = Field(description="ISO 4217 alphabetic code of every price on the sheet.")
    prices: Annotated[Mapping[Name, PlainDecimal], Field(min_length=1)] = Field(
        description="Cost of one unit of each meter, in the currency; exact, zero or more."
    )

    def references(self) -> tuple[Reference, ...]:
        """Every meter with a price."""
        return tuple(Reference("meter", meter, ("prices", meter)) for meter in self.prices)

"""Price sheets: what one unit of a meter costs the vendor.

This is the cost side; what customers pay stands in plans. Several sheets may be in force at once and may price
the same meter: their costs then add up, as compute and licence do. A sheet has one currency; costs of different
currencies are never added.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from ledger.directory.currency import EXPONENTS
from ledger.directory.decimals import PlainDecimal
from ledger.directory.spec import Name, Reference, Spec


def _active(code: str) -> str:
    if code not in EXPONENTS:
        near = difflib.get_close_matches(code.upper(), EXPONENTS, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{code!r} is not an active ISO 4217 currency code that can be paid in{hint}")
    return code


Currency = Annotated[str, AfterValidator(_active)]


class PriceSheet(Spec):
    """Unit costs, per meter."""

    currency: Currency = Field(description="ISO 4217 alphabetic code of every price on the sheet.")
    prices: Annotated[Mapping[Name, PlainDecimal], Field(min_length=1)] = Field(
        description="Cost of one unit of each meter, in the currency; exact, zero or more."
    )

    def references(self) -> tuple[Reference, ...]:
        """Every meter with a price."""
        return tuple(Reference("meter", meter, ("prices", meter)) for meter in self.prices)

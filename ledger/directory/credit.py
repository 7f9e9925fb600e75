"""Credits: amounts that a customer need not pay, granted once and drawn down by invoices.

Of several that could be drawn, the one with the lowest priority goes first, then the one that expires first, then
by name. It is drawn by the invoice of every billing period in which it holds at any moment, in whole coins. What is left when a credit expires is lost.
Where a correction leaves less than nothing to be paid, credits get back what they had paid, the last of them first, before anything is paid out.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ledger.directory.agreement import Positive, TimeBoxed
from ledger.schema.currency import Currency
from ledger.schema.spec import Name, Reference, Spec


class Credit(TimeBoxed, Spec):
    """An amount granted to a tenant."""

    dated: ClassVar[bool] = False

    tenant: Name = Field(description="Name of the tenant to whom it is granted.")
    amount: Positive = Field(description="How much, in the currency.")
    currency: Currency = Field(description="ISO 4217 alphabetic code; only invoices of this currency draw it.")
    priority: int = Field(
        default=100, ge=0, le=1_000_000, description="The lower, the sooner it is drawn; 100 by default."
    )
    products: tuple[Name, ...] = Field(default=(), description="Only for what these products charge; all by default.")
    reason: Annotated[str, Field(min_length=1)] = Field(description="Why it was granted, and by whom.")

    def references(self) -> tuple[Reference, ...]:
        """The tenant."""
        return (Reference("tenant", self.tenant, ("tenant",)),)

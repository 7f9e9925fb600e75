"""Sellers: who issues invoices, how they are paid, and how they look.

What an invoice says of its seller is a definition like a price: it has versions and an author, and an invoice says what held at the end of what it bills. There
is one seller, called ``default``::

    kind: seller
    name: default
    spec:
      title: Example Metering GmbH
      address: [Torstraße 1, 10119 Berlin, Germany]
      tax_id: DE123456789
      payment_days: 14
      payment_details: ["IBAN DE02 1203 0000 0000 2020 51", "BIC BYLADEM1001"]

Nothing here is needed to bill anybody. What is missing is left out of the invoice.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from ledger.directory.tenant import Printed, Tag
from ledger.schema.spec import Spec

#: The name of the one seller.
SELLER = "default"
#: The colour of titles and rules where nothing else is said: #RRGGBB.
ACCENT = "#1f4e79"
_PAYMENT_DAYS_MAX = 366
_HEX_DIGITS = frozenset("0123456789abcdef")
_HEX_LENGTH = 7


def is_colour(text: str) -> bool:
    """Whether a text is a colour such as #1f4e79. It goes into style sheets, so nothing else may ever be taken for one."""
    return len(text) == _HEX_LENGTH and text[0] == "#" and _HEX_DIGITS.issuperset(text[1:])


def _colour(text: str) -> str:
    folded = text.lower()
    if not is_colour(folded):
        raise ValueError(f"{text!r} is not a colour such as {ACCENT}: # and six hexadecimal digits")
    return folded


class Seller(Spec):
    """Who issues invoices."""

    settled: ClassVar[tuple[str, ...]] = ()

    title: Printed = Field(description="Name of the seller, as the invoice shows it.")
    address: tuple[Printed, ...] = Field(default=(), description="Address, a line each; none by default.")
    tax_id: Tag = Field(default="", description="Tax or VAT number; none by default.")
    email: Tag = Field(default="", description="Where questions on an invoice go; none by default.")
    payment_days: int | None = Field(
        default=None,
        ge=0,
        le=_PAYMENT_DAYS_MAX,
        description="Days after the date of issue until an invoice is due; null, the default, to state no due date.",
    )
    payment_details: tuple[Printed, ...] = Field(
        default=(), description="How to pay, such as a bank account, a line each; none by default."
    )
    footer: tuple[Printed, ...] = Field(
        default=(), description="What stands at the foot of every page, a line each; nothing by default."
    )
    accent: Annotated[str, AfterValidator(_colour)] = Field(
        default=ACCENT, description=f"Colour of titles and rules, #RRGGBB; {ACCENT} by default."
    )

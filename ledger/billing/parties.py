"""The parties of an invoice as the book has them: who sells, who pays, and how the paper between them is made out.

They are in the invoice's document, so a copy that is printed years later says what was finalized, whatever the definitions say by then; and whoever computes
the document again from the book gets the same parties. What holds is what held at the end of what is billed.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.billing.cycles import Account
from ledger.directory.catalog import Catalog
from ledger.directory.seller import ACCENT, SELLER, Seller
from ledger.directory.tenant import Tenant
from ledger.schema.spec import Spec


@dataclass(frozen=True)
class Party:
    """A seller or a customer; what is not known is empty."""

    title: str = ""
    address: tuple[str, ...] = ()
    tax_id: str = ""
    email: str = ""


@dataclass(frozen=True)
class Paper:
    """How an invoice is made out.

    ``timezone`` is the customer's, in whose days periods and dates are told; ``language`` is "" where none was chosen. ``payment_days`` is None where no due date is stated.
    """

    timezone: str = "UTC"
    language: str = ""
    payment_days: int | None = None
    payment_details: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()
    accent: str = ACCENT


#: A party of which nothing is known, and paper that nobody chose.
NOBODY, PLAIN = Party(), Paper()


def parties_at(account: Account, at_us: int) -> tuple[Party, Party, Paper]:
    """Seller, customer and paper of an invoice for what ends at an instant."""
    tenant = _held(account.catalog, "tenant", account.tenant, at_us)
    seller = _held(account.catalog, "seller", SELLER, at_us)
    customer, language = Party(account.tenant), ""
    if isinstance(tenant, Tenant):
        customer = Party(tenant.title or account.tenant, tenant.address, tenant.tax_id, tenant.email)
        language = tenant.language
    if not isinstance(seller, Seller):
        return Party(), customer, Paper(account.zone.key, language)
    paper = Paper(
        timezone=account.zone.key,
        language=language,
        payment_days=seller.payment_days,
        payment_details=seller.payment_details,
        footer=seller.footer,
        accent=seller.accent,
    )
    return Party(seller.title, seller.address, seller.tax_id, seller.email), customer, paper


def _held(catalog: Catalog, kind: str, name: str, at_us: int) -> Spec | None:
    """What holds at an instant; the newest where all that there is holds later."""
    held = catalog.get(kind, name, at_us)
    versions = catalog.versions(kind, name)
    found = held if held is not None else versions[-1] if versions else None
    return None if found is None else found.spec

"""Parties: an invoice says of seller and customer what held at the end of what it bills, and goes on to say it."""

from __future__ import annotations

import pytest

from ledger.billing.parties import Paper, Party, parties_at
from ledger.billing.terms import accounts
from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.versions import DefinitionRow
from meterbook.wire import instants

BOOK = """\
kind: plan
name: free
spec: {currency: EUR}
---
kind: tenant
name: acme
spec: {title: Acme, timezone: Europe/Berlin, address: [Old Street 1], language: de}
---
kind: tenant
name: acme
effective_from: 2026-03-15
spec: {title: Acme, timezone: Europe/Berlin, address: [New Street 2], language: fr, tax_id: X1}
---
kind: subscription
name: acme-free
spec: {tenant: acme, plan: free, start: 2026-01-10}
"""
SELLER = """\
---
kind: seller
name: default
effective_from: 2026-02-01
spec: {title: Nordlicht, payment_days: 14, payment_details: [IBAN DE02], footer: [HRB 1], accent: '#0b5d66'}
"""


def catalog(text: str) -> Catalog:
    """The catalog of a book."""
    application = plan_changes(Catalog.of([]), parse_manifests([("book.yaml", text)]).documents)
    assert application.faults == ()
    return Catalog.of(
        DefinitionRow(each.kind, each.name, each.version, each.effective_from_us, each.spec, "ada", 1)
        for each in application.versions
    )


def parties(text: str, at: str) -> tuple[Party, Party, Paper]:
    """The parties of the one account at a moment."""
    (account,) = accounts(catalog(text), "acme")
    return parties_at(account, instants.parse(at))


def test_what_held_then_is_said() -> None:
    seller, customer, paper = parties(BOOK + SELLER, "2026-03-01T00:00:00Z")
    assert seller == Party("Nordlicht")
    assert customer == Party("Acme", ("Old Street 1",))
    assert paper == Paper("Europe/Berlin", "de", 14, ("IBAN DE02",), ("HRB 1",), "#0b5d66")
    _, customer, paper = parties(BOOK + SELLER, "2026-04-01T00:00:00Z")
    assert customer == Party("Acme", ("New Street 2",), "X1")
    assert paper.language == "fr"


def test_what_holds_later_is_better_than_nothing() -> None:
    seller, _, _ = parties(BOOK + SELLER, "2026-01-15T00:00:00Z")
    assert seller.title == "Nordlicht"


@pytest.mark.parametrize("at", ["2026-01-15T00:00:00Z", "2026-05-01T00:00:00Z"])
def test_nobody_needs_a_seller(at: str) -> None:
    seller, customer, paper = parties(BOOK, at)
    assert seller == Party()
    assert customer.title == "Acme"
    assert paper.timezone == "Europe/Berlin"

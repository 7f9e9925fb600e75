"""Sellers and what an invoice says of its customer: what may be written, and what is refused with a reason."""

from __future__ import annotations

import pytest

from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.seller import Seller
from ledger.directory.tenant import Tenant
from ledger.directory.versions import DefinitionRow


def applied(text: str, catalog: Catalog | None = None) -> tuple[Catalog, list[str]]:
    """The catalog with some definitions more, and what was wrong with them."""
    before = Catalog.of([]) if catalog is None else catalog
    manifests = parse_manifests([("book.yaml", text)])
    application = plan_changes(before, manifests.documents)
    faults = [str(fault) for fault in (*manifests.faults, *application.faults)]
    made = Catalog.of(
        DefinitionRow(each.kind, each.name, each.version, each.effective_from_us, each.spec, "ada", 1)
        for each in application.versions
    )
    return before.extended(made), faults


def test_a_seller_has_defaults_for_all_but_its_title() -> None:
    catalog, faults = applied("{kind: seller, name: default, spec: {title: Nordlicht, accent: '#0B5D66'}}")
    assert faults == []
    found = catalog.get("seller", "default", 0)
    assert found is not None
    assert isinstance(found.spec, Seller)
    assert (found.spec.accent, found.spec.payment_days, found.spec.address) == ("#0b5d66", None, ())


@pytest.mark.parametrize("colour", ["red", "#12345", "#1234567", "#12345g", "#fff;} body{", "0b5d66#", ""])
def test_an_accent_is_a_colour(colour: str) -> None:
    _, (fault,) = applied(f"kind: seller\nname: default\nspec: {{title: N, accent: '{colour}'}}")
    assert "is not a colour such as #1f4e79" in fault


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("{title: ''}", "title"),
        ("{title: N, payment_days: -1}", "payment_days"),
        ("{title: N, payment_days: 1000}", "payment_days"),
        ('{title: "a\\nb"}', "cannot be printed"),
        ("{title: N, adress: [x]}", "adress"),
    ],
)
def test_what_a_seller_cannot_be(spec: str, reason: str) -> None:
    _, faults = applied(f"{{kind: seller, name: default, spec: {spec}}}")
    assert any(reason in fault for fault in faults)


def test_a_tenant_has_what_an_invoice_says_of_it() -> None:
    spec = "{address: [Milton Road, Cambridge], tax_id: GB 1, email: a@b.example, language: de-CH, series: EU-INV}"
    catalog, faults = applied(f"{{kind: tenant, name: acme, spec: {spec}}}")
    assert faults == []
    found = catalog.get("tenant", "acme", 0)
    assert found is not None
    assert isinstance(found.spec, Tenant)
    assert (found.spec.language, found.spec.series, found.spec.tax_id) == ("de-CH", "EU-INV", "GB 1")
    assert Tenant().series == "INV"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("language", "german", "is not a language tag"),
        ("language", "de_CH", "is not a language tag"),
        ("series", "inv", "is not a series"),
        ("series", "-INV", "is not a series"),
        ("series", "A" * 21, "is not a series"),
        ("series", "", "is not a series"),
    ],
)
def test_what_a_tenant_cannot_say(field: str, value: str, reason: str) -> None:
    _, (fault,) = applied(f"{{kind: tenant, name: acme, spec: {{{field}: '{value}'}}}}")
    assert reason in fault


def test_the_series_is_the_same_for_all_dates() -> None:
    catalog, _ = applied("{kind: tenant, name: acme, spec: {}}")
    _, (fault,) = applied("{kind: tenant, name: acme, effective_from: 2026-02-01, spec: {series: OTHER}}", catalog)
    assert "series" in fault

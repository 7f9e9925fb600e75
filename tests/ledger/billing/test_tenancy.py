"""Under which plan a tenant is when, and what its month is called."""

from __future__ import annotations

from ledger.billing.tenancy import nobodys, tenancies
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.versions import Definition
from meterbook.wire import instants

DEFINED = """\
{kind: meter, name: m, spec: {source: {event: e}, aggregation: count, unit: u}}
---
{kind: plan, name: small, spec: {currency: EUR}}
---
{kind: plan, name: large, spec: {currency: EUR, charges: [{meter: m, tiers: [{unit_price: 1}]}]}}
---
{kind: tenant, name: acme, spec: {timezone: Europe/Berlin}}
---
{kind: tenant, name: kiwi, spec: {timezone: Pacific/Auckland}}
---
{kind: tenant, name: trial, spec: {}}
---
{kind: subscription, name: one, spec: {tenant: acme, plan: small, start: 2026-03-05, end: 2026-03-10}}
---
{kind: subscription, name: two, spec: {tenant: acme, plan: large, start: 2026-03-20}}
---
{kind: subscription, name: three, spec: {tenant: kiwi, plan: small, start: 2026-01-01}}
"""


def catalog() -> Catalog:
    manifest = parse_manifests([("a.yaml", DEFINED)])
    assert manifest.faults == ()
    return Catalog.of([]).extended(
        Definition(each.kind, each.name, 1, each.effective_from_us, each.spec, "ada", 1) for each in manifest.documents
    )


def at(text: str) -> int:
    return instants.parse(text)


def test_spans_cover_the_month_and_go_by_the_plan_that_began_last() -> None:
    tenancy = tenancies(catalog(), ["acme"], at("2026-03-15"))["acme"]
    assert (tenancy.month, str(tenancy.day)) == ("2026-03", "2026-03-01")
    small, large = tenancy.spans
    assert (small.plan, small.charged, large.plan, large.charged) == ("small", frozenset(), "large", {"m"})
    assert small.period.start_us == tenancy.period.start_us == at("2026-02-28T23:00:00Z")
    assert small.period.end_us == large.period.start_us == at("2026-03-19T23:00:00Z")
    assert large.period.end_us == tenancy.period.end_us == at("2026-03-31T22:00:00Z")
    # Before the first has begun, between the two, and after the month: none is without a plan.
    for text, plan in (
        ("2026-02-28T22:59:59Z", "small"),
        ("2026-03-15", "small"),
        ("2026-03-19T23:00:00Z", "large"),
        ("2026-03-31T23:00:00Z", "large"),
    ):
        assert tenancy.span_at(at(text)).plan == plan


def test_a_month_is_called_as_in_the_tenants_zone() -> None:
    # In Auckland April has begun.
    found = tenancies(catalog(), ["acme", "kiwi", "trial", "nobody"], at("2026-03-31T13:00:00Z"))
    assert {tenant: each.month for tenant, each in found.items()} == {
        "acme": "2026-03",
        "kiwi": "2026-04",
        "trial": "2026-03",
        "nobody": "2026-03",
    }
    assert (found["trial"].terms, [span.plan for span in found["trial"].spans]) == ((), [""])
    utc = nobodys(at("2026-03-31T13:00:00Z"))
    assert (utc.month, utc.period.end_us, utc.terms) == ("2026-03", at("2026-04-01"), ())

"""Invoices: who is billed on what terms, for which lines, and how well that was observed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.billing.invoice import draft
from ledger.billing.terms import NotSubscribed, Terms, terms_of
from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.versions import DefinitionRow
from ledger.metering.usage import Usage
from ledger.rating.rounding import round_amount
from ledger.schema.decimals import total
from meterbook.wire import instants

BOOK = """\
kind: meter
name: requests
spec: {source: {event: request}, aggregation: count, unit: requests}
---
kind: meter
name: cpu
spec: {source: {metric: cpu}, aggregation: increase, unit: core-seconds}
---
kind: plan
name: free
spec: {currency: EUR}
---
kind: plan
name: team
spec:
  currency: EUR
  flat_fee: 10
  charges:
    - {meter: requests, tiers: [{up_to: 1000, unit_price: 0.002}, {unit_price: 0.0015}]}
    - {meter: cpu, tiers: [{unit_price: 0.00001}]}
---
kind: plan
name: team
effective_from: 2026-03-15
spec: {currency: EUR, flat_fee: 20}
---
kind: tenant
name: acme
spec: {timezone: Europe/Berlin}
---
kind: tenant
name: idle
spec: {}
---
kind: subscription
name: acme-free
spec: {tenant: acme, plan: free, start: 2026-01-10, end: 2026-02-10}
---
kind: subscription
name: acme-team
spec: {tenant: acme, plan: team, start: 2026-02-10}
"""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    application = plan_changes(Catalog.of([]), parse_manifests([("book.yaml", BOOK)]).documents)
    assert application.faults == ()
    return Catalog.of(
        DefinitionRow(each.kind, each.name, each.version, each.effective_from_us, each.spec, "ada", 1)
        for each in application.versions
    )


@pytest.fixture(scope="module")
def march(catalog: Catalog) -> Terms:
    (terms,) = terms_of(catalog, "acme", instants.parse("2026-03-20"))
    return terms


def used(quantity: str, meter: str = "requests", *, unit: str = "requests", observed: int = 9, **rest) -> Usage:
    told = {"tenant": "acme", "dimensions": "{}", "window_us": None} | rest
    return Usage(meter=meter, quantity=Decimal(quantity), unit=unit, estimated=Decimal(0), observed_us=observed, expected_us=10, **told)  # fmt: skip


def test_terms_take_the_plan_that_holds_when_the_period_begins(catalog: Catalog, march: Terms) -> None:
    assert (march.subscription, march.plan_name, march.plan_version) == ("acme-team", "team", 1)
    assert str(march.period) == str(march.billed) == "2026-02-28T23:00:00Z to 2026-03-31T22:00:00Z"
    (april,) = terms_of(catalog, "acme", instants.parse("2026-04-20"))
    assert april.plan_version == 2


def test_a_month_with_a_change_of_plan_has_two_terms_that_tile_it(catalog: Catalog) -> None:
    free, team = terms_of(catalog, "acme", instants.parse("2026-02-01"))
    assert (free.plan_name, team.plan_name) == ("free", "team")
    assert (free.billed.start_us, team.billed.end_us) == (free.period.start_us, free.period.end_us)
    assert free.billed.end_us == team.billed.start_us == instants.parse("2026-02-09T23:00:00Z")


@pytest.mark.parametrize(
    ("tenant", "at", "message"),
    [
        ("acme", "2025-12-31", "tenant 'acme' has no subscription in the billing period 2025-11-30T23:00:00Z to 2025-12-31T23:00:00Z"),
        ("idle", "2026-03-05", "tenant 'idle' has no subscription in the billing period 2026-03-01T00:00:00Z to 2026-04-01T00:00:00Z"),
        ("nobody", "2026-03-05", "tenant 'nobody' has no subscription in the billing period 2026-03-01T00:00:00Z to 2026-04-01T00:00:00Z: no such tenant is defined"),
    ],
)  # fmt: skip
def test_not_subscribed(catalog: Catalog, tenant: str, at: str, message: str) -> None:
    with pytest.raises(NotSubscribed) as refused:
        terms_of(catalog, tenant, instants.parse(at))
    assert str(refused.value) == message


def test_a_plan_that_does_not_hold_yet_bills_nothing(catalog: Catalog) -> None:
    late = [replace(each, effective_from_us=2**62) if each.kind == "plan" else each for each in catalog]
    with pytest.raises(NotSubscribed, match="plan 'team' of 'acme-team' does not hold yet"):
        terms_of(Catalog.of([]).extended(late), "acme", instants.parse("2026-03-20"))


def test_lines(march: Terms) -> None:
    usage = [
        used("123456.789", "cpu", unit="core-seconds", observed=10),
        used("1500.5"),
        used("0.5"),
        used("7", "disk", observed=0),
    ]
    invoice = draft(march, usage, as_of=42)
    assert [(line.description, str(line.amount)) for line in invoice.lines] == [
        ("flat fee", "10.00"),
        ("requests: 1,000 at 0.002", "2.00"),
        ("requests: 501 at 0.0015", "0.75"),
        ("cpu: 123,456.789 at 0.00001", "1.23"),
    ]
    assert [str(line.exact) for line in invoice.lines[1:]] == ["2.000", "0.75150", "1.23456789"]
    assert (str(invoice.total), str(invoice.coverage), invoice.currency) == ("13.98", "0.9333", "EUR")
    assert (invoice.as_of, invoice.plan, invoice.plan_version) == (42, "team", 1)
    assert invoice == draft(march, reversed(usage), as_of=42)


@pytest.mark.parametrize(("quantity", "lines"), [("0", 1), ("-5", 1), ("0.000000001", 2)])
def test_only_what_was_used_gives_a_line(march: Terms, quantity: str, lines: int) -> None:
    assert len(draft(march, [used(quantity)], 1).lines) == lines


def test_without_usage_there_is_the_fee_and_no_coverage(march: Terms, catalog: Catalog) -> None:
    invoice = draft(march, [], 1)
    assert ([line.meter for line in invoice.lines], str(invoice.total), invoice.coverage) == ([""], "10.00", None)
    free = draft(terms_of(catalog, "acme", instants.parse("2026-01-20"))[0], [], 1)
    assert (free.lines, str(free.total)) == ((), "0.00")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([used("1", tenant="other")], "usage of tenant 'other' cannot stand on an invoice of tenant 'acme'"),
        ([used("1", window_us=0)], "usage of meter 'requests' in window 0 is not in 2026-02-28T23:00:00Z to"),
        ([used("1"), used("1", unit="k")], "usage of meter 'requests' has several units, k, requests"),
    ],
)
def test_usage_that_does_not_belong_is_refused(march: Terms, rows: list[Usage], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draft(march, rows, 1)


QUANTITIES = st.lists(st.decimals(min_value=-(10**6), max_value=10**12, places=9).map(str), max_size=8)


@given(QUANTITIES, QUANTITIES)
def test_the_total_is_the_sum_of_the_lines_and_of_the_rounded_charges(march: Terms, requests, cpu) -> None:
    rows = [used(each) for each in requests] + [used(each, "cpu", unit="core-seconds") for each in cpu]
    invoice = draft(march, rows, 1)
    assert invoice.total == total(line.amount for line in invoice.lines)
    charges = {line.meter for line in invoice.lines}
    assert invoice.total == total(
        round_amount(total(line.exact for line in invoice.lines if line.meter == meter), "EUR") for meter in charges
    )
    assert all(line.amount >= 0 for line in invoice.lines)

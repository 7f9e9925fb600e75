"""Invoices: who is billed on what terms, for which lines, and how well that was observed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.billing.document import document_of, invoice_of
from ledger.billing.drafting import Desk
from ledger.billing.invoice import Invoice
from ledger.billing.terms import NotSubscribed, Terms, terms_of
from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.versions import DefinitionRow
from ledger.metering.usage import Usage
from ledger.rating.rounding import round_exact
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


def used(quantity: str, meter: str = "requests", *, unit: str = "requests", observed: int = 9) -> Usage:
    return Usage(meter, "acme", "{}", None, Decimal(quantity), unit, Decimal(0), observed, 10)


class Known:
    """What is known of a tenant, the same of every time."""

    def __init__(self, rows: Iterable[Usage]) -> None:
        self.rows: dict[str, list[Usage]] = {}
        for row in rows:
            self.rows.setdefault(row.meter, []).append(row)

    def used(self, start_us: int, end_us: int) -> Mapping[str, Sequence[Usage]]:
        return self.rows

    def cost(self, start_us: int, end_us: int, currency: str) -> Decimal:
        raise NotImplementedError

    def moved(self, start_us: int, end_us: int, since: int) -> bool:
        return False


def draft(terms: Terms, rows: Iterable[Usage], as_of: int) -> Invoice:
    return Desk(terms.account, Known(rows), [], [], as_of).draft(terms.cycle)


def test_terms_take_the_plan_that_holds_when_the_period_begins(catalog: Catalog, march: Terms) -> None:
    (part,) = march.parts
    assert (march.account.name, part.plan_name, part.plan_version) == ("acme-team", "team", 1)
    assert str(march.cycle.whole) == str(march.cycle.period) == "2026-02-28T23:00:00Z to 2026-03-31T22:00:00Z"
    (april,) = terms_of(catalog, "acme", instants.parse("2026-04-20"))
    assert april.parts[0].plan_version == 2


def test_a_month_with_two_subscriptions_has_two_terms_that_tile_it(catalog: Catalog) -> None:
    free, team = terms_of(catalog, "acme", instants.parse("2026-02-01"))
    assert (free.parts[0].plan_name, team.parts[0].plan_name) == ("free", "team")
    one, two = free.cycle, team.cycle
    assert one.whole == two.whole
    assert (one.period.start_us, two.period.end_us) == (one.whole.start_us, one.whole.end_us)
    assert one.period.end_us == two.period.start_us == instants.parse("2026-02-09T23:00:00Z")


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
    lines = [each.line for each in invoice.lines]
    assert [(line.price, str(line.amount)) for line in lines] == [
        ("flat fee", "10.00"),
        ("requests", "2.75"),
        ("cpu", "1.23"),
    ]
    assert [str(line.exact) for line in lines[1:]] == ["2.75150", "1.23456789"]
    assert [(str(piece.quantity), str(piece.amount)) for piece in lines[1].details] == [
        ("1000", "2.000"),
        ("501.0", "0.75150"),
    ]
    assert (str(invoice.total), str(invoice.coverage), invoice.currency) == ("13.98", "0.9333", "EUR")
    assert (invoice.as_of, invoice.plan, invoice.plan_version) == (42, "team", 1)
    assert document_of(invoice) == document_of(draft(march, reversed(usage), as_of=42))
    assert invoice_of(document_of(invoice)) == invoice


@pytest.mark.parametrize("quantity", ["0", "-5", "0.000000001"])
def test_what_was_observed_has_a_line_also_where_it_costs_nothing(march: Terms, quantity: str) -> None:
    fee, requests = draft(march, [used(quantity)], 1).lines
    assert (str(fee.amount), str(requests.amount), requests.line.observed_us) == ("10.00", "0.00", 9)


def test_without_usage_there_is_the_fee_and_no_coverage(march: Terms, catalog: Catalog) -> None:
    invoice = draft(march, [], 1)
    assert ([each.line.meter for each in invoice.lines], str(invoice.total), invoice.coverage) == ([""], "10.00", None)
    free = draft(terms_of(catalog, "acme", instants.parse("2026-01-20"))[0], [], 1)
    assert (free.lines, str(free.total)) == ((), "0.00")


def test_usage_of_several_units_is_refused(march: Terms) -> None:
    with pytest.raises(ValueError, match="usage of meter 'requests' has several units, k, requests"):
        draft(march, [used("1"), used("1", unit="k")], 1)


QUANTITIES = st.lists(st.decimals(min_value=-(10**6), max_value=10**12, places=9).map(str), max_size=8)


@given(QUANTITIES, QUANTITIES)
def test_the_total_is_the_sum_of_the_lines_each_rounded_once(march: Terms, requests: list[str], cpu: list[str]) -> None:
    rows = [used(each) for each in requests] + [used(each, "cpu", unit="core-seconds") for each in cpu]
    invoice = draft(march, rows, 1)
    assert invoice.total == total(each.amount for each in invoice.lines)
    for each in invoice.lines:
        assert each.amount == round_exact(each.line.exact, "EUR") >= 0
        assert each.line.exact == total(piece.amount for piece in each.line.details)

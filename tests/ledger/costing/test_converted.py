"""What became of bills in one currency: it adds up to the last digit, and is what it is charge by charge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing import converted
from ledger.costing.allocating import allocate
from ledger.costing.apportioning import apportioned
from ledger.costing.converted import (
    DAY,
    TooManyGroups,
    days_of,
    denominated,
    reconciled_in,
    served_in,
    tenant_costs_in,
    together,
    unallocated_in,
)
from ledger.costing.exchanging import Exchange, turned
from ledger.costing.reconciling import totals
from ledger.directory.quotations import Quotations
from tests.ledger.costing.memory import Book, catalog, hourly, meters, rule, tenants

BOOK = Book()
HOURS_OF_DAY = 24
RULES = (
    rule("tagged", "priority: 1, direct: {column: Tags.team}"),
    rule("used", "priority: 2, match: {ServiceName: A}, driver: {meter: cpu, capacity: {amount_per_h: 3}}"),
    rule("split", "priority: 3, match: {ServiceName: B}, fixed: {tenants: {acme: 1, corp: 2}, pools: {platform: 4}}"),
    rule("platform", "of: platform, fixed: {tenants: {acme: 1}, pools: {shared: 6}}"),
)
RATES = """
{kind: exchange-rates, name: usd, spec: {base: EUR, quote: USD, rates: {2026-01-01: 1.0832, 2026-01-03: 1.1}}}
---
{kind: exchange-rates, name: chf, spec: {base: CHF, quote: USD, rates: {2026-01-02: 1.3}}}
"""
CATALOG = catalog(*meters("cpu"), *tenants("acme", "corp"), *RULES, *RATES.split("---"))
QUOTATIONS = Quotations(CATALOG)
CHARGES = st.lists(
    st.tuples(
        st.sampled_from(["1", "-1", "0", "0.000000000000000001", "99999999999999.999999999999999999", "-7.3"]),
        st.sampled_from(["USD", "EUR", "CHF", "SEK"]),
        st.integers(0, 3),
        st.sampled_from(["A", "B", "C"]),
        st.sampled_from(["{}", '{"team":"acme"}', '{"team":"nobody"}']),
    ),
    max_size=12,
)


def filled(charges: list[tuple[str, str, int, str, str]]) -> None:
    BOOK.empty()
    rows = [
        hourly(line, cost, day * HOURS_OF_DAY, BillingCurrency=currency, ServiceName=service, Tags=tags)
        for line, (cost, currency, day, service, tags) in enumerate(charges)
    ]
    BOOK.bill(rows)
    for day in range(4):
        BOOK.use("cpu", "acme", day * HOURS_OF_DAY, day)
    BOOK.settle("cpu")


@given(CHARGES)
def test_parts_add_up_to_what_was_billed_in_the_other_currency(charges: list[tuple[str, str, int, str, str]]) -> None:
    filled(charges)
    view, standing = BOOK.view(), BOOK.standing()
    allocated = allocate(view, CATALOG, standing, ["ServiceName", DAY])
    exchange = Exchange.of(QUOTATIONS, "EUR", days_of(allocated.profiles))
    expected: dict[str, Fraction] = defaultdict(Fraction)
    lost = 0
    for cost, currency, day, _, _ in charges:
        rate = exchange.rate(currency, date(2026, 1, 1) + timedelta(days=day))
        expected[rate.into] += turned(Decimal(cost), rate)
        lost += rate.into != "EUR"
    assert bool(lost) == bool(exchange.missing())
    # To the last digit where it has an end, and else to the last that is shown: by whatever it is told.
    shown = {currency: Fraction(apportioned([[amount]])[0][0]) for currency, amount in expected.items()}
    for by in ((), ("ServiceName",), ("ServiceName", DAY)):
        rows = reconciled_in(view, standing, allocated, exchange, "BilledCost", by)
        assert all(row.residual == 0 and list(row.group) == list(by) for row in rows)
        assert sum(row.charges for row in rows) == len(charges)
        assert [row.billed for row in rows] == sorted((row.billed for row in rows), reverse=True)
        assert same({row.currency: Fraction(row.billed) for row in together(rows)}, shown)
    told = denominated(allocated, exchange)
    borne: dict[str, Fraction] = defaultdict(Fraction)
    by_tenant: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for row in tenant_costs_in(told, "BilledCost"):
        assert Fraction(row.cost) == sum(map(Fraction, row.parts.values()))
        borne[row.currency] += Fraction(row.cost)
        by_tenant[row.tenant, row.currency] += Fraction(row.cost)
    assert same(borne, shown)
    for each in served_in(told, "BilledCost", allocated.profiles.start_us):
        by_tenant[each.target, each.currency] -= Fraction(each.cost)
    assert not any(by_tenant.values())
    for by in ((), ("ServiceName", DAY)):
        sums = together(reconciled_in(view, standing, allocated, exchange, "BilledCost", by))
        nobodys: dict[str, Fraction] = defaultdict(Fraction)
        for nobody in unallocated_in(told, "BilledCost", sums):
            nobodys[nobody.currency] += Fraction(nobody.amount)
        assert same(nobodys, {row.currency: Fraction(row.parts["unallocated"]) for row in sums})


def same(found: Mapping[str, Fraction], expected: Mapping[str, Fraction]) -> bool:
    """Whether amounts are the same, but for those of nothing."""
    return {name: amount for name, amount in found.items() if amount} == {
        name: amount for name, amount in expected.items() if amount
    }


def test_by_hand() -> None:
    filled([("10.832", "USD", 0, "A", '{"team":"acme"}'), ("11", "USD", 2, "B", "{}"), ("5", "EUR", 2, "C", "{}")])
    view, standing = BOOK.view(), BOOK.standing()
    allocated = allocate(view, CATALOG, standing, [DAY])
    exchange = Exchange.of(QUOTATIONS, "USD", days_of(allocated.profiles))
    # 5 EUR of the third are 5.50 USD; dollars stay what they are.
    (row,) = reconciled_in(view, standing, allocated, exchange, "BilledCost", ())
    assert (row.currency, row.charges, row.billed) == ("USD", 3, Decimal("27.332"))
    assert (row.parts["direct"], row.parts["unallocated"]) == (Decimal("10.832"), Decimal("5.5"))
    served = served_in(denominated(allocated, exchange), "BilledCost", allocated.profiles.start_us * 0)
    assert {(each.target, each.basis.pool) for each in served} == {
        ("acme", ""),
        ("corp", ""),
        ("acme", "platform"),
        ("@shared", "shared"),
        ("@unallocated", ""),
    }
    assert sum(each.cost for each in served) == row.billed


def test_without_another_currency_it_is_as_it_was() -> None:
    filled([("10.832", "USD", 0, "A", "{}"), ("11", "EUR", 2, "B", "{}")])
    view, standing = BOOK.view(), BOOK.standing()
    allocated = allocate(view, CATALOG, standing, [DAY])
    rows = reconciled_in(view, standing, allocated, Exchange("", {}), "BilledCost", ())
    assert sorted(rows, key=str) == sorted(totals(view, standing, allocated, "BilledCost"), key=str)


def test_more_groups_than_can_be_turned_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converted, "GROUPS_MAX", 1)
    filled([("1", "USD", 0, "A", "{}"), ("1", "USD", 1, "A", "{}")])
    view, standing = BOOK.view(), BOOK.standing()
    allocated = allocate(view, CATALOG, standing, [DAY])
    exchange = Exchange.of(QUOTATIONS, "EUR", days_of(allocated.profiles))
    with pytest.raises(TooManyGroups, match="2 groups by day are more than the 1 that"):
        reconciled_in(view, standing, allocated, exchange, "BilledCost", ())

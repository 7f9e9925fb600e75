"""Margins: revenue less cost, by tenant, plan and product, and nothing where currencies differ."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.billing.charging import Line, Role
from ledger.billing.invoice import Invoice, InvoiceLine
from ledger.billing.margin import DIMENSIONS, Dimension, Entry, Observed, margins, product_of, revenues
from ledger.billing.period import Period
from ledger.costing.serving import Basis
from ledger.schema.decimals import total


def entry(tenant: str, amount: str, currency: str = "EUR", plan: str = "p", product: str = "") -> Entry:
    return Entry(tenant, plan, product, currency, Decimal(amount))


def written(rows) -> list[tuple[str | None, ...]]:
    return [
        (*row.group.values(), row.currency, *(None if each is None else str(each) for each in (row.revenue, row.cost, row.margin, row.percent)))
        for row in rows
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("revenue", "cost", "expected"),
    [
        ([("a", "10")], [("a", "7.5")], [("a", "EUR", "10", "7.5", "2.5", "25.00")]),
        ([("a", "10"), ("a", "5")], [("a", "1"), ("a", "2")], [("a", "EUR", "15", "3", "12", "80.00")]),
        ([("a", "3")], [("a", "1")], [("a", "EUR", "3", "1", "2", "66.67")]),
        ([("a", "10")], [("a", "30")], [("a", "EUR", "10", "30", "-20", "-200.00")]),
        ([("a", "10")], [], [("a", "EUR", "10", "0", "10", "100.00")]),
        ([], [("@shared", "4")], [("@shared", "EUR", "0", "4", "-4", None)]),
        ([("a", "0.00")], [("a", "0")], [("a", "EUR", "0.00", "0", "0.00", None)]),
        # 0.5 of a hundredth, to the even side, both ways
        ([("a", "20000")], [("a", "19999")], [("a", "EUR", "20000", "19999", "1", "0.00")]),
        ([("a", "20000")], [("a", "19997")], [("a", "EUR", "20000", "19997", "3", "0.02")]),
        # several currencies
        (
            [("a", "10", "EUR")],
            [("a", "7", "USD"), ("a", "1", "EUR")],
            [("a", "EUR", "10", "1", None, None), ("a", "USD", "0", "7", None, None)],
        ),
        ([("a", "0", "EUR")], [("a", "7", "USD")], [("a", "USD", "0", "7", "-7", None)]),
        (
            [("b", "1", "USD"), ("a", "1", "EUR")],
            [],
            [("a", "EUR", "1", "0", "1", "100.00"), ("b", "USD", "1", "0", "1", "100.00")],
        ),
        # more digits than a context of quantities has
        ([("a", "1")], [("a", "0." + "0" * 150 + "1")], [("a", "EUR", "1", "1E-151", "0." + "9" * 151, "100.00")]),
    ],
)
def test_margins(revenue, cost, expected) -> None:
    assert written(margins([entry(*each) for each in revenue], [entry(*each) for each in cost])) == expected


AMOUNTS = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, 10**9).map(str),
    st.sampled_from(["EUR", "USD"]),
    st.sampled_from(["p", "q"]),
    st.sampled_from(["", "m", "n"]),
)


@given(
    st.lists(AMOUNTS),
    st.lists(AMOUNTS),
    st.lists(st.sampled_from(DIMENSIONS), unique=True),
)
def test_nothing_is_lost_by_whatever_it_is_told(revenue, cost, by: list[Dimension]) -> None:
    rows = margins([entry(*each) for each in revenue], [entry(*each) for each in cost], by)
    for currency in ("EUR", "USD"):
        mine = [row for row in rows if row.currency == currency]
        assert total(row.revenue for row in mine) == sum(int(each[1]) for each in revenue if each[2] == currency)
        assert total(row.cost for row in mine) == sum(int(each[1]) for each in cost if each[2] == currency)
    places = [("tenant", "plan", "product").index(name) for name in by]
    told = [(each[0], each[3], each[4]) for each in (*revenue, *cost)]
    assert {tuple(row.group.values()) for row in rows} == {tuple(each[place] for place in places) for each in told}


def test_what_goes_by_no_meter_is_no_products_and_a_discount_is_for_what_its_price_is_for() -> None:
    month = Period(0, 1)
    told: list[tuple[Role, str, str, str]] = [
        ("charge", "fee", "", "10"),
        ("charge", "calls", "m", "1.50"),
        ("discount", "calls", "", "-0.25"),
        ("minimum", "", "", "5"),
        ("charge", "disks", "n", "3"),
    ]
    lines = [
        InvoiceLine(Line(role, "x", price, "", "", month, Decimal(amount), Decimal(amount), meter), 0, Decimal(amount))
        for role, price, meter, amount in told
    ]
    invoice = Invoice(1, "a", "s", "team", 1, month, month, "EUR", tuple(lines), {})
    seen = Observed("a", "m", 0, 1, 2)
    assert revenues(invoice, [seen]) == [
        Entry("a", "team", "", "EUR", Decimal(15)),
        Entry("a", "team", "m", "EUR", Decimal("1.25"), frozenset({seen})),
        Entry("a", "team", "n", "EUR", Decimal(3)),
    ]
    empty = Invoice(1, "a", "s", "team", 1, month, month, "EUR", (), {})
    assert revenues(empty, []) == [Entry("a", "team", "", "EUR", Decimal(0))]


@pytest.mark.parametrize(
    ("basis", "product"),
    [
        (Basis("", ("m",)), "m"),
        (Basis("", ("m", "other")), "m"),
        # Of two that the plan charges nobody can say which.
        (Basis("", ("m", "n")), ""),
        (Basis("n", ("m",)), "m"),
        (Basis("n"), "n"),
        (Basis("n", ("other",)), "n"),
        (Basis("platform"), ""),
        (Basis(), ""),
    ],
)
def test_a_product_is_a_meter_that_the_plan_charges(basis: Basis, product: str) -> None:
    assert product_of(basis, {"m", "n"}) == product


def test_coverage_counts_the_same_usage_once() -> None:
    good, bad, other = Observed("a", "m", 0, 10, 10), Observed("a", "n", 0, 0, 30), Observed("b", "m", 0, 3, 10)
    cost = [
        Entry("a", "p", "m", "EUR", Decimal(1), frozenset({good})),
        Entry("a", "p", "n", "EUR", Decimal(1), frozenset({good, bad})),
        Entry("b", "p", "m", "EUR", Decimal(1), frozenset({other})),
    ]
    revenue = [Entry("a", "p", "m", "EUR", Decimal(1), frozenset({good}))]
    told = {
        row.group["tenant"]: (row.revenue_coverage, row.cost_coverage) for row in margins(revenue, cost, ["tenant"])
    }
    assert told == {"a": (Decimal(1), Decimal("0.25")), "b": (None, Decimal("0.3"))}

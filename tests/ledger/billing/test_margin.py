"""Margins: revenue less cost, and nothing where currencies differ."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.billing.invoice import Invoice
from ledger.billing.margin import margins
from ledger.billing.period import Period
from ledger.costing.pricesheet import CostLine
from ledger.directory.decimals import total


def invoiced(tenant: str, amount: str, currency: str = "EUR") -> Invoice:
    month = Period(0, 1)
    return Invoice(1, tenant, "s", "p", 1, month, month, currency, (), Decimal(amount), None)


def cost(tenant: str, amount: str, currency: str = "EUR") -> CostLine:
    return CostLine(tenant, "s", "m", Decimal(amount), "u", Decimal(1), Decimal(amount), currency)


@pytest.mark.parametrize(
    ("invoices", "costs", "expected"),
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
    ],
)
def test_margins(invoices, costs, expected) -> None:
    rows = margins([invoiced(*each) for each in invoices], [cost(*each) for each in costs])
    written = [
        (row.tenant, row.currency, *(None if each is None else str(each) for each in (row.revenue, row.cost, row.margin, row.percent)))
        for row in rows
    ]  # fmt: skip
    assert written == expected


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 10**9).map(str), st.sampled_from(["EUR", "USD"]))),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**9).map(str), st.sampled_from(["EUR", "USD"]))),
)
def test_nothing_is_lost(invoices, costs) -> None:
    rows = margins([invoiced(*each) for each in invoices], [cost(*each) for each in costs])
    for currency in ("EUR", "USD"):
        mine = [row for row in rows if row.currency == currency]
        assert total(row.revenue for row in mine) == sum(
            int(amount) for _, amount, each in invoices if each == currency
        )
        assert total(row.cost for row in mine) == sum(int(amount) for _, amount, each in costs if each == currency)
    assert {row.tenant for row in rows} == {tenant for tenant, _, _ in invoices + costs}

"""Both sides: sums that add up, and nothing subtracted that is of two currencies."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ledger.billing.charging import Line
from ledger.billing.invoice import Invoice, InvoiceLine
from ledger.billing.period import Period
from ledger.billing.simulating import Compared, Pair, compared
from ledger.schema.decimals import total

MARCH = Period(0, 31)


def invoice(tenant: str, currency: str = "EUR", **products: str) -> Invoice:
    lines = tuple(
        InvoiceLine(Line("charge", name, name, "", name, MARCH, Decimal(amount), Decimal(amount)), 0, Decimal(amount))
        for name, amount in products.items()
    )
    return Invoice(1, tenant, f"{tenant}-s", "team", 1, MARCH, MARCH, currency, lines, {})


def told(row: Compared) -> tuple[str | None, ...]:
    numbers = (row.now, row.then, row.difference, row.percent)
    return (*row.group.values(), row.currency, *(None if each is None else str(each) for each in numbers))


def test_rows_come_with_the_greatest_difference_first() -> None:
    pairs = [
        Pair(invoice("a", api="10.00"), invoice("a", api="11.00")),
        Pair(invoice("b", api="10.00"), invoice("b", api="7.00")),
        Pair(invoice("b", api="1.00"), invoice("b", api="2.00")),
    ]
    assert [told(row) for row in compared(pairs, ["tenant"])] == [
        ("b", "EUR", "11.00", "9.00", "-2.00", "-18.18"),
        ("a", "EUR", "10.00", "11.00", "1.00", "10.00"),
    ]
    assert [told(row) for row in compared(pairs, [])] == [("EUR", "21.00", "20.00", "-1.00", "-4.76")]


def test_what_a_group_lacks_is_zero_where_the_side_charges_in_the_currency() -> None:
    pairs = [Pair(invoice("a", api="10.00"), invoice("a", web="4.00"))]
    assert [told(row) for row in compared(pairs, ["product"])] == [
        ("api", "EUR", "10.00", "0.00", "-10.00", "-100.00"),
        ("web", "EUR", "0.00", "4.00", "4.00", None),
    ]


def test_an_invoice_of_nothing_is_one_of_zero() -> None:
    assert [told(row) for row in compared([Pair(invoice("a"), invoice("a", api="4.00"))], ["tenant"])] == [
        ("a", "EUR", "0.00", "4.00", "4.00", None)
    ]


def test_another_currency_stands_alone() -> None:
    pairs = [
        Pair(invoice("a", api="10.00"), invoice("a", "USD", api="12.00")),
        Pair(invoice("b", api="1.00"), invoice("b", api="1.00")),
    ]
    assert [told(row) for row in compared(pairs, ["tenant", "product"])] == [
        ("a", "api", "EUR", "10.00", None, None, None),
        ("a", "api", "USD", None, "12.00", None, None),
        ("b", "api", "EUR", "1.00", "1.00", "0.00", "0.00"),
    ]
    assert [told(row) for row in compared(pairs, [])] == [
        ("USD", None, "12.00", None, None),
        ("EUR", "11.00", "1.00", "-10.00", "-90.91"),
    ]


def test_nothing_has_no_rows() -> None:
    assert compared([], ["tenant"]) == []


AMOUNTS = st.dictionaries(st.sampled_from(["api", "web"]), st.decimals(-100, 100, places=2).map(str))
PAIRS = st.lists(
    st.builds(
        lambda tenant, now, then: Pair(invoice(tenant, **now), invoice(tenant, **then)),
        st.sampled_from("abc"),
        AMOUNTS,
        AMOUNTS,
    ),
    max_size=6,
)


@given(PAIRS, st.lists(st.sampled_from(["tenant", "plan", "product"]), unique=True))
def test_every_way_of_grouping_comes_to_the_same(pairs: list[Pair], by: list[str]) -> None:
    rows = compared(pairs, by)  # type: ignore[arg-type]
    assert total(row.now or Decimal(0) for row in rows) == total(pair.now.total for pair in pairs)
    assert total(row.then or Decimal(0) for row in rows) == total(pair.then.total for pair in pairs)

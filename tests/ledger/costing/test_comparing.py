"""Estimates against bills: both sides whole, whatever they are told by."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.costing import comparing
from ledger.costing.bills import Bill
from ledger.costing.columns import NoSuchColumn
from ledger.costing.comparing import Compared, TooManyGroups, compared
from ledger.costing.estimating import estimate
from tests.ledger.batches import MONTH
from tests.ledger.costing.memory import END, Book, catalog, hourly

BOOK = Book()
METER = "{kind: meter, name: hours, spec: {source: {event: h}, aggregation: sum, unit: hours, group_by: [service]}}"
PRICES = (
    "{kind: price-book, name: own, spec: {currency: USD, items: "
    "{all: {meter: hours, dimensions: {ServiceName: service}, prices: 2}}}}"
)
SERVICES = ["a", "b", "c"]
COSTS = st.integers(-(10**20), 10**20).map(lambda number: Decimal(number).scaleb(-9))


def sides(billed: Sequence[tuple[str, Decimal]], used: Sequence[tuple[str, Decimal]]) -> tuple[list[Bill], list[Bill]]:
    """Bills of services, and the estimate of usage at 2 for an hour of each."""
    BOOK.empty()
    if billed:
        BOOK.bill([hourly(line, str(cost), ServiceName=name) for line, (name, cost) in enumerate(billed)])
    for name, quantity in used:
        BOOK.use("hours", "acme", 0, quantity, f'{{"service":"{name}"}}')
    BOOK.settle("hours")
    return BOOK.standing(), list(estimate(BOOK.view(), catalog(METER, PRICES), MONTH, END, ["own"]).bills)


def told(rows: Sequence[Compared]) -> list[tuple[Any, ...]]:
    return [(*row.group.values(), row.estimated, row.billed, row.difference, row.error_percent) for row in rows]


def test_what_one_side_lacks_is_a_row_without_it() -> None:
    bills, estimates = sides(
        [("a", Decimal(3)), ("b", Decimal(0))], [("a", Decimal(2)), ("b", Decimal(1)), ("c", Decimal(5))]
    )
    assert told(compared(BOOK.view(), bills, estimates, "BilledCost", ["ServiceName"])) == [
        ("c", 10, None, 10, None),
        ("b", 2, 0, 2, None),
        ("a", 4, 3, 1, Decimal("33.3333")),
    ]


def test_an_error_goes_up_where_the_estimate_is_above_a_credit() -> None:
    bills, estimates = sides([("a", Decimal(-4))], [("a", Decimal(-1))])
    assert told(compared(BOOK.view(), bills, estimates, "BilledCost", ())) == [(-2, -4, 2, 50)]


def test_an_error_has_four_digits_however_large_it_is() -> None:
    row = Compared({}, "USD", 1, Decimal(10**16) + Decimal("0.5"), 1, Decimal("0.000000000000000003"))
    assert str(row.error_percent) == "333333333333333349999999999999999900.0000"


def test_columns_that_no_charge_has_and_too_many_groups_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = sides([("a", Decimal(3))], [("b", Decimal(2))])
    with pytest.raises(NoSuchColumn, match="no charge here has 'Servicename'"):
        compared(BOOK.view(), *both, "BilledCost", ["Servicename"])
    monkeypatch.setattr(comparing, "GROUPS_MAX", 1)
    with pytest.raises(TooManyGroups, match="ServiceName tell more than 1 groups apart; ask by fewer columns"):
        compared(BOOK.view(), *both, "BilledCost", ["ServiceName"])


CHARGES = st.lists(st.tuples(st.sampled_from(SERVICES), COSTS), max_size=6)


@settings(max_examples=40)
@given(CHARGES, CHARGES, st.sampled_from([(), ("ServiceName",), ("ServiceName", "source", "day")]))
def test_nothing_of_either_side_is_dropped(
    billed: list[tuple[str, Decimal]], used: list[tuple[str, Decimal]], by: tuple[str, ...]
) -> None:
    both = sides(billed, used)
    rows = compared(BOOK.view(), *both, "BilledCost", by)
    assert sum(row.billed or 0 for row in rows) == sum(cost for _, cost in billed)
    assert sum(row.estimated or 0 for row in rows) == sum(2 * quantity for _, quantity in used)
    assert sum(row.billed_charges for row in rows) == len(billed)
    for row in rows:
        assert row.difference == (row.estimated or 0) - (row.billed or 0)
        assert (row.billed is None) == (row.billed_charges == 0)

"""Lots: usage of the same charge is added up, and its cost rounded once."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.lots import Lot, Rows, Units, half_even, lot
from meterbook.wire.sections import COST_LIMIT

HOURS = Units("hours", "hours", Fraction(1))


def of(nanos: list[int], prices: list[Decimal], units: Units = HOURS, price: list[int] | None = None) -> Lot:
    """A lot of usage of one hour."""
    start, count = np.zeros(len(nanos), np.int64), len(nanos)
    places = np.array(price or [0] * count, np.int64)
    return lot("a", [{}], Rows(start, start + 1, start, places, np.array(nanos, object)), prices, units)


@given(st.lists(st.integers(-(10**40), 10**40), max_size=5), st.integers(1, 10**6))
def test_quotients_are_rounded_half_to_even(numbers: list[int], divisor: int) -> None:
    found = half_even(np.array(numbers, object), divisor).tolist()
    assert found == [round(Fraction(number, divisor)) for number in numbers]


def test_usage_at_one_price_is_one_charge_that_is_rounded_once() -> None:
    tiny = Decimal("0.0000000004")
    assert of([1, 1], [tiny]).costs.tolist() == [1]
    assert of([1], [tiny]).costs.tolist() == of([-1], [tiny]).costs.tolist() == [0]
    both = of([10**9, 2 * 10**9, 4 * 10**9], [Decimal(1), Decimal(2)], price=[0, 1, 0])
    assert (both.rows.nano.tolist(), both.costs.tolist()) == ([5 * 10**9, 2 * 10**9], [5 * 10**18, 4 * 10**18])


def test_a_charge_that_is_too_large_is_left_out() -> None:
    made = of([COST_LIMIT * 10**9, COST_LIMIT * 10**9 - 1], [Decimal(1), Decimal(-1)], price=[0, 1])
    kept = made.within_limits()
    assert (len(made.rows), kept.rows.nano.tolist()) == (2, [COST_LIMIT * 10**9 - 1])

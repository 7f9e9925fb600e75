"""Nano-units and decimals are the same number."""

from __future__ import annotations

from decimal import Decimal, getcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.quantity import from_decimal, to_decimal


@given(st.integers(-(10**38) + 1, 10**38 - 1))
def test_there_and_back(nano: int) -> None:
    quantity = to_decimal(nano)
    assert from_decimal(quantity) == nano
    assert quantity.as_tuple().exponent == -9


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("0", 0),
        ("-0", 0),
        ("1", 10**9),
        ("1.5", 1_500_000_000),
        ("-0.000000001", -1),
        ("1E+3", 10**12),
        ("2.50", 25 * 10**8),
    ],
)
def test_a_decimal_in_any_form(text: str, nano: int) -> None:
    assert from_decimal(Decimal(text)) == nano


@given(st.decimals(min_value=-1, max_value=1, places=10))
def test_a_tenth_place_is_kept_or_refused(quantity: Decimal) -> None:
    if quantity == quantity.quantize(Decimal("1E-9")):
        assert to_decimal(from_decimal(quantity)) == quantity
    else:
        with pytest.raises(ValueError, match="more than 9 places"):
            from_decimal(quantity)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        from_decimal(Decimal(text))


@pytest.mark.parametrize("nano", [10**38, -(10**38), 10**60])
def test_more_than_the_book_can_hold(nano: int) -> None:
    with pytest.raises(OverflowError, match="more than 29 digits before the point"):
        to_decimal(nano)


def test_the_context_of_the_caller_does_not_matter() -> None:
    context = getcontext()
    before, context.prec = context.prec, 3
    try:
        assert from_decimal(to_decimal(123_456_789_123_456_789)) == 123_456_789_123_456_789
    finally:
        context.prec = before

"""A line is rounded once, half-even, from what it exactly is."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rating.rounding import round_digits, round_exact
from ledger.schema.currency import minor_unit
from ledger.schema.decimals import plain_text

CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "CLF"])
DECIMALS = st.one_of(
    st.decimals(min_value=-(10**30), max_value=10**30, places=27),
    st.decimals(min_value=-2, max_value=2, places=4),
)
FRACTIONS = st.one_of(DECIMALS.map(Fraction), st.fractions(max_denominator=10**6))


@given(FRACTIONS, CURRENCIES)
def test_no_line_moves_by_more_than_half_a_coin(amount: Fraction, currency: str) -> None:
    rounded, coin = round_exact(amount, currency), minor_unit(currency)
    assert rounded.as_tuple().exponent == coin.as_tuple().exponent
    assert abs(Fraction(rounded) - amount) * 2 <= Fraction(coin)
    assert not rounded.is_zero() or not rounded.is_signed()


@given(FRACTIONS, CURRENCIES)
def test_what_is_taken_back_is_what_was_charged(amount: Fraction, currency: str) -> None:
    assert round_exact(amount, currency) + round_exact(-amount, currency) == 0


@given(DECIMALS, CURRENCIES)
def test_a_decimal_and_the_fraction_that_it_is_are_rounded_alike(amount: Decimal, currency: str) -> None:
    assert str(round_exact(amount, currency)) == str(round_exact(Fraction(amount), currency))


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.005", "EUR", "0.00"),
        ("0.015", "EUR", "0.02"),
        ("0.0050000000000000000000000001", "EUR", "0.01"),
        ("-0.004", "EUR", "0.00"),
        ("-0.015", "EUR", "-0.02"),
        ("1", "EUR", "1.00"),
        ("2.5", "JPY", "2"),
        ("3.5", "JPY", "4"),
        ("1.2345", "KWD", "1.234"),
    ],
)
def test_round_exact(amount: str, currency: str, rounded: str) -> None:
    assert str(round_exact(Decimal(amount), currency)) == rounded
    assert str(round_exact(Fraction(amount), currency)) == rounded


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(Fraction(2, 3), "0.666667"), (Fraction(-2, 3), "-0.666667"), (Fraction(1, 2_000_000), "0"), (Decimal("1.5"), "1.5")],
)  # fmt: skip
def test_digits_are_for_showing(amount: Fraction | Decimal, shown: str) -> None:
    assert plain_text(round_digits(amount, 6)) == shown

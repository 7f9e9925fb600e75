"""Rounded lines sum to the rounded sum, and no line moves by a coin or more."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rating.rounding import round_amount, round_lines
from ledger.schema.currency import minor_unit
from ledger.schema.decimals import total

CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "CLF"])
AMOUNTS = st.lists(
    st.one_of(
        st.decimals(min_value=-(10**30), max_value=10**30, places=27),
        st.decimals(min_value=-2, max_value=2, places=4),
    ),
    max_size=30,
)


@given(AMOUNTS, CURRENCIES)
def test_lines_sum_to_the_rounded_sum(amounts: list[Decimal], currency: str) -> None:
    rounded = round_lines(amounts, currency)
    coin = minor_unit(currency)
    assert len(rounded) == len(amounts)
    assert total(rounded) == round_amount(total(amounts), currency)
    for exact, line in zip(amounts, rounded, strict=True):
        assert line.as_tuple().exponent == coin.as_tuple().exponent
        assert total([line, exact.copy_negate()]).copy_abs() < coin
        assert line == exact or exact != round_amount(exact, currency)
        assert line >= 0 or exact < 0


@given(st.decimals(min_value=-(10**30), max_value=10**30, places=27), CURRENCIES)
def test_one_line_is_rounded_half_even(amount: Decimal, currency: str) -> None:
    assert round_lines([amount], currency) == (round_amount(amount, currency),)


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
def test_round_amount(amount: str, currency: str, rounded: str) -> None:
    assert str(round_amount(Decimal(amount), currency)) == rounded


@pytest.mark.parametrize(
    ("amounts", "rounded"),
    [
        (["0.004"] * 5, ["0.01", "0.01", "0.00", "0.00", "0.00"]),
        (["0.333", "0.333", "0.334"], ["0.33", "0.33", "0.34"]),
        (["1.00", "0.009", "0.001"], ["1.00", "0.01", "0.00"]),
        (["0.00", "0.019"], ["0.00", "0.02"]),
        ([], []),
    ],
)
def test_round_lines(amounts: list[str], rounded: list[str]) -> None:
    assert [str(line) for line in round_lines([Decimal(amount) for amount in amounts], "EUR")] == rounded

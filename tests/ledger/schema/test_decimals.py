"""Numbers are read exactly or not at all, and arithmetic on them raises before it rounds."""

from __future__ import annotations

from decimal import Decimal, FloatOperation, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.schema.decimals import exact, parse_plain, plain_text, portion, total

FITTING = st.decimals(min_value=0, max_value=10**20 - 1, places=18)


@given(FITTING)
def test_a_number_survives_writing_and_reading(number: Decimal) -> None:
    assert parse_plain(plain_text(number)) == number
    assert plain_text(parse_plain(format(number, "f"))) == plain_text(number)


@given(FITTING, FITTING)
def test_the_product_of_any_two_numbers_is_exact(one: Decimal, two: Decimal) -> None:
    with exact():
        product = one * two
    assert Fraction(product) == Fraction(one) * Fraction(two)
    assert Fraction(total([product] * 7)) == 7 * Fraction(product)


@pytest.mark.parametrize("written", ["1e3", "+1", " 1", "1.", ".5", "", "1,5", "0x1", "١", "9" * 21, "Infinity"])  # noqa: RUF001
def test_anything_but_plain_digits_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not a plain decimal number"):
        parse_plain(written)


@pytest.mark.parametrize("value", [0.1, True, None, [1]])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a decimal number"):
        parse_plain(value)


def test_exact_arithmetic_raises_where_it_would_round() -> None:
    with exact(), pytest.raises(Inexact):
        Decimal(1) / Decimal(3)
    with exact(), pytest.raises(FloatOperation):
        Decimal(float("0.5"))


@pytest.mark.parametrize(
    ("number", "text"),
    [("0", "0"), ("-0", "0"), ("0.000", "0"), ("100", "100"), ("1E+2", "100"), ("1E-18", "0.000000000000000001")],
)
def test_plain_text(number: str, text: str) -> None:
    assert plain_text(Decimal(number)) == text


@pytest.mark.parametrize(
    ("part", "whole", "portion_"),
    [(0, 0, None), (0, 5, "0.0000"), (5, 5, "1.0000"), (99_999, 100_000, "0.9999"), (10**18 - 1, 10**18, "0.9999")],
)
def test_a_portion_is_only_one_when_it_is_all(part: int, whole: int, portion_: str | None) -> None:
    found = portion(part, whole)
    assert (None if found is None else str(found)) == portion_

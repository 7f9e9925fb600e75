"""Numbers of events are read exactly, whatever wrote them, and one number has one text."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.schema.numerals import NUMBER_LENGTH_MAX, NoValue, number, number_text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_json_writes_can_be_read(value: float) -> None:
    assert number(json.dumps(value)) == Fraction(repr(value))
    assert number(repr(value)) == Fraction(repr(value))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**29), max_value=10**29))
def test_every_quantity_can_be_read(value: Decimal) -> None:
    assert number(str(value)) == Fraction(value)


DIGITS = st.text("0123456789", min_size=1, max_size=28)
WRITTEN = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    DIGITS,
    DIGITS.map(".{}".format) | st.just(""),
    st.integers(-300, 300).map("e{}".format) | st.just(""),
).filter(lambda text: len(text) <= NUMBER_LENGTH_MAX)


@given(WRITTEN)
def test_the_text_of_a_number_is_the_number(written: str) -> None:
    text = number_text(written)
    assert number(text) == number(written) == Fraction(written)
    assert number_text(text) == text


@given(st.integers(-(10**28), 10**28), st.integers(-300, 300))
def test_one_number_has_one_text(digits: int, power: int) -> None:
    forms = [f"{digits}e{power}", f"{digits}0E{power - 1}", f"{digits}.00e{power}", f"{digits}000e{power - 3:+}"]
    assert len({number_text(form) for form in forms}) == 1


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("0", "0"),
        ("-0.00", "0"),
        ("0e999", "0"),
        ("007", "7"),
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("-1.50", "-1.5"),
        ("12e-4", "0.0012"),
        ("1e-22", "0.0000000000000000000001"),
        ("1e-23", "1e-23"),
        ("1e400", "1e400"),
        ("0.1e-399", "1e-400"),
        ("5e-324", "5e-324"),
    ],
)
def test_text_of_a_number(written: str, text: str) -> None:
    assert number_text(written) == text


@pytest.mark.parametrize(
    "written",
    ["", " 1", "1 ", "+1", ".5", "1.", "1e", "1e1.5", "1_000", "1,5", "0x1", "NaN", "Infinity", "-inf", "true", "٣", "1\n", "--1", "1" * 61],
)  # fmt: skip
def test_anything_else_is_no_number(written: str) -> None:
    with pytest.raises(NoValue, match=r"is not a decimal number such as 12, -0\.5 or 1e3 of at most 60 characters"):
        number(written)


def test_what_is_missing_is_no_number() -> None:
    with pytest.raises(NoValue, match="is missing"):
        number(None)


@pytest.mark.parametrize("written", ["1e401", "10e400", "1e-401", "0.1e-400", "1e" + "9" * 58])
def test_a_short_text_cannot_stand_for_an_endless_number(written: str) -> None:
    with pytest.raises(NoValue, match="is beyond the numbers that are computed with"):
        number(written)

"""Fractions shown as decimals add up to what is shown of their whole, and what has an end stays what it is."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.apportioning import SHOWN_DIGITS, apportioned, parts_of

UNIT = Fraction(1, 10**SHOWN_DIGITS)
PARTS = st.one_of(
    st.just(Fraction(0)),
    st.fractions(-(10**9), 10**9, max_denominator=1_000),
    st.integers(-(10**30), 10**30).map(lambda each: Fraction(each, 10**SHOWN_DIGITS)),
    st.integers(-(10**40), 10**40).map(lambda each: Fraction(each, 3 * 10**30)),
)


@given(st.lists(st.lists(PARTS, max_size=6), max_size=6))
def test_parts_add_up_to_groups_and_groups_to_the_whole(groups: list[list[Fraction]]) -> None:
    shown = [[Fraction(each) for each in group] for group in apportioned(groups)]
    whole = sum((part for group in groups for part in group), Fraction(0))
    total = sum((part for group in shown for part in group), Fraction(0))
    # Into whatever parts it is told, the whole is the same.
    ((alone,),) = apportioned([[whole]])
    assert total == Fraction(alone) and total in (whole, round(whole / UNIT) * UNIT)
    for group, told in zip(groups, shown, strict=True):
        assert abs(sum(told, Fraction(0)) - sum(group, Fraction(0))) < UNIT
        for part, each in zip(group, told, strict=True):
            assert abs(part - each) < UNIT
            assert each == part or (part / UNIT).denominator > 1


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], []),
        ([[Fraction(1, 4)], []], [["0.25"], []]),
        # Nothing is rounded where everything has an end, however late.
        ([[Fraction(1, 10**40)]], [["1E-40"]]),
        ([[Fraction(1, 3)] * 3], [["0.333333333333333334", "0.333333333333333333", "0.333333333333333333"]]),
        ([[Fraction(2, 3), Fraction(0), Fraction(1, 3)]], [["0.666666666666666667", "0E-18", "0.333333333333333333"]]),
        ([[Fraction(-1, 3)], [Fraction(-2, 3)]], [["-0.333333333333333333"], ["-0.666666666666666667"]]),
        # A whole that has an end is what it is, whatever its parts are.
        (
            [[Fraction(1, 3)], [Fraction(2, 3), Fraction(1, 10**20)]],
            [["0.33333333333333333333"], ["0.66666666666666666667", "1E-20"]],
        ),
        ([[Fraction(5), Fraction(1, 3)]], [["5.000000000000000000", "0.333333333333333333"]]),
    ],
)
def test_by_hand(groups: list[list[Fraction]], expected: list[list[str]]) -> None:
    assert [[str(each) for each in group] for group in apportioned(groups)] == expected
    assert all(isinstance(each, Decimal) for group in apportioned(groups) for each in group)


@given(st.lists(PARTS, min_size=1, max_size=6), st.integers(-20, 20))
def test_parts_add_up_to_a_whole_that_is_shown_already(parts: list[Fraction], off: int) -> None:
    exact = sum(parts, Fraction(0))
    whole = Decimal(round(exact / UNIT) + off).scaleb(-SHOWN_DIGITS, Context(prec=100))
    assert sum(map(Fraction, parts_of(whole, parts)), Fraction(0)) == Fraction(whole)


def test_parts_that_have_an_end_are_what_they_are() -> None:
    parts = [Fraction(1, 10**30), Fraction(3, 4)]
    assert list(map(Fraction, parts_of(Decimal("0.750000000000000000000000000001"), parts))) == parts


def test_parts_without_an_end_add_up_to_a_whole_with_more_digits_than_are_shown_of_them() -> None:
    parts = [Fraction(1, 3), Fraction(2, 3), Fraction(1, 10**30)]
    whole = Decimal("1.000000000000000000000000000001")
    assert sum(map(Fraction, parts_of(whole, parts)), Fraction(0)) == Fraction(whole)

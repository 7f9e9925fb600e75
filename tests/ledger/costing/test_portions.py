"""Amounts are cut into whole units of their last digit, and the parts add up to the amount, as fractions have it."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.portions import RATIO, RATIO_DIGITS, decimals, portions
from meterbook.wire.sections import AMOUNT

_ONE, _UNITS = 10**RATIO_DIGITS, 10**AMOUNT.scale
_MOST = 10**38 - 1
_EXACT = Context(prec=100)


def column(numbers: list[int | None], kind: pa.DataType) -> pa.Array:
    return pa.array([None if n is None else Decimal(n).scaleb(-kind.scale, _EXACT) for n in numbers], kind)


def units(found: pa.Array) -> list[int | None]:
    return [None if each is None else int(Fraction(each) * _UNITS) for each in found.to_pylist()]


def cut(amount: int, parts: list[int]) -> list[int]:
    """The same by largest remainder, in whole numbers."""
    size = abs(amount)
    floors = [size * part // _ONE for part in parts]
    order = sorted(range(len(parts)), key=lambda place: (floors[place] * _ONE - size * parts[place], place))
    for place in order[: size - sum(floors)]:
        floors[place] += 1
    return [-each if amount < 0 else each for each in floors]


@st.composite
def whole_parts(draw: st.DrawFn) -> list[int]:
    """Numbers that add up to one whole, some of them simple."""
    at = draw(st.lists(st.one_of(st.integers(0, _ONE), st.sampled_from([_ONE // 3, _ONE // 2])), max_size=5))
    edges = [0, *sorted(at), _ONE]
    return [high - low for low, high in pairwise(edges)]


AMOUNTS = st.one_of(st.none(), st.integers(-_MOST, _MOST), st.sampled_from([0, 1, -1, 1 << 64, -(1 << 64), _MOST, 7]))


@given(st.lists(st.tuples(AMOUNTS, whole_parts()), min_size=1, max_size=6))
def test_parts_are_those_of_largest_remainder_and_add_up(drawn: list[tuple[int | None, list[int]]]) -> None:
    starts = np.append(0, np.cumsum([len(parts) for _, parts in drawn]))
    ratio = column([part for _, parts in drawn for part in parts], RATIO)
    found = units(portions(column([amount for amount, _ in drawn], AMOUNT), starts, ratio))
    for (amount, parts), (low, high) in zip(drawn, pairwise(starts), strict=True):
        if amount is None:
            assert found[low:high] == [None] * len(parts)
        else:
            assert found[low:high] == cut(amount, parts)
            assert sum(each or 0 for each in found[low:high]) == amount


def test_a_part_of_nearly_everything_is_divided_right() -> None:
    ratio = column([1, _ONE - 1], RATIO)
    assert units(portions(column([1 << 32], AMOUNT), np.array([0, 2]), ratio)) == [0, 1 << 32]


def test_of_equal_remainders_the_first_ones_get_what_is_left() -> None:
    third = _ONE // 3
    ratio = column([third, third, third + 1], RATIO)
    assert units(portions(column([2], AMOUNT), np.array([0, 3]), ratio)) == [1, 0, 1]
    half = column([_ONE // 2] * 4, RATIO)
    assert units(portions(column([3, -3], AMOUNT), np.array([0, 2, 4]), half)) == [2, 1, -2, -1]


def test_a_slice_of_a_column_is_cut_like_any_other() -> None:
    amounts = column([5, None, 8, 9], AMOUNT).slice(1, 2)
    ratio = column([0, _ONE, _ONE // 4, _ONE - _ONE // 4], RATIO).slice(1)
    assert units(portions(amounts, np.array([0, 1, 3]), ratio)) == [None, 2, 6]


def test_no_amounts_have_no_parts() -> None:
    assert len(portions(column([], AMOUNT), np.zeros(1, np.int64), column([], RATIO))) == 0


@pytest.mark.parametrize("number", [0, 1, (1 << 64) - 1, 1 << 64, _ONE])
def test_whole_numbers_become_decimals(number: int) -> None:
    (found,) = decimals(np.array([number], object), RATIO).to_pylist()
    assert Fraction(found) == Fraction(number, _ONE)

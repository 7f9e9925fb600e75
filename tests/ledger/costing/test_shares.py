"""Shares add up to what is shared, whoever has what weight, and are those of fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.shares import WHOLE, split, whole_numbers
from tests.ledger.costing.reference import divided

#: Weights of one group: small ones that are often equal, those that just fit an int64, and those of 38 digits.
WEIGHTS = st.one_of(
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4),
    st.lists(st.integers(0, 10**38 - 1), min_size=1, max_size=4),
).filter(any)
GROUPS = st.lists(st.tuples(st.sampled_from([WHOLE, 0, 1, 2, 999_999_999_999]), WEIGHTS), max_size=5)


def parts(groups: list[tuple[int, list[int]]]) -> list[int]:
    weights = [weight for _, each in groups for weight in each]
    column = np.array(weights, np.int64 if max(weights, default=0) < 2**63 else object)
    group = np.repeat(np.arange(len(groups)), [len(each) for _, each in groups])
    found: list[int] = split(np.array([total for total, _ in groups], np.int64), group, column).tolist()
    return found


@given(GROUPS)
def test_parts_are_those_of_fractions(groups: list[tuple[int, list[int]]]) -> None:
    expected = []
    for total, weights in groups:
        named = [(f"{place:03}", Fraction(weight)) for place, weight in enumerate(weights)]
        found = divided(total, named)
        expected += [found[name] for name, _ in named]
        assert sum(found.values()) == total
    assert parts(groups) == expected


def test_what_is_left_goes_to_the_largest_remainders_and_then_to_the_first() -> None:
    assert parts([(WHOLE, [1, 1, 1])]) == [WHOLE // 3 + 1, WHOLE // 3, WHOLE // 3]
    assert parts([(10, [1, 5, 1])]) == [2, 7, 1]
    assert parts([(10, [0, 0, 7])]) == [0, 0, 10]


def test_groups_of_many_sizes_are_divided_like_those_of_few() -> None:
    groups = [(WHOLE - size, [(place * 7919 + size) % 13 for place in range(size)] + [1]) for size in range(100)]
    assert parts(groups) == [part for group in groups for part in parts([group])]


@pytest.mark.parametrize("weights", [[0, 0], [0]])
def test_a_total_that_nobody_has_a_weight_in_is_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="group 1 has no weight"):
        parts([(WHOLE, [1]), (WHOLE, weights)])


@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1), max_size=5), st.integers(0, 3))
def test_decimals_become_whole_numbers(numbers: list[int], cut: int) -> None:
    with_context = [Decimal(f"{number}e-9") for number in numbers]
    column = pa.array(with_context, pa.decimal128(38, 9)).slice(cut)
    assert whole_numbers(column).tolist() == numbers[cut:]
    assert whole_numbers(pa.chunked_array([column, column])).tolist() == numbers[cut:] * 2

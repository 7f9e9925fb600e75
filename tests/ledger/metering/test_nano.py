"""Columns of nano-units are exact: at every size, for every sign, and in every sum."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Context, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.making import Rounding
from ledger.metering import nano

LIMIT = 2.0**62
VALUES = st.one_of(
    st.floats(-LIMIT, LIMIT, exclude_min=True, exclude_max=True),
    st.floats(-1e-6, 1e-6),
    # Near the middle between two nano-units, where a product that is rounded once too often goes wrong.
    st.builds(lambda n, towards: float(np.nextafter((n + 0.5) / 1e9, towards)), st.integers(0, 2**30), st.floats(0, 2)),
)


def joined(values: list[float]) -> list[int]:
    whole, rest = nano.split(np.array(values, dtype=np.float64))
    return [one * nano.NANO + other for one, other in zip(whole.tolist(), rest.tolist(), strict=True)]


def weighted_sums(whole: np.ndarray, rest: np.ndarray, weights: np.ndarray, starts: np.ndarray) -> list[int]:
    return nano.integers(*nano.weighted_limbs(whole, rest, weights, starts)) if len(starts) else []


@given(st.lists(VALUES, max_size=20))
def test_a_sample_is_the_nearest_number_of_nano_units(values: list[float]) -> None:
    assert joined(values) == [round(Fraction(value) * 10**9) for value in values]
    assert joined([-value for value in values]) == [-found for found in joined(values)]


@pytest.mark.parametrize(
    ("value", "nano_units"),
    [
        (1e15 + 0.1, 1_000_000_000_000_000_125_000_000),
        (0.1, 100_000_000),
        (-0.0, 0),
        (5e-324, 0),
        (5e-10, 1),  # a little above the half
        (2.0**-10, 976_562),  # exactly the half: to the even one
        (3 * 2.0**-10, 2_929_688),
        (0.9999999999, 1_000_000_000),
        (-0.9999999999, -1_000_000_000),
        (float(2**62 - 512), (2**62 - 512) * 10**9),
        (-float(2**62 - 512), -(2**62 - 512) * 10**9),
    ],
)
def test_split(value: float, nano_units: int) -> None:
    assert joined([value]) == [nano_units]


@given(st.lists(st.lists(VALUES, min_size=1, max_size=6), max_size=5))
def test_sums_are_exact_however_large(groups: list[list[float]]) -> None:
    whole, rest = nano.split(np.array([value for group in groups for value in group], dtype=np.float64))
    starts = np.cumsum([0, *map(len, groups)], dtype=np.int64)[:-1][: len(groups)]
    assert nano.sums(whole, rest, starts) == [sum(joined(group)) for group in groups]


@given(st.lists(st.lists(st.tuples(VALUES, st.integers(0, 600_000_000)), min_size=1, max_size=6), max_size=5))
def test_weighted_sums_are_exact(groups: list[list[tuple[float, int]]]) -> None:
    """Six weights of up to ten minutes: an hour, the most that a group may have."""
    flat = [pair for group in groups for pair in group]
    whole, rest = nano.split(np.array([value for value, _ in flat], dtype=np.float64))
    weights = np.array([weight for _, weight in flat], dtype=np.int64)
    starts = np.cumsum([0, *map(len, groups)], dtype=np.int64)[:-1]
    assert weighted_sums(whole, rest, weights, starts) == [
        sum(joined([value])[0] * weight for value, weight in group) for group in groups
    ]


def test_weighted_sums_at_the_limit() -> None:
    """One value near 2^62 for a whole hour, of either sign."""
    for value in (float(2**62 - 512), -float(2**62 - 512)):
        whole, rest = nano.split(np.array([value]))
        found = weighted_sums(whole, rest, np.array([3_600_000_000]), np.array([0]))
        assert found == [int(value) * 10**9 * 3_600_000_000]


@given(st.lists(st.tuples(VALUES, st.integers(0, 600_000_000)), min_size=1, max_size=6))
def test_a_millionth_is_rounded_once(pairs: list[tuple[float, int]]) -> None:
    whole, rest = nano.split(np.array([value for value, _ in pairs], dtype=np.float64))
    limbs = nano.weighted_limbs(whole, rest, np.array([weight for _, weight in pairs]), np.array([0]))
    (exact,) = nano.integers(*limbs)
    assert nano.integers(*nano.per_million(*limbs)) == [round(Fraction(exact, 10**6))]


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**12))
def test_round_half_even(numerator: int, denominator: int) -> None:
    assert nano.round_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


def test_round_half_even_of_halves() -> None:
    assert [nano.round_half_even(n, 2) for n in (-5, -3, -1, 1, 3, 5)] == [-2, -2, 0, 0, 2, 2]


@given(st.lists(st.integers(-(10**40), 10**40) | st.integers(-(2**63) * 10**9, 2**63 * 10**9), max_size=8))
def test_pairs_hold_integers_of_every_size(nanos: list[int]) -> None:
    whole, rest = nano.pairs(nanos)
    pairs = list(zip(whole.tolist(), rest.tolist(), strict=True))
    assert [one * nano.NANO + other for one, other in pairs] == nanos
    # Both parts have the value's sign.
    assert all(abs(other) < nano.NANO and one * other >= 0 for one, other in pairs)
    starts = np.array([0] if nanos else [], np.int64)
    assert nano.sums(whole, rest, starts) == [sum(nanos)] * len(starts)
    assert weighted_sums(whole, rest, np.full(len(nanos), 7), starts) == [7 * sum(nanos)] * len(starts)


def test_pairs_are_int64_as_long_as_they_can_be() -> None:
    for limit in (2**63 - 1, -(2**63)):
        assert nano.pairs([limit * nano.NANO])[0].dtype == np.int64
    assert nano.pairs([2**63 * nano.NANO])[0].tolist() == [2**63]


MODES = {"half_even": ROUND_HALF_EVEN, "half_up": ROUND_HALF_UP, "up": ROUND_UP, "down": ROUND_DOWN}


@given(
    st.integers(-(10**38), 10**38) | st.integers(-40, 40).map(lambda halves: halves * 5 * 10**8),
    st.integers(-18, 9),
    st.sampled_from(sorted(MODES)),
)
def test_rounded_is_what_decimals_round_to(nanos: int, digits: int, mode: str) -> None:
    exact = Context(prec=100)
    expected = Decimal(nanos).scaleb(-9, exact).quantize(Decimal(1).scaleb(-digits), MODES[mode], exact)
    rounding = Rounding.model_validate({"digits": digits, "mode": mode})
    assert nano.rounded(nanos, rounding) == int(expected.scaleb(9, exact))


@pytest.mark.parametrize(
    ("mode", "rounded"),
    [
        ("half_even", [-2, -2, 0, 0, 2, 2]),
        ("half_up", [-3, -2, -1, 1, 2, 3]),
        ("up", [-3, -2, -1, 1, 2, 3]),
        ("down", [-2, -1, 0, 0, 1, 2]),
    ],
)
def test_rounded_halves(mode: str, rounded: list[int]) -> None:
    rounding = Rounding.model_validate({"digits": 0, "mode": mode})
    halves = [halves * nano.NANO // 2 for halves in (-5, -3, -1, 1, 3, 5)]
    assert [nano.rounded(each, rounding) // nano.NANO for each in halves] == rounded

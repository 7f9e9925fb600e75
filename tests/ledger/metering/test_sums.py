"""Sums are exact however many parts they come in, however large they are, and whichever way they are added up."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.metering import nano, sums
from ledger.metering.sums import Sums

STEP = 60
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-2, 4), st.integers(-(2**61) * nano.NANO, 2**61 * nano.NANO)),
    min_size=1,
    max_size=12,
)


@given(st.lists(ROWS, max_size=8), st.sampled_from((None, STEP)))
def test_sums_are_exact(parts: list[list[tuple[int, int, int]]], step: int | None) -> None:
    expected: dict[tuple[int, int], int] = defaultdict(int)
    with pytest.MonkeyPatch.context() as patched:
        # Added up again and again, and not only at the end.
        patched.setattr(sums, "_ROWS", 6)
        found = Sums(step)
        for rows in parts:
            groups, steps, amounts = zip(*rows, strict=True)
            found.add(np.array(groups), np.array(steps) * STEP, *nano.pairs(amounts))
            for group, at, amount in rows:
                expected[group, at * STEP] += amount
    assert found.cells() == expected


@given(st.lists(ROWS, max_size=4), st.lists(st.integers(0, 1), min_size=4, max_size=4))
def test_sums_of_other_groups_and_longer_windows(parts: list[list[tuple[int, int, int]]], other: list[int]) -> None:
    found, expected = Sums(STEP), defaultdict[tuple[int, int], int](int)
    for rows in parts:
        groups, steps, amounts = zip(*rows, strict=True)
        found.add(np.array(groups), np.array(steps) * STEP, *nano.pairs(amounts))
        for group, at, amount in rows:
            if 0 <= at < 4:
                expected[other[group], at // 2 * 2 * STEP] += amount
    gathered = found.by(np.array(other), lambda starts: starts // (2 * STEP) * 2 * STEP, 0, 4 * STEP)
    assert gathered.cells() == expected


def test_nothing_is_the_sum_of_nothing() -> None:
    empty = Sums()
    assert empty.cells() == empty.per_second().cells() == empty.by(np.zeros(0, np.int64), np.copy, 0, 1).cells() == {}

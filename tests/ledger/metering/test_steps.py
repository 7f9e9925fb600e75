"""A span that crosses steps is divided in proportion, and its parts add up to it."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.quantity import NANO
from ledger.metering import nano
from ledger.metering.grid import Grid
from ledger.metering.steps import Spans, divided, pieces
from ledger.metering.sums import Sums
from ledger.metering.windows import Windows
from meterbook.wire.instants import HOUR_US

FAR = 1 << 62
TIMES = st.integers(-5 * HOUR_US, 5 * HOUR_US) | st.integers(-5, 5).map(lambda hour: hour * HOUR_US)
SPANS = st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] < pair[1])
AMOUNTS = st.integers(0, 10**6) | st.integers(0, 2**62 * 10**9)


@given(SPANS, AMOUNTS)
def test_the_parts_sum_to_the_whole_and_each_is_in_proportion(span: tuple[int, int], amount: int) -> None:
    start, end = span
    parts = list(pieces(start, end, amount, -FAR, FAR, HOUR_US))
    assert sum(part for _, part in parts) == amount
    assert [hour for hour, _ in parts] == list(range(start // HOUR_US * HOUR_US, end, HOUR_US))
    for hour, part in parts:
        length = min(end, hour + HOUR_US) - max(start, hour)
        assert part >= 0
        assert abs(part - Fraction(amount * length, end - start)) < 1


@given(SPANS, AMOUNTS, st.integers(-6, 6), st.integers(-6, 6))
def test_a_range_gets_the_parts_that_it_has_in_the_whole(
    span: tuple[int, int], amount: int, low: int, high: int
) -> None:
    start, end = span
    low, high = low * HOUR_US, high * HOUR_US
    whole = pieces(start, end, amount, -FAR, FAR, HOUR_US)
    assert list(pieces(start, end, amount, low, high, HOUR_US)) == [piece for piece in whole if low <= piece[0] < high]


def test_a_span_of_ten_thousand_years_is_not_walked_through() -> None:
    start, end = -62_135_596_800_000_000, 253_402_300_800_000_000
    (piece,) = pieces(start, end, 10**9, 0, HOUR_US, HOUR_US)
    assert piece == (0, 10**9 * (HOUR_US - start) // (end - start) - 10**9 * -start // (end - start))


LONG = st.tuples(st.integers(-(2**47), 2**47), st.integers(-(2**47), 2**47)).filter(lambda pair: pair[0] < pair[1])
COLUMNS = st.lists(
    st.tuples(
        st.integers(0, 3),
        SPANS | LONG,
        st.integers(-5 * 10**12, 5 * 10**12) | st.integers(-(2**61) * NANO, 2**61 * NANO),
    ),
    min_size=1,
    max_size=12,
)


@given(COLUMNS, st.integers(-6, 0), st.integers(1, 6), st.integers(-1, 1))
def test_columns_are_divided_as_one_by_one(
    rows: list[tuple[int, tuple[int, int], int]], low: int, high: int, carried: int
) -> None:
    grid = Grid(low * HOUR_US, high * HOUR_US, Windows("hour"))
    groups, times, amounts = zip(*rows, strict=True)
    begins, ends = (np.array(column) for column in zip(*times, strict=True))
    found, expected = Sums(HOUR_US), defaultdict[tuple[int, int], int](int)
    whole, rest = nano.pairs(amounts)
    # Nano-units may be a whole unit: so many has 1.9999999999999998.
    divided(Spans(np.array(groups), begins, ends, whole - carried, rest + carried * NANO), grid, found)
    for group, (begin, end), amount in rows:
        for hour, part in pieces(begin, end, amount, grid.start_us, grid.end_us, HOUR_US):
            expected[group, hour] += part
    inside = {cell: amount for cell, amount in found.cells().items() if grid.start_us <= cell[1] < grid.end_us}
    assert inside == expected

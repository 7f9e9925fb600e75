"""A grid finds the windows of times without listing them, and never looks beyond its range."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.metering.grid import Grid, ceil_us, floor_us
from ledger.metering.windows import FIRST_US, LAST_US, Windows
from meterbook.wire import instants
from meterbook.wire.instants import DAY_US, HOUR_US, parse

MINUTE_US = 60 * instants.SECOND_US
BASE, DAYS = parse("2026-03-01"), 60
KINDS = st.builds(
    Windows,
    st.sampled_from(["minute", "hour", "day", "week", "month", "quarter"]),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.integers(1, 7),
    st.sampled_from([1, 15, 30]),
)
TIMES = st.integers(BASE, BASE + DAYS * DAY_US)


@given(KINDS, st.lists(TIMES, max_size=20))
def test_many_times_have_the_windows_of_each(kind: Windows, times: list[int]) -> None:
    grid = Grid(BASE, BASE + DAYS * DAY_US, kind)
    assert grid.starts_of(np.array(times, np.int64)).tolist() == [kind.start(time) for time in times]
    assert [grid.start_of(time) for time in times] == [kind.start(time) for time in times]


@given(KINDS, TIMES)
def test_windows_consist_of_whole_steps(kind: Windows, at_us: int) -> None:
    grid = Grid(at_us, at_us + 1, kind)
    assert [edge % grid.step_us for edge in kind.bounds(at_us)] == [0, 0]
    assert grid.step_us <= HOUR_US


@given(KINDS, TIMES, st.integers(0, 3 * DAY_US), TIMES, TIMES)
def test_walking_gives_the_windows_one_after_the_other(
    kind: Windows, start_us: int, length_us: int, since_us: int, until_us: int
) -> None:
    since_us = min(since_us, start_us + length_us)
    grid = Grid(start_us, start_us + length_us, kind)
    walked = list(grid.walk(since_us, until_us))
    end_us = min(until_us, grid.end_us)
    edges = kind.edges(max(since_us, start_us), end_us).tolist()
    # A window that holds the first time is there as soon as it has begun.
    expected = list(pairwise(edges)) or [
        bounds for bounds in [kind.bounds(max(since_us, start_us))] if bounds[0] < end_us
    ]
    assert walked == expected


@given(KINDS, TIMES)
def test_floor_and_ceil_are_the_edges_around(kind: Windows, at_us: int) -> None:
    start_us, end_us = kind.bounds(at_us)
    assert floor_us(kind, at_us) == start_us
    assert ceil_us(kind, at_us) == (start_us if start_us == at_us else end_us)
    assert floor_us(kind, start_us) == ceil_us(kind, start_us) == start_us


@pytest.mark.parametrize("kind", [Windows("month", "Europe/Berlin"), Windows("day", "Asia/Tokyo"), Windows("week")])
def test_beyond_all_windows_are_the_first_and_the_last(kind: Windows) -> None:
    for far_us in (-(1 << 62), FIRST_US - 1):
        assert floor_us(kind, far_us) == kind.start(FIRST_US)
    assert ceil_us(kind, 1 << 62) == kind.start(LAST_US)
    assert floor_us(Windows("hour"), -(1 << 62)) <= -(1 << 62)


def test_a_range_without_windows_is_one() -> None:
    grid = Grid(BASE + 1, BASE + 5 * HOUR_US, None)
    assert grid.starts_of(np.array([BASE + 1, BASE + HOUR_US])).tolist() == [BASE + 1, BASE + 1]
    assert grid.bounds(BASE + 1) == grid.within(BASE + 1) == (BASE + 1, BASE + 5 * HOUR_US)
    assert list(grid.walk(0, BASE + HOUR_US)) == [(BASE + 1, BASE + 5 * HOUR_US)]
    assert list(grid.walk(0, BASE)) == []


def test_of_a_window_that_is_cut_only_a_part_lies_within() -> None:
    grid = Grid(BASE + 6 * HOUR_US, BASE + 30 * HOUR_US, Windows("day"))
    assert grid.bounds(BASE) == (BASE, BASE + DAY_US)
    assert grid.within(BASE) == (BASE + 6 * HOUR_US, BASE + DAY_US)
    assert grid.within(BASE + DAY_US) == (BASE + DAY_US, BASE + 30 * HOUR_US)


@pytest.mark.parametrize(
    ("kind", "step_us"),
    [
        (Windows("minute", minutes=5), 5 * MINUTE_US),
        (Windows("hour", "Asia/Kolkata"), HOUR_US),
        (Windows("day"), HOUR_US),
        (Windows("month", "Europe/Berlin"), HOUR_US),
        (Windows("day", "Asia/Kolkata"), HOUR_US // 4),
        # Its clocks go ahead by half an hour.
        (Windows("month", "Australia/Lord_Howe"), HOUR_US // 4),
    ],
)
def test_steps(kind: Windows, step_us: int) -> None:
    assert Grid(BASE, BASE + DAY_US, kind).step_us == step_us

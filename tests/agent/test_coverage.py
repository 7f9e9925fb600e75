"""Coverage stays a tiling of its window, whatever the agent adds to it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.coverage import NOT_RUNNING, SPOOL_FULL, gaps_us, with_gap, with_unassigned
from collector.readings import Coverage, Window


def told(*records: Coverage) -> list[tuple[int, int, str, str]]:
    return [(record.start_us, record.end_us, record.status, record.reason) for record in records]


def record(start_us: int, end_us: int, status: str = "complete", reason: str = "") -> Coverage:
    return Coverage("s", start_us, end_us, status, reason)  # type: ignore[arg-type]


def test_only_the_last_interval_was_watched() -> None:
    found = with_gap([record(0, 100)], Window(0, 100), 15, NOT_RUNNING)
    assert told(*found) == [(0, 85, "partial", "agent was not running"), (85, 100, "complete", "")]


def test_what_the_collector_says_of_the_last_interval_stands() -> None:
    found = with_gap([record(0, 90), record(90, 100, "failed", "no answer")], Window(0, 100), 15, SPOOL_FULL)
    assert told(*found) == [
        (0, 85, "lost", "spool full"),
        (85, 90, "complete", ""),
        (90, 100, "failed", "no answer"),
    ]


@pytest.mark.parametrize(("count", "reason"), [(1, "1 event matched no tag rule"), (3, "3 events matched no tag rule")])
def test_unassigned_events_make_a_complete_window_partial(count: int, reason: str) -> None:
    found = with_unassigned([record(0, 50), record(50, 60, "failed", "no answer")], count)
    assert told(*found) == [(0, 50, "partial", reason), (50, 60, "failed", "no answer")]


def test_assigned_events_change_nothing() -> None:
    assert told(*with_unassigned([record(0, 50)], 0)) == [(0, 50, "complete", "")]


def test_gaps_are_added_up_by_status_and_only_once() -> None:
    parts = [record(-50, 10, "failed"), record(10, 30), record(30, 35, "failed"), record(35, 100, "lost")]
    assert gaps_us(parts, Window(0, 100)) == {"failed": 15, "lost": 65}
    assert gaps_us([record(-50, 0, "failed"), record(0, 100)], Window(0, 100)) == {}


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 100))
def test_a_gap_leaves_a_tiling(lengths: list[int], watched_us: int) -> None:
    records, end = [], 0
    for length in lengths:
        records.append(record(end, end + length))
        end += length
    found = with_gap(records, Window(0, end), watched_us, NOT_RUNNING)
    edges = [(part.start_us, part.end_us) for part in found]
    assert edges[0][0] == 0
    assert edges[-1][1] == end
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert all(start < stop for start, stop in edges)
    assert sum(part.end_us - part.start_us for part in found if part.status == "complete") == min(watched_us, end)

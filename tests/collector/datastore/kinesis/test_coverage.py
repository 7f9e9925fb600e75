"""Coverage is told for the time at which records arrived: what was read is complete, once, and the rest says why."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.kinesis.coverage import Reached, told
from collector.readings import Window

WINDOW = Window(100, 200)
TIME = st.one_of(st.none(), st.integers(0, 300))


def rows(reached: Reached) -> list[tuple[int, int, str]]:
    return [(each.start_us, each.end_us, each.status) for each in told("s", WINDOW, reached)]


def test_what_was_read_is_complete() -> None:
    assert rows(Reached(100, 200)) == [(100, 200, "complete")]
    assert rows(Reached(40, 250)) == [(40, 200, "complete")], "what was not told before is told now"


def test_who_is_behind_tells_of_what_was_read() -> None:
    assert rows(Reached(100, 150, more=True)) == [(100, 150, "complete")]
    assert rows(Reached(40, 60, more=True)) == [(40, 60, "complete")]
    assert rows(Reached(100, None, reason="behind", more=True)) == [(100, 200, "partial")]


def test_who_is_refused_tells_the_rest() -> None:
    reached = Reached(100, 150, status="throttled", reason="slow down")
    assert rows(reached) == [(100, 150, "complete"), (150, 200, "throttled")]
    assert rows(Reached(40, None, status="failed", reason="x")) == [(100, 200, "failed")]


def test_what_is_lost_stands_first() -> None:
    assert rows(Reached(40, 200, 70, "gone")) == [(40, 70, "lost"), (70, 200, "complete")]


@given(st.integers(0, 200), TIME, TIME, st.booleans())
def test_the_window_is_spanned(since_us: int, read_to_us: int | None, lost_until_us: int | None, more: bool) -> None:
    reached = Reached(since_us, read_to_us, lost_until_us, "gone", "failed", "broken", more)
    records = told("s", WINDOW, reached)
    assert records[0].start_us <= WINDOW.start_us
    assert all(before.end_us == after.start_us for before, after in pairwise(records))
    assert all((each.reason == "") == (each.status == "complete") for each in records)
    assert all(each.start_us < each.end_us for each in records)
    assert records[-1].end_us == WINDOW.end_us or (more and records[-1].end_us < WINDOW.end_us)
    complete = [each for each in records if each.status == "complete"]
    assert all(read_to_us is not None and each.end_us <= read_to_us for each in complete)

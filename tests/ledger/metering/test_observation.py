"""Observed and expected time: what was seen, what should have been, and what silence means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.metering.observation import Observation, Polls
from meterbook.wire import instants
from tests.fakes.journal import memory_journal
from tests.ledger.batches import content, coverage

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")


def seen(start: int, end: int, status: str = "complete", source: str = "one") -> tuple[Any, ...]:
    """A record of the minutes from start to end after ten."""
    return coverage(0, status, source=source, start=TEN + start * MINUTE, end=TEN + end * MINUTE)


def minutes(
    now: int, *batches: tuple[str, list[tuple[Any, ...]]], source: str = "one", until: int = 60
) -> tuple[float, float]:
    """Observed and expected minutes of the source in [ten, ten + until), ``now`` minutes after ten."""
    with memory_journal(TEN + now * MINUTE) as journal:
        for agent, records in batches:
            journal.send(agent, content(coverage=records))
        observation = Observation(journal.view(), TEN, TEN + until * MINUTE)
        observed, expected = observation.between(source, TEN, TEN + until * MINUTE)
        assert observation.window(source, TEN, TEN + HOUR) == observation.between(source, TEN, TEN + HOUR)
    return observed / MINUTE, expected / MINUTE


@pytest.mark.parametrize(
    ("records", "observed"),
    [
        ([seen(0, 60)], 60),
        ([seen(0, 20), seen(20, 60)], 60),
        ([seen(0, 30), seen(20, 60)], 60),
        ([seen(0, 60), seen(10, 20), seen(0, 60)], 60),
        ([seen(0, 50), seen(10, 20), seen(30, 60)], 60),
        ([seen(0, 20), seen(20, 40, "failed"), seen(40, 60)], 40),
        ([seen(0, 20), seen(10, 40, "partial"), seen(40, 60)], 40),
        ([seen(0, 20), seen(30, 30), seen(40, 60)], 40),
        ([seen(-30, 30), seen(50, 90)], 40),
        ([seen(0, 60, "lost")], 0),
        ([seen(-60, 0), seen(60, 120)], 0),
    ],
)
def test_observed_is_the_union_of_what_is_complete(records: list[Any], observed: int) -> None:
    assert minutes(60, ("agent", records)) == (observed, 60)


def test_two_agents_that_see_the_same_see_it_once() -> None:
    assert minutes(60, ("a", [seen(0, 30), seen(40, 60)]), ("b", [seen(10, 50)])) == (60, 60)
    assert minutes(60, ("a", [seen(0, 30, "failed"), seen(40, 60)]), ("b", [seen(10, 50)])) == (50, 60)


def test_nothing_is_expected_before_the_first_account_and_of_the_unknown() -> None:
    assert minutes(60, ("agent", [seen(20, 60, "failed")])) == (0, 40)
    assert minutes(60, ("agent", [seen(0, 60)]), source="two") == (0, 0)
    assert minutes(60) == (0, 0)


@pytest.mark.parametrize(("now", "expected"), [(30, 30), (59, 30), (60, 30), (61, 60)])
def test_a_silent_agent_stays_expected_after_three_intervals(now: int, expected: int) -> None:
    assert minutes(now, ("agent", [seen(0, 20), seen(20, 30)])) == (30, expected)


def test_a_retired_source_is_not_expected_and_one_whose_agent_is_late_too_is() -> None:
    gone = [seen(0, 10), seen(10, 20)]
    assert minutes(500, ("agent", [*gone, seen(40, 51, source="two")])) == (20, 20)
    assert minutes(500, ("agent", [*gone, seen(40, 50, source="two")])) == (20, 60)
    # Another agent's life says nothing.
    assert minutes(500, ("agent", gone), ("other", [seen(40, 500, source="two")])) == (20, 60)


def test_a_source_belongs_to_the_agent_that_told_of_it_last() -> None:
    batches = [("a", [seen(0, 10)]), ("b", [seen(10, 20)]), ("a", [seen(0, 400, source="two")])]
    assert minutes(500, *batches) == (20, 60)
    assert minutes(500, *batches[:2], ("b", [seen(0, 400, source="two")])) == (20, 20)


def test_an_interval_of_no_length_at_the_end_is_not_the_measure_of_patience() -> None:
    assert minutes(30, ("agent", [seen(0, 20), seen(20, 20, "failed")])) == (20, 20)


def test_polls() -> None:
    with memory_journal(TEN + HOUR) as journal:
        journal.send(
            "a", content(coverage=[seen(0, 10, "failed"), seen(10, 20), seen(15, 40), seen(5, 5, source="two")])
        )
        journal.send("b", content(coverage=[seen(10, 20), seen(20, 30)]))
        polls = Polls(journal.view())
        minute = {n: TEN + n * MINUTE for n in range(61)}
        assert (polls.watched_since("one"), polls.watched_since("two"), polls.watched_since("x")) == (
            TEN,
            minute[5],
            None,
        )
        assert [polls.last_before("one", minute[n]) for n in (0, 20, 21, 30, 31, 60)] == [
            None, None, minute[20], minute[20], minute[30], minute[40],
        ]  # fmt: skip
        assert polls.last_before("x", minute[60]) is None


@given(
    st.lists(st.tuples(st.sampled_from(["one", "two"]), st.integers(-4_000, 200), st.sampled_from(["complete", "failed"])), max_size=8),
    st.lists(st.tuples(st.sampled_from(["one", "two", "x"]), st.integers(-100, 260)), min_size=1, max_size=5),
)  # fmt: skip
def test_polls_that_are_looked_up_are_those_of_the_whole_history(
    told: list[tuple[str, int, str]], asked: list[tuple[str, int]]
) -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        for source, start, status in told:
            journal.send("a", content(coverage=[seen(start, start + 5, status, source=source)]))
        view = journal.view()
        polls, whole = Polls(view), Polls(view)
        times = [TEN + minute * MINUTE for _, minute in asked]
        polls.look_up([source for source, _ in asked], times)
        for (source, _), time_us in zip(asked, times, strict=True):
            assert polls.last_before(source, time_us) == whole.last_before(source, time_us)
        # What was not looked up is found in the whole of it.
        assert polls.last_before("one", TEN + 300 * MINUTE) == whole.last_before("one", TEN + 300 * MINUTE)

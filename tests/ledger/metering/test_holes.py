"""Every hole has a reason, somebody who told of it or did not, and a word about whether it can still be filled."""

from __future__ import annotations

from typing import Any

from ledger.metering.holes import Hole, holes
from ledger.metering.observation import Observation
from meterbook.wire import instants
from tests.fakes.journal import memory_journal
from tests.ledger.batches import content, coverage

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")


def found(told: dict[str, list[tuple[Any, ...]]], now_us: int, start: int = 0, end: int = 60) -> list[Hole]:
    """The holes of the one source in some minutes after ten, given what each agent told."""
    with memory_journal(now_us) as journal:
        for agent, records in told.items():
            journal.send(agent, content(coverage=records))
        first_us, last_us = TEN + start * MINUTE, TEN + end * MINUTE
        return holes(Observation(journal.view(), first_us, last_us), "kube/a", first_us, last_us)


def record(start: int, end: int, status: str = "complete", reason: str = "", source: str = "kube/a") -> tuple[Any, ...]:
    return coverage(0, status, source=source, start=TEN + start * MINUTE, end=TEN + end * MINUTE, reason=reason)


def test_what_was_observed_has_none() -> None:
    assert found({"one": [record(0, 60)]}, TEN + 60 * MINUTE) == []


def test_a_failure_has_its_reason_and_its_agent() -> None:
    (hole,) = found({"one": [record(0, 20), record(20, 30, "failed", "timeout"), record(30, 60)]}, TEN + 60 * MINUTE)
    assert (hole.start_us, hole.end_us) == (TEN + 20 * MINUTE, TEN + 30 * MINUTE)
    assert (hole.status, hole.reason, hole.agent) == ("failed", "timeout", "one")
    assert "booked as estimated" in hole.outlook


def test_what_another_agent_saw_is_not_missing() -> None:
    told = {"one": [record(0, 20), record(20, 60, "failed", "timeout")], "two": [record(0, 60)]}
    (hole,) = found(told, TEN + 60 * MINUTE)
    assert (hole.status, hole.outlook) == ("failed", "nothing is missing: it was observed by another agent")


def test_what_is_lost_never_comes() -> None:
    (hole,) = found({"one": [record(0, 20, "lost", "the spool was full"), record(20, 60)]}, TEN + 60 * MINUTE)
    assert "never comes" in hole.outlook


def test_silence_is_a_hole_and_may_be_filled() -> None:
    (hole,) = found({"one": [record(0, 20)]}, TEN + 3 * HOUR)
    assert (hole.start_us, hole.end_us) == (TEN + 20 * MINUTE, TEN + 60 * MINUTE)
    assert (hole.status, hole.agent) == ("silent", "one")
    assert "spooled" in hole.outlook


def test_silence_between_two_accounts() -> None:
    told = {"one": [record(0, 20), record(40, 60)]}
    assert [(hole.start_us - TEN, hole.end_us - TEN, hole.status) for hole in found(told, TEN + 60 * MINUTE)] == [
        (20 * MINUTE, 40 * MINUTE, "silent")
    ]
    assert [hole.end_us - hole.start_us for hole in found(told, TEN + 60 * MINUTE, 25, 35)] == [10 * MINUTE]


def test_a_source_that_was_taken_out_of_service_is_not_silent() -> None:
    told = {"one": [record(0, 20), record(0, 60, source="kube/b")]}
    assert found(told, TEN + 60 * MINUTE) == []

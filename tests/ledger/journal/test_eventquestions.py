"""An event counts once however many there are: what comes several times is found among few by looking it up, and among many once and for all."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import eventquestions
from ledger.journal.view import View
from meterbook.wire import instants
from tests.fakes.journal import memory_journal
from tests.ledger.batches import content, event

TEN, MINUTE = instants.parse("2026-03-01T10:00:00Z"), 60 * instants.SECOND_US


def rows(number: int, minute: int) -> tuple[Any, ...]:
    return event(number, type="sale", time=TEN + minute * MINUTE)


def counted(view: View, low: int, high: int) -> int:
    found = view.events("sale", [], TEN + low * MINUTE, TEN + high * MINUTE)
    return sum(found["events"].to_pylist())


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 90)), max_size=4), min_size=1, max_size=5),
    st.sampled_from([0, 1, 3, 100]),
    st.permutations(range(4)),
)
def test_it_counts_once_however_many_there_are(
    batches: list[list[tuple[int, int]]], looked_up_max: int, order: list[int]
) -> None:
    spans = [(0, 90), (0, 30), (30, 60), (60, 120)]
    first: dict[int, int] = {}
    with memory_journal(TEN + 3 * 60 * MINUTE) as journal, patch.object(eventquestions, "LOOKED_UP_MAX", looked_up_max):
        for batch in batches:
            # Of events of one batch that share an id the earliest stands.
            journal.send("one", content(events=[rows(*each) for each in sorted(batch, key=lambda each: each[1])]))
            for number, minute in sorted(batch, key=lambda each: each[1]):
                first.setdefault(number, minute)
            view = journal.view()
            for place in order:
                low, high = spans[place]
                assert counted(view, low, high) == sum(low <= minute < high for minute in first.values())


@pytest.mark.parametrize("looked_up_max", [0, 100])
def test_what_was_found_at_a_later_position_is_not_found_at_an_earlier_one(looked_up_max: int) -> None:
    with memory_journal(TEN + 3 * 60 * MINUTE) as journal, patch.object(eventquestions, "LOOKED_UP_MAX", looked_up_max):
        earlier = journal.send("one", content(events=[rows(1, 50)]))
        later = journal.send("two", content(events=[rows(1, 10)]))
        for _ in range(2):
            assert [counted(journal.view(at), 0, 90) for at in (later, earlier)] == [1, 1]
            assert [counted(journal.view(at), 40, 90) for at in (later, earlier)] == [1, 1]

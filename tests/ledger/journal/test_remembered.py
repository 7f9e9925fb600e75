"""What was found once is not looked for again, and what is found by way of it is what would have been found without."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.remembered import Remembered
from ledger.journal.view import View
from meterbook.wire.instants import HOUR_US
from tests.fakes.journal import memory_journal
from tests.ledger.batches import DAY, MINUTE, content, coverage

TOLD = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(1, 5)), min_size=1, max_size=3),
    min_size=1,
    max_size=6,
)


@given(TOLD, st.lists(st.integers(1, 6), max_size=8))
def test_what_came_since_is_added_to_what_was_known(
    batches: list[list[tuple[str, int, int]]], asked: list[int]
) -> None:
    with memory_journal(DAY + 9 * HOUR_US) as journal:
        for number, told in enumerate(batches):
            records = [
                coverage(0, start=DAY + at * MINUTE, end=DAY + (at + length) * MINUTE, source=source)
                for source, at, length in told
            ]
            journal.send(f"agent-{number % 2}", content(coverage=records))
        for position in (min(each, len(batches)) for each in asked):
            known = journal.view(position).observation()
            assert known.equals(View.at(journal.tables, position).observation())  # type: ignore[arg-type]


def test_it_is_found_once_for_each_thing_that_it_depends_on() -> None:
    remembered, found = Remembered(), []

    def find() -> int:
        found.append(1)
        return len(found)

    assert [remembered.of("a", 1, find), remembered.of("a", 1, find), remembered.of("a", 2, find)] == [1, 1, 2]
    assert remembered.of("b", 1, find) == 3


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    remembered = Remembered()
    for number in range(100):
        remembered.of("a", number, lambda number=number: number)
        remembered.of("a", 0, lambda: 0)
    assert remembered.of("a", 0, lambda: -1) == 0
    assert remembered.of("a", 1, lambda: -1) == -1


def test_of_what_may_be_large_few_are_kept_and_nothing_else_has_to_go() -> None:
    remembered = Remembered()
    remembered.of("small", 0, lambda: 0)
    for number in range(100):
        remembered.of("large", number, lambda number=number: number, most=2)
    assert [remembered.of("large", number, lambda: -1, most=9) for number in (97, 98, 99)] == [-1, 98, 99]
    assert remembered.of("small", 0, lambda: -1) == 0


def test_an_answer_that_is_kept_takes_no_more_than_its_size() -> None:
    remembered, large = Remembered(), pa.table({"value": range(100_000)})
    found = remembered.answer("which", lambda: large.slice(7, 1))
    assert found.to_pylist() == [{"value": 7}] and found.get_total_buffer_size() < 1_000
    assert remembered.answer("which", lambda: large) is found
    assert remembered.answer("none", lambda: large.slice(0, 0)).equals(large.slice(0, 0))


def test_a_position_that_the_tables_do_not_hold_yet_is_there_once_they_do() -> None:
    remembered = Remembered()
    with memory_journal(DAY) as journal:
        with pytest.raises(LookupError, match="position 1 is not in the tables"):
            View.at(journal.tables, 1, remembered)  # type: ignore[arg-type]
        journal.send("agent", content(coverage=[coverage(0)]))
        assert View.at(journal.tables, 1, remembered).time_us == DAY  # type: ignore[arg-type]


def test_the_last_before_a_position() -> None:
    remembered = Remembered()
    assert remembered.upto("a", 5) is None
    for position in (3, 9, 6):
        remembered.of("a", position, lambda position=position: f"at {position}")
    assert remembered.upto("a", 8) == (6, "at 6")
    assert remembered.upto("a", 2) is None
    assert remembered.upto("b", 9) is None

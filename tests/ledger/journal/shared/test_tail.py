"""The newest groups stay in memory, never more than a bound, and no longer than somebody may need them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.segment import Group
from ledger.journal.shared.tail import Tail
from tests.ledger.journal.logs import groups_of


def kept(tail: Tail, groups: list[Group]) -> list[int]:
    """Numbers of the groups that are there."""
    return [number for number, group in enumerate(groups) if tail.after(group.records[0].position - 1) is not None]


def filled(sizes: list[int], bytes_max: int) -> tuple[Tail, list[Group]]:
    tail, groups = Tail(bytes_max), groups_of([[bytes(size)] for size in sizes])
    for group in groups:
        tail.add(group)
    return tail, groups


def test_a_group_is_found_by_the_position_that_it_follows() -> None:
    tail, groups = Tail(), groups_of([[b"a", b"b"], [b"c"]])
    for group in groups:
        tail.add(group)
    assert tail.after(0) == groups[0]
    assert tail.after(1) is None
    assert tail.after(2) == groups[1]
    assert tail.after(3) is None


def test_the_oldest_go_where_there_are_too_many() -> None:
    tail, groups = filled([40, 40, 40, 40], bytes_max=100)
    assert kept(tail, groups) == [2, 3]


def test_a_group_that_is_larger_than_all_that_may_be_kept_is_not() -> None:
    tail, groups = filled([10, 200], bytes_max=100)
    assert kept(tail, groups) == []
    more = groups_of([[b"x" * 90]])
    tail.add(more[0])
    assert kept(tail, more) == [0]


def test_what_the_tables_have_goes() -> None:
    tail, groups = filled([10] * 5, bytes_max=1_000)
    tail.drop(0)
    assert kept(tail, groups) == [0, 1, 2, 3, 4]
    tail.drop(2)
    assert kept(tail, groups) == [2, 3, 4]
    tail.drop(1)
    assert kept(tail, groups) == [2, 3, 4]
    tail.drop(9)
    assert kept(tail, groups) == []
    tail.drop(9)


@given(st.lists(st.one_of(st.integers(0, 60).map(bytes), st.integers(0, 20)), max_size=30))
def test_there_is_room_again_for_whatever_goes(steps: list[bytes | int]) -> None:
    """As a list that is cut at its beginning."""
    tail = Tail(100)
    groups = groups_of([[step] for step in steps if isinstance(step, bytes)])
    expected: list[Group] = []
    added = iter(groups)
    for step in steps:
        if isinstance(step, int):
            tail.drop(step)
            expected = [group for group in expected if group.records[0].position > step]
        else:
            expected.append(next(added))
            tail.add(expected[-1])
            while sum(len(group.records[0].payload) for group in expected) > 100:
                expected.pop(0)
        found = [tail.after(group.records[0].position - 1) for group in groups]
        assert [each for each in found if each] == expected

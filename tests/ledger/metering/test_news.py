"""News become causes: one for each name, and one for all that are too many to be named."""

from __future__ import annotations

import pytest

from ledger.metering.news import Cause, News, causes_of


def test_each_reason_and_name_is_told_once_and_since_its_earliest() -> None:
    news = [
        News(7, "late"),
        News(3, "amendment", "shop 2"),
        News(5, "late"),
        News(4, "amendment", "shop 1"),
        News(9, "amendment", "shop 2"),
    ]
    assert list(causes_of(news, 20)) == [
        Cause("amendment", "shop 2", 1, 3, 20),
        Cause("amendment", "shop 1", 1, 4, 20),
        Cause("late", "", 1, 5, 20),
    ]


@pytest.mark.parametrize(("count", "told"), [(19, 19), (20, 20), (21, 20), (500, 20)])
def test_of_many_the_last_stands_for_all_others(count: int, told: int) -> None:
    found = list(causes_of([News(number, "amendment", f"shop {number}") for number in range(count)], 1_000))
    assert len(found) == told
    assert sum(each.count for each in found) == count
    assert found[-1] == Cause("amendment", f"shop {told - 1}", count - told + 1, told - 1, 1_000)


def test_a_cause_can_be_read() -> None:
    assert Cause("late", "", 1, 0, 1).text == "late"
    assert Cause("reassignment", "team x", 1, 0, 1).text == "reassignment team x"
    assert Cause("amendment", "shop 7", 3, 0, 1).text == "amendment shop 7 (first of 3)"


def test_a_cause_is_about_the_windows_that_it_reaches() -> None:
    cause = Cause("late", "", 1, 10, 20)
    assert cause.within(0, 15) == Cause("late", "", 1, 10, 15)
    assert cause.within(20, 30).is_empty and not cause.within(19, 30).is_empty

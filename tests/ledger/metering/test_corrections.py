"""What comes late or passes with time changes what was booked, of every aggregation, exactly where it has to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ledger.directory.standing import catalog_of
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.metering.usage import Usage
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, coverage, event, series

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")


def define(journal: MemoryJournal, spec: str) -> Booker:
    journal.define(f"kind: meter\nname: m\nspec: {{unit: each, {spec}}}\n")
    return Booker(journal)  # type: ignore[arg-type]


def seat(number: int, minute: float, value: str = "1") -> tuple[Any, ...]:
    return event(number, type="seat", time=TEN + int(minute * MINUTE), value=Decimal(value), origin="shop")


def watched(source: str, start: float, end: float) -> tuple[Any, ...]:
    return coverage(0, source=source, start=TEN + int(start * MINUTE), end=TEN + int(end * MINUTE))


def rows(journal: MemoryJournal, start: float = -9, end: float = 9, window: str = "own") -> list[Usage]:
    view = journal.view()
    return usage(view, catalog_of(view), TEN + int(start * HOUR), TEN + int(end * HOUR), window=window)


def hourly(journal: MemoryJournal, tenant: str = "acme") -> dict[int, str]:
    """Quantity by hour after ten."""
    found = {row.window_us: f"{row.quantity.normalize():f}" for row in rows(journal) if row.tenant == tenant}
    return {(start - TEN) // HOUR: quantity for start, quantity in found.items() if start is not None}


@pytest.mark.parametrize(
    ("made", "before", "after"),
    [
        ("aggregation: total", {0: "2", 1: "2", 2: "5"}, {-1: "4", 0: "6", 1: "6", 2: "9"}),
        ("aggregation: last_known", {0: "2", 1: "2", 2: "3"}, {-1: "4", 0: "2", 1: "2", 2: "3"}),
        ("aggregation: last_known, changes: true", {0: "2", 1: "2", 2: "5"}, {-1: "4", 0: "6", 1: "6", 2: "9"}),
        ("aggregation: max, changes: true", {0: "2", 2: "5"}, {-1: "4", 0: "6", 2: "9"}),
        (
            "aggregation: integral, changes: true",
            {0: "3600", 1: "7200", 2: "18000"},
            {-1: "7200", 0: "18000", 1: "21600", 2: "32400"},
        ),
        ("aggregation: average", {0: "1", 1: "2", 2: "3"}, {-1: "2", 0: "3", 1: "2", 2: "3"}),
        ("aggregation: active", {0: "1800", 1: "3600", 2: "3600"}, {-1: "1800", 0: "3600", 1: "3600", 2: "3600"}),
    ],
)
def test_an_earlier_event_changes_all_that_follow_from_it(
    made: str, before: dict[int, str], after: dict[int, str]
) -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        booker = define(journal, f"source: {{event: seat}}, {made}")
        journal.send("one", content(events=[seat(1, 30, "2"), seat(2, 120, "3")]))
        for _ in range(2):
            assert hourly(journal) == before
            booker.book()
        journal.send("one", content(events=[seat(3, -30, "4")]))
        for _ in range(2):
            assert hourly(journal) == after
            booker.book()
        assert booker.book()[1] == 0


def test_what_is_held_grows_with_time_alone() -> None:
    with memory_journal(TEN + 20 * MINUTE) as journal:
        booker = define(journal, "source: {event: seat}, aggregation: integral")
        journal.send("one", content(events=[seat(1, 0, "2")]))
        for minutes, held in ((20, {0: "2400"}), (30, {0: "3600"}), (90, {0: "7200", 1: "3600"})):
            journal.now_us = TEN + minutes * MINUTE
            journal.send("other", content())
            for _ in range(2):
                assert hourly(journal) == held
                booker.book()
            # No event has come, yet each booking of the open hour adds what has passed since.
            assert booker.book()[1] == 0


@pytest.mark.parametrize(
    "made", ["max", "mean", "latest", "last_known", "unique, of: pod", "percentile, percentile: 50"]
)
def test_a_second_source_joins_where_it_told_something(made: str) -> None:
    """The coverage of both is told of the hour in which both spoke, and of the first alone where it did alone."""
    labels = {"metric": "memory", "labels": '{"pod":"p"}', "since": TEN - HOUR}
    per = "" if made.startswith("unique") else ", per: [pod]"
    with memory_journal(TEN + 3 * HOUR) as journal:
        booker = define(journal, f"source: {{metric: memory}}, aggregation: {made}{per}")
        one, other = (series(number, "gauge", source=f"kube/{number}", **labels) for number in (1, 2))
        samples = [(1, TEN + minute * MINUTE, 5.0) for minute in (10, 70)]
        seen = [watched("kube/1", 0, 60), watched("kube/1", 60, 120)]
        journal.send("one", content(series=[one], samples=samples, coverage=seen))
        booker.book()
        both = content(series=[other], samples=[(2, TEN + 80 * MINUTE, 5.0)], coverage=[watched("kube/2", 30, 120)])
        journal.send("two", both)
        for _ in range(2):
            found = {row.window_us: (row.quantity, row.observed_us // MINUTE) for row in rows(journal)}
            quantity = 1 if made.startswith("unique") else 5
            assert found[TEN] == (quantity, 60)
            # What is known last was told by one of them.
            assert found[TEN + HOUR] == (quantity, 60 if made == "last_known" else 120)
            booker.book()
        assert booker.book()[1] == 0


def test_a_series_that_moves_takes_what_is_known_of_it_along() -> None:
    with memory_journal(TEN + 4 * HOUR) as journal:
        booker = define(journal, "source: {metric: memory}, aggregation: last_known")
        told = {"metric": "memory", "since": TEN - HOUR}
        samples = [(1, TEN + minute * MINUTE, float(minute)) for minute in (10, 70, 130)]
        journal.send("one", content(series=[series(1, "gauge", **told)], samples=samples))
        booker.book()
        assert hourly(journal) == {0: "10", 1: "70", 2: "130", 3: "130"}
        moved = series(1, "gauge", **told | {"tenant": "blue", "since": TEN + HOUR})
        journal.send("one", content(series=[moved]))
        for _ in range(2):
            assert hourly(journal) == {0: "10"}
            assert hourly(journal, "blue") == {1: "70", 2: "130", 3: "130"}
            booker.book()
        assert booker.book()[1] == 0


def test_of_a_window_that_is_cut_only_what_was_asked_for_counts() -> None:
    """Ten seats all day, asked for from noon on: ten on the average, and seen all of the time."""
    with memory_journal(TEN + 14 * HOUR) as journal:
        define(journal, "source: {event: seat}, aggregation: average")
        seen = [watched("shop", 60 * hour, 60 * (hour + 1)) for hour in range(-10, 14)]
        journal.send("one", content(events=[seat(1, -600, "10")], coverage=seen))
        (day,) = rows(journal, -10, 14, "day")
        assert (day.quantity, day.coverage, day.expected_us) == (10, 1, 24 * HOUR)
        (afternoon,) = rows(journal, 2, 14, "day")
        assert (afternoon.quantity, afternoon.coverage, afternoon.expected_us) == (10, 1, 12 * HOUR)


@pytest.mark.parametrize("is_booked", [False, True])
def test_what_was_told_last_of_a_resource_holds_when_another_source_goes_on(is_booked: bool) -> None:
    """Two sources tell of one pod: the last word of the first was held for nothing, until hours later the second one speaks."""
    row = {"metric": "memory", "labels": '{"pod":"p"}', "since": TEN}
    with memory_journal(TEN + 5 * HOUR) as journal:
        booker = define(journal, "source: {metric: memory}, aggregation: integral, per: [pod], max_gap_s: 600")
        both = [series(1, "gauge", **row), series(2, "gauge", source="other", **row)]
        journal.send("one", content(series=both, samples=[(1, TEN, 1.0), (1, TEN + 10 * MINUTE, 1.0)]))
        assert hourly(journal) == {0: "600"}
        if is_booked:
            booker.book()
        journal.send("one", content(samples=[(2, TEN + 200 * MINUTE, 1.0)]))
        assert hourly(journal) == {0: "1200"}

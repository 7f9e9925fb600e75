"""How sources stand, and which events count for nothing, as the wire gives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.query.amending import Amender
from ledger.query.standing import answer_coverage
from meterbook.ledger.v1 import admin_pb2, query_pb2
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, coverage, event

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")
WEIGHT = "kind: meter\nname: weight\n{}spec: {{source: {{event: sale}}, aggregation: sum, unit: kg, value: {}, filter: {{big: y}}}}\n"


@pytest.fixture
def book() -> Iterator[MemoryJournal]:
    with memory_journal(TEN + 2 * HOUR) as journal:
        journal.define(WEIGHT.format("", "kg * 2"))
        yield journal


def sold(number: int, minute: int, properties: str, **more: Any) -> tuple[Any, ...]:
    return event(number, time=TEN + minute * MINUTE, properties=properties, **more)


def answer(journal: MemoryJournal, seen: frozenset[str] | None = None, **asked: Any) -> query_pb2.CoverageResponse:
    return answer_coverage(journal, query_pb2.CoverageRequest(**asked), seen)  # type: ignore[arg-type]


def test_a_source_is_live_silent_or_ended(book: MemoryJournal) -> None:
    def told(source: str, start: int, end: int) -> tuple[Any, ...]:
        return coverage(0, source=source, start=TEN + start * MINUTE, end=TEN + end * MINUTE)

    book.send("one", content(coverage=[told("ended", 0, 10), told("live", 100, 119)]))
    book.send("two", content(coverage=[told("silent", 20, 30)]))
    found = {row.source: (row.state, row.watermark, row.late_s) for row in answer(book).rows}
    assert found == {
        "ended": ("ended", "2026-03-01T10:10:00Z", "6600"),
        "live": ("live", "2026-03-01T11:59:00Z", "60"),
        "silent": ("silent", "2026-03-01T10:30:00Z", "5400"),
    }


def test_a_watermark_ahead_of_the_book_is_not_late(book: MemoryJournal) -> None:
    book.send("one", content(coverage=[coverage(0, source="a", start=TEN, end=TEN + 2 * HOUR + MINUTE)]))
    assert [row.late_s for row in answer(book).rows] == ["0"]


def test_only_what_the_meter_selects_and_makes_no_value_of_is_told(book: MemoryJournal) -> None:
    rows = [
        sold(1, 5, '{"big":"y","kg":"3"}'),
        sold(2, 7, '{"big":"y","kg":"many"}'),
        sold(3, 6, '{"big":"y","kg":"many"}', origin="pushed"),
        sold(4, 4, '{"big":"n","kg":"many"}'),
        sold(5, 8, '{"big":"y"}', tenant="bcorp"),
    ]
    book.send("one", content(events=rows))
    # Sent again it is the same event.
    book.send("two", content(events=rows))
    (found,) = answer(book).uncounted
    assert (found.meter, found.events, found.since) == ("weight", 3, "2026-03-01T10:06:00Z")
    assert (found.origin, found.source, found.id) == ("pushed", "log", "3")
    assert "'kg'" in found.reason and "'many'" in found.reason


def test_an_event_that_was_amended_counts_again(book: MemoryJournal) -> None:
    book.send("one", content(events=[sold(1, 5, '{"big":"y","kg":"many"}'), sold(2, 6, '{"big":"y","kg":"few"}')]))
    assert [(each.events, each.id) for each in answer(book).uncounted] == [(2, "1")]
    told = {"source": "log", "id": "1", "reason": "weighed", "author": "ada", "properties": {"kg": "3"}}
    Amender(book).amend(admin_pb2.AmendEventRequest(**told))  # type: ignore[arg-type]
    assert [(each.events, each.id) for each in answer(book).uncounted] == [(1, "2")]


def test_each_version_of_a_meter_judges_its_own_time(book: MemoryJournal) -> None:
    book.send("one", content(events=[sold(1, 30, '{"big":"y","lb":"2"}'), sold(2, 90, '{"big":"y","lb":"2"}')]))
    assert [each.events for each in answer(book).uncounted] == [2]
    position = len(book.records)
    book.define(WEIGHT.format('effective_from: "2026-03-01T11:00:00Z"\n', "lb / 2"), {"weight": 2})
    assert [(each.events, each.id) for each in answer(book).uncounted] == [(1, "1")]
    assert [each.events for each in answer(book, as_of=position).uncounted] == [2]


def test_who_may_see_some_tenants_only_is_told_of_no_events(book: MemoryJournal) -> None:
    book.send("one", content(events=[sold(1, 5, '{"big":"y"}')]))
    assert answer(book).uncounted
    assert not answer(book, frozenset({"acme"})).uncounted


def test_an_empty_book_has_no_time(book: MemoryJournal) -> None:
    assert answer(book).time == "2026-03-01T12:00:00Z"
    with memory_journal(0) as empty:
        assert answer(empty).time == ""

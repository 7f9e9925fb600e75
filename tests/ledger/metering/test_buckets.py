"""Buckets: a window's quantity made of its hours or days, by the sum of the tenant or by each of its resources."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.metering.measure import measure, windows_of
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, event, series

HOUR, DAY = instants.HOUR_US, instants.DAY_US
MONDAY = instants.parse("2026-03-02")
COUNT = {"source": {"event": "call"}, "aggregation": "count", "unit": "calls", "window": "day"}


def call(number: int, hour: float, properties: str = "{}", base_us: int = MONDAY) -> tuple[Any, ...]:
    return event(number, type="call", time=base_us + int(hour * HOUR), properties=properties)


#: Three calls in the first hour of Monday, one in the third.
CALLS = {"events": [call(1, 0), call(2, 0.5), call(3, 0.9), call(4, 2)]}


def by_day(meter: dict[str, Any], *batches: dict[str, Any], now_us: int = MONDAY + 3 * DAY) -> dict[str, str]:
    """Quantities by the start of the window."""
    made = Meter.model_validate(meter)
    windows = windows_of(made)
    with memory_journal(now_us) as journal:
        for batch in batches:
            journal.send("one", content(**batch))
        cells = measure(journal.view(), made, windows.start(MONDAY - 40 * DAY), windows.start(MONDAY + 40 * DAY))
    return {instants.text(start)[5:16]: f"{amount.quantity / 10**9:g}" for (_, start), amount in cells.items()}


@pytest.mark.parametrize(
    ("combine", "told", "of_all"),
    [
        ({"combine": "sum"}, "4", "4"),
        ({"combine": "average"}, "2", "0.166667"),
        ({"combine": "min"}, "1", "0"),
        ({"combine": "max"}, "3", "3"),
        ({"combine": "percentile", "percentile": "50"}, "1", "0"),
        # Of 24 hours the 23rd.
        ({"combine": "percentile", "percentile": "95"}, "3", "1"),
    ],
)
def test_the_hours_of_a_day_become_one(combine: dict[str, Any], told: str, of_all: str) -> None:
    for empty, quantity in (("skip", told), ("zero", of_all)):
        buckets = {"unit": "hour", "empty": empty} | combine
        assert by_day(COUNT | {"buckets": buckets}, CALLS) == {"03-02T00:00": quantity}


def test_hours_that_have_not_begun_are_not_empty() -> None:
    buckets = {"unit": "hour", "combine": "average", "empty": "zero"}
    for hours, quantity in ((3, "1.33333"), (4, "1"), (4.001, "0.8"), (24, "0.166667"), (30, "0.166667")):
        found = by_day(COUNT | {"buckets": buckets}, CALLS, now_us=MONDAY + int(hours * HOUR))
        assert found == {"03-02T00:00": quantity}


def test_an_event_ahead_of_the_clock_is_in_no_empty_hour() -> None:
    buckets = {"unit": "hour", "combine": "average", "empty": "zero"}
    ahead = {"events": [call(1, 0), call(2, 1.5)]}
    # Two hours have something; only the first of them has begun, and none that is empty.
    assert by_day(COUNT | {"buckets": buckets}, ahead, now_us=MONDAY + HOUR) == {"03-02T00:00": "1"}


def test_the_peak_of_all_and_the_peaks_of_each() -> None:
    """One pod is busy in the first hour and the other in the second."""
    samples = [(number, MONDAY + hour * HOUR, value) for number, hour, value in (
        (1, 0, 10.0), (1, 1, 1.0), (2, 0, 2.0), (2, 1, 10.0))]  # fmt: skip
    pods = [series(number, "gauge", metric="memory", labels=f'{{"pod":"{number}"}}', since=MONDAY) for number in (1, 2)]
    meter = {"source": {"metric": "memory"}, "aggregation": "max", "unit": "bytes", "window": "day"}
    batch = {"series": pods, "samples": samples}
    for of, per, quantity in (("tenant", None, "12"), ("resource", None, "20"), ("resource", [], "10")):
        buckets = {"unit": "hour", "combine": "max", "of": of}
        assert by_day(meter | {"buckets": buckets, "per": per}, batch) == {"03-02T00:00": quantity}


def test_the_days_of_a_month_are_those_of_its_zone() -> None:
    month = {"unit": "month", "zone": "Europe/Berlin", "anchor": 3}
    # Berlin's 3 March begins at 23 o'clock on the 2nd; 23:30 and the next midnight are of one day there.
    calls = {"events": [call(1, 22.9), call(2, 23.5), call(3, 24)]}
    buckets = {"unit": "day", "combine": "max"}
    assert by_day(COUNT | {"window": month, "buckets": buckets}, calls) == {"02-02T23:00": "1", "03-02T23:00": "2"}


def test_buckets_of_minutes() -> None:
    calls = {"events": [call(1, 0.1), call(2, 0.2), call(3, 0.3), call(4, 0.9)]}
    for minutes, quantity in ((1, "1"), (5, "1"), (15, "2"), (20, "3"), (30, "3")):
        buckets = {"unit": "minute", "minutes": minutes, "combine": "max"}
        assert by_day(COUNT | {"buckets": buckets}, calls) == {"03-02T00:00": quantity}


def define(journal: MemoryJournal, meter: str) -> None:
    journal.define(f"kind: meter\nname: calls\nspec: {meter}\n")


def answers(journal: MemoryJournal) -> dict[str, str]:
    view = journal.view()
    rows = usage(view, catalog_of(view), MONDAY - 40 * DAY, MONDAY + 40 * DAY, window="own")
    return {instants.text(row.window_us or 0)[5:16]: f"{row.quantity.normalize():f}" for row in rows}


def test_an_hour_across_midnight_belongs_to_the_day_in_which_it_begins() -> None:
    """In India days begin at half past six in the evening of UTC. What comes later changes the day before, too."""
    spec = (
        "{source: {event: call}, aggregation: count, unit: calls, window: {unit: day, zone: Asia/Kolkata},"
        " buckets: {unit: hour, combine: max}}"
    )
    with memory_journal(MONDAY + 3 * DAY) as journal:
        booker = Booker(journal)  # type: ignore[arg-type]
        define(journal, spec)
        journal.send("one", content(events=[call(1, 18.25), call(2, 19)]))
        assert answers(journal) == {"03-01T18:30": "1", "03-02T18:30": "1"}
        booker.book()
        journal.send("one", content(events=[call(3, 18.75)]))
        for _ in range(3):
            assert answers(journal) == {"03-01T18:30": "2", "03-02T18:30": "1"}
            booker.book()
        assert booker.book()[1] == 0


@pytest.mark.parametrize("made", [{"aggregation": "count"}, {"aggregation": "max"}, {"aggregation": "integral"}])
def test_each_day_alone_is_what_it_is_among_others(made: dict[str, Any]) -> None:
    meter = Meter.model_validate(
        COUNT
        | {"window": {"unit": "day", "zone": "Asia/Kolkata"}, "buckets": {"unit": "hour", "combine": "max"}}
        | made
    )
    windows = windows_of(meter)
    edges = windows.edges(MONDAY - DAY, MONDAY + 3 * DAY).tolist()
    with memory_journal(MONDAY + 3 * DAY) as journal:
        journal.send("one", content(events=[call(1, 18.25), call(2, 18.75), call(3, 19), call(4, 42.75)]))
        whole = measure(journal.view(), meter, edges[0], edges[-1])
        alone = [measure(journal.view(), meter, *day) for day in pairwise(edges)]
    assert whole
    assert {cell: amount for day in alone for cell, amount in day.items()} == whole
    assert sum(map(len, alone)) == len(whole)


def test_empty_hours_that_pass_are_booked() -> None:
    spec = "{source: {event: call}, aggregation: count, unit: calls, window: day, buckets: {unit: hour, combine: average, empty: zero}}"
    with memory_journal(MONDAY + HOUR) as journal:
        booker = Booker(journal)  # type: ignore[arg-type]
        define(journal, spec)
        journal.send("one", content(events=[call(1, 0), call(2, 0.5)]))
        for hours, quantity in ((1, "2"), (2, "1"), (4, "0.5"), (24, "0.083333333"), (30, "0.083333333")):
            journal.now_us = MONDAY + hours * HOUR
            journal.send("other", content())
            assert answers(journal) == {"03-02T00:00": quantity}
            booker.book()
            assert answers(journal) == {"03-02T00:00": quantity}

"""Windows close when nobody is waited for any more, and never at the price of a sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.journal.frames import Kind
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.metering.closing import Closing, closing
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire import instants
from meterbook.wire.sections import Sections
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, coverage, event, series
from tests.ledger.metering.histories import END, Player, Step, answered, histories

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")
LATENESS = 5 * MINUTE
REQUESTS = "kind: meter\nname: m\nspec: {source: {metric: requests_total}, aggregation: increase, unit: u%s}\n"
SALES = "kind: meter\nname: m\nspec: {source: {event: sale}, aggregation: count, unit: u%s}\n"


def told(source: str, start: float, end: float, status: str = "complete") -> tuple[Any, ...]:
    """A coverage record of some minutes after ten."""
    return coverage(0, status, source=source, start=TEN + int(start * MINUTE), end=TEN + int(end * MINUTE))


def read(number: int, source: str) -> tuple[Any, ...]:
    return series(number, source=source, since=TEN - HOUR)


def closed(journal: MemoryJournal, minutes: float, lateness: int = LATENESS) -> Closing:
    """How far the meter is closed some minutes after ten."""
    view = journal.view()
    meter = catalog_of(view).versions("meter", "m")[-1].spec
    assert isinstance(meter, Meter)
    return closing(view, meter, TEN + int(minutes * MINUTE), lateness)


def minutes(found: Closing) -> float:
    return (found.until_us - TEN) / MINUTE


def names(found: Closing) -> list[str]:
    return [each.source for each in found.awaited]


def book(journal: MemoryJournal, *sources: str, definition: str = REQUESTS % "") -> None:
    journal.define(definition)
    journal.send("one", content(series=[read(number, each) for number, each in enumerate(sources, 1)]))


@pytest.mark.parametrize(("now", "until"), [(60, 58), (62, 58), (63, 62), (64, 62), (67, 62), (70, 65)])
def test_the_source_that_is_behind_decides_until_the_allowed_lateness_has_passed(now: float, until: float) -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a", "b")
        journal.send("one", content(coverage=[told("a", 0, 62)]))
        journal.send("two", content(coverage=[told("b", 0, 58)]))
        assert minutes(closed(journal, now)) == until


def test_who_is_waited_for_is_told_the_latest_first() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a", "b", "c")
        journal.send("one", content(coverage=[told("a", 0, 60), told("b", 0, 59), told("c", 0, 60)]))
        assert names(closed(journal, 60)) == ["b", "a", "c"]


def test_a_source_of_another_meter_is_not_waited_for() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a", "b", definition=REQUESTS % ", filter: {shop: x}")
        journal.send("one", content(series=[series(3, source="c", since=TEN, labels='{"shop":"x"}')]))
        journal.send("one", content(coverage=[told("a", 0, 58), told("b", 0, 57), told("c", 0, 60)]))
        assert (names(closed(journal, 60)), minutes(closed(journal, 60))) == (["c"], 60)


def test_a_failure_is_an_account_and_a_gap_before_the_watermark_is_a_gap() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a")
        journal.send("one", content(coverage=[told("a", 0, 20), told("a", 50, 60, "failed")]))
        assert minutes(closed(journal, 60)) == 60


def test_a_source_that_was_taken_out_of_service_is_not_waited_for() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a", "b")
        journal.send("one", content(coverage=[told("a", 0, 50), told("a", 50, 51), told("b", 0, 54)]))
        assert names(closed(journal, 60, HOUR)) == ["a", "b"]
        journal.send("one", content(coverage=[told("b", 54, 60)]))
        assert names(closed(journal, 60, HOUR)) == ["b"]
        assert minutes(closed(journal, 60, HOUR)) == 60


def test_a_silent_source_has_its_time_and_not_more() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a", "b")
        journal.send("one", content(coverage=[told("a", 0, 65)]))
        journal.send("two", content(coverage=[told("b", 0, 58)]))
        assert [minutes(closed(journal, now)) for now in (60, 62, 62.9, 63, 64)] == [58, 58, 58, 63, 64]
        journal.send("two", content(coverage=[told("b", 58, 61)]))
        assert minutes(closed(journal, 63.5)) == 61


def test_where_nobody_is_left_lateness_decides() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal)
        assert minutes(closed(journal, 60)) == 55
        journal.send("one", content(series=[read(1, "a")], coverage=[told("a", 0, 10)]))
        assert minutes(closed(journal, 60)) == 55


def test_a_source_that_nobody_accounts_for_is_waited_for() -> None:
    with memory_journal(TEN + HOUR) as journal:
        journal.define(SALES % "")
        journal.send("one", content(coverage=[told("logfile", 0, 60)], events=[event(1, time=TEN, origin="logfile")]))
        assert minutes(closed(journal, 60)) == 60
        journal.send("two", content(events=[event(2, time=TEN, origin="pushed")]))
        assert (minutes(closed(journal, 60)), names(closed(journal, 60))) == (55, ["pushed", "logfile"])


def test_what_told_of_no_event_lately_is_not_waited_for() -> None:
    with memory_journal(TEN + 31 * HOUR) as journal:
        journal.define(SALES % ", filter: {size: xl}")
        later = TEN + 30 * HOUR
        journal.send("two", content(events=[event(1, time=TEN, origin="pushed")]))
        journal.send("two", content(events=[event(2, time=later, origin="small", properties='{"size":"s"}')]))
        journal.send(
            "one", content(coverage=[told("logfile", 0, 1_860)], events=[event(3, time=later, origin="logfile")])
        )
        assert names(closed(journal, 20)) == ["pushed"]
        assert (names(closed(journal, 1_860)), minutes(closed(journal, 1_860))) == (["logfile"], 1_860)


def test_the_meter_says_another_lateness() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a", definition=REQUESTS % ", lateness: 2h")
        journal.send("one", content(coverage=[told("a", 0, 10)]))
        assert [minutes(closed(journal, now)) for now in (60, 129, 131)] == [10, 10, 11]


def test_a_watermark_ahead_of_the_clock_closes_nothing_that_has_not_ended() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a")
        journal.send("one", content(coverage=[told("a", 0, 70)]))
        assert minutes(closed(journal, 60)) == 60


def test_a_window_is_booked_as_soon_as_its_sources_have_told_of_it() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a")
        booker = Booker(journal)  # type: ignore[arg-type]
        samples = [(1, TEN, 0.0), (1, TEN + 59 * MINUTE, 10.0)]
        journal.send("one", content(samples=samples, coverage=[told("a", 0, 59)]))
        assert booker.book_closed(TEN + HOUR + MINUTE, LATENESS)[1] == 0
        journal.send("one", content(samples=[(1, TEN + HOUR, 11.0)], coverage=[told("a", 59, 60)]))
        assert booker.book_closed(TEN + HOUR + MINUTE, LATENESS)[1] == 1
        # One that was expected to come, and comes late, is added.
        journal.send("one", content(samples=[(1, TEN + 90 * MINUTE, 12.0)], coverage=[told("a", 60, 120)]))
        journal.send("two", content(samples=[(1, TEN + 30 * MINUTE, 50.0)]))
        booker.book_closed(TEN + 2 * HOUR, LATENESS)
        runs = [journal_pb2.RunRecord.FromString(each.payload) for each in journal.records if each.kind is Kind.RUN]
        booked = [int(entry.quantity_nano) for run in runs for entry in run.entries]
        assert booked[0] == 11 * 10**9 and sum(booked) == 62 * 10**9


def test_a_dead_source_delays_by_the_allowed_lateness_at_the_most() -> None:
    with memory_journal(TEN + HOUR) as journal:
        book(journal, "a", "b")
        journal.send("one", content(samples=[(1, TEN, 0.0), (1, TEN + 30 * MINUTE, 3.0)], coverage=[told("a", 0, 60)]))
        journal.send("two", content(coverage=[told("b", 0, 59)]))
        booker = Booker(journal)  # type: ignore[arg-type]
        assert booker.book_closed(TEN + HOUR, LATENESS)[1] == 0
        assert booker.book_closed(TEN + HOUR + LATENESS, LATENESS)[1] == 1


#: Two counters that are read every quarter of an hour, each with a record of it: (number of the source, quarter).
PIECES = [(source, quarter) for source in (1, 2) for quarter in range(1, 17)]
MOMENTS = st.integers(0, 5 * HOUR // MINUTE)


@pytest.mark.slow
@settings(max_examples=10)
@given(st.permutations(PIECES), st.lists(MOMENTS, max_size=3), st.sampled_from([0, MINUTE, HOUR, 10 * HOUR]))
def test_closing_early_or_late_and_in_any_order_gives_the_same_sums(
    order: list[tuple[int, int]], moments: list[int], lateness: int
) -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        book(journal, "s1", "s2")
        booker = Booker(journal)  # type: ignore[arg-type]
        for place, moment in enumerate([*moments, 300]):
            journal.send("one", _read(order[place :: len(moments) + 1]))
            booker.book_closed(TEN + moment * MINUTE, lateness)
        booker.book()
        found = _answer(journal)
        assert booker.book()[1] == 0
    with memory_journal(TEN + 5 * HOUR) as journal:
        book(journal, "s1", "s2")
        journal.send("one", _read(PIECES))
        assert found == _answer(journal)
        assert len(found) == 4


def _read(pieces: Sequence[tuple[int, int]]) -> Sections:
    return content(
        samples=sorted((source, TEN + quarter * 15 * MINUTE, float(source * quarter**2)) for source, quarter in pieces),
        coverage=[told(f"s{source}", 15 * (quarter - 1), 15 * quarter) for source, quarter in sorted(pieces)],
    )


@pytest.mark.slow
@settings(max_examples=20)
@given(histories(booked=False), st.lists(MOMENTS, min_size=10, max_size=10), st.sampled_from([0, MINUTE, 10 * HOUR]))
def test_closing_whatever_comes_gives_the_same_sums(history: Sequence[Step], moments: list[int], lateness: int) -> None:
    with memory_journal() as journal, memory_journal() as other:
        player, plain = Player(journal), Player(other)
        for step, moment in zip(history, moments, strict=False):
            player.play(step)
            plain.play(step)
            player.booker.book_closed(END - 4 * HOUR + moment * MINUTE, lateness)
        player.booker.book()
        assert _answer(journal) == _answer(other)


def _answer(journal: MemoryJournal) -> dict[Any, Any]:
    view = journal.view()
    return answered(usage(view, catalog_of(view), 0, END + 24 * HOUR, window="own"))

"""Booking writes differences, settles hours, and is never mistaken about which."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.journal.errors import JournalError, Overtaken
from ledger.journal.frames import Kind
from ledger.journal.overtaken import until_first
from ledger.journal.view import View
from ledger.metering import booking
from ledger.metering.answer import UnknownMeter, usage
from ledger.metering.booking import Booker, Unbookable, meter_versions, unsettled
from ledger.metering.cluster import ClusterFailed
from ledger.metering.measure import Measured, measure
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, coverage, event, series

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")
METER = "kind: meter\nname: requests\n{}spec: {{source: {{metric: {}}}, aggregation: increase, unit: requests, max_gap_s: 86400}}\n"


def define(journal: MemoryJournal, version: int = 1, since: str = "", metric: str = "requests_total") -> None:
    journal.define(METER.format(f"effective_from: {since}\n" if since else "", metric), {"requests": version})


def send(journal: MemoryJournal, *samples: tuple[float, float], agent: str = "one", **rows: Any) -> int:
    """Samples as (minutes after ten, value)."""
    timed = sorted((1, TEN + int(minute * MINUTE), value) for minute, value in samples)
    return journal.send(agent, content(series=[series(1, since=TEN - HOUR)], samples=timed, **rows))


def hourly(journal: MemoryJournal, position: int = 0) -> dict[int, str]:
    """Quantity by hour after ten."""
    view = journal.view(position)
    rows = usage(view, catalog_of(view), TEN - 9 * HOUR, TEN + 9 * HOUR, window="hour")
    return {(row.window_us - TEN) // HOUR: f"{row.quantity.normalize():f}" for row in rows if row.window_us is not None}


def runs(journal: MemoryJournal) -> list[journal_pb2.RunRecord]:
    return [journal_pb2.RunRecord.FromString(each.payload) for each in journal.records if each.kind is Kind.RUN]


def booker(journal: MemoryJournal) -> Booker:
    return Booker(journal)  # type: ignore[arg-type]


def test_an_empty_book_has_nothing_to_book() -> None:
    with memory_journal(TEN) as journal:
        assert booker(journal).book() == (0, 0)
        define(journal)
        assert booker(journal).book() == (1, 0)
        assert runs(journal) == []


def test_who_is_overtaken_by_another_replica_tries_again_if_told_to() -> None:
    with memory_journal(TEN + HOUR) as journal:
        define(journal)
        send(journal, (0, 0), (30, 5))
        extend, overtaken = journal.extend, []

        def late(*record: Any) -> Any:
            if len(overtaken) < 2:
                overtaken.append(record)
                raise Overtaken("record 1 does not follow 1, the last one held")
            return extend(*record)

        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(journal, "extend", late)
            with pytest.raises(Overtaken):
                booker(journal).book()
            assert until_first(booker(journal).book, 2)[1] == 1
        assert len(runs(journal)) == 1


def test_late_samples_become_corrections() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        send(journal, (0, 0), (59, 10), (61, 10), (100, 50))
        assert booker(journal).book(TEN + HOUR) == (3, 1)
        assert hourly(journal) == {0: "10", 1: "40"}
        send(journal, (30, 4), (40, 0))
        assert hourly(journal) == {0: "14", 1: "40"}
        assert booker(journal).book(TEN + HOUR)[1] == 1
        assert [entry.quantity_nano for run in runs(journal) for entry in run.entries] == ["10000000000", "4000000000"]
        assert hourly(journal, 3) == {0: "10", 1: "40"}
        assert hourly(journal) == {0: "14", 1: "40"}


def test_booking_twice_books_nothing_new() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        send(journal, (0, 0), (59, 10))
        assert booker(journal).book()[1] == 1
        assert booker(journal).book() == (3, 0)
        assert len(runs(journal)) == 1


def test_an_early_run_does_not_settle_what_a_later_one_left_out() -> None:
    """The open hour is booked by hand; then a late sample makes the schedule book up to that hour only."""
    with memory_journal(TEN + 90 * MINUTE) as journal:
        define(journal)
        send(journal, (0, 0), (50, 5), (65, 10))
        booker(journal).book()
        send(journal, (20, 1), (80, 20))
        booker(journal).book(TEN + HOUR)
        assert runs(journal)[-1].end_us == TEN + HOUR
        assert sum(map(float, hourly(journal).values())) == 20
        booker(journal).book()
        assert sum(map(float, hourly(journal).values())) == 20


def test_late_coverage_changes_where_a_first_sample_counts_from() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        send(journal, (90, 6))
        booker(journal).book()
        assert hourly(journal) == {}
        journal.send("two", content(coverage=[coverage(0, source="prometheus/shop", start=TEN, end=TEN + 30 * MINUTE)]))
        assert hourly(journal) == {0: "3", 1: "3"}
        booker(journal).book()
        assert hourly(journal) == {0: "3", 1: "3"}
        record = coverage(0, source="prometheus/shop", start=TEN, end=TEN + 60 * MINUTE)
        journal.send("two", content(coverage=[record]))
        assert hourly(journal) == {1: "6"}


def seen(start: int, end: int, status: str = "complete") -> tuple[Any, ...]:
    """A coverage record of the minutes from start to end after ten."""
    return coverage(0, status, source="prometheus/shop", start=TEN + start * MINUTE, end=TEN + end * MINUTE)


def test_late_coverage_takes_back_what_counted_from_an_earlier_poll() -> None:
    with memory_journal(TEN + 9 * HOUR) as journal:
        define(journal)
        send(journal, (90, 6), coverage=[seen(-60, -30)])
        booker(journal).book()
        assert hourly(journal) == {-1: "1.5", 0: "3", 1: "1.5"}
        journal.send("two", content(coverage=[seen(60, 75)]))
        for _ in range(2):
            assert hourly(journal) == {1: "6"}
            booker(journal).book()


def test_a_series_that_began_with_its_reading_on_the_hour() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        journal.send("one", content(coverage=[seen(0, 30)]))
        send(journal, (80, 6))
        booker(journal).book()
        before = hourly(journal)
        new = series(2, start=TEN + HOUR, since=TEN)
        journal.send("one", content(series=[new], samples=[(2, TEN + HOUR, 5.0)]))
        for _ in range(2):
            assert float(hourly(journal)[0]) == float(before[0]) + 5
            booker(journal).book()


@pytest.mark.parametrize(("record", "seen_then"), [(seen(70, 100), (30, 60)), (seen(-120, -110, "failed"), (0, 60))])
def test_late_coverage_changes_the_coverage_of_booked_hours(
    record: tuple[Any, ...], seen_then: tuple[int, int]
) -> None:
    with memory_journal(TEN + 9 * HOUR) as journal:
        journal.define("kind: meter\nname: sales\nspec: {source: {event: sale}, aggregation: count, unit: sales}\n")
        sold = event(1, origin="prometheus/shop", time=record[1])
        watched = [seen(-60, -30), seen(200, 230)]
        journal.send("one", content(events=[sold], coverage=watched))
        booker(journal).book()
        journal.send("two", content(coverage=[record]))
        for _ in range(2):
            view = journal.view()
            (row,) = usage(view, catalog_of(view), TEN - 9 * HOUR, TEN + 9 * HOUR)
            assert (row.observed_us // MINUTE, row.expected_us // MINUTE) == seen_then
            booker(journal).book()


def test_a_late_definition_moves_what_was_booked() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        send(journal, (0, 0), (50, 5), (70, 9), (80, 10))
        booker(journal).book()
        journal.send("two", content(series=[series(1, since=TEN + 65 * MINUTE, tenant="blue")]))
        view = journal.view()

        def by_tenant() -> dict[str, str]:
            rows = usage(view, catalog_of(view), TEN, TEN + 9 * HOUR)
            return {row.tenant: f"{row.quantity.normalize():f}" for row in rows}

        assert by_tenant() == {"acme": "5", "blue": "5"}
        booker(journal).book()
        view = journal.view()
        assert by_tenant() == {"acme": "5", "blue": "5"}


def test_silence_is_noticed_in_booked_hours() -> None:
    with memory_journal(TEN + 40 * MINUTE) as journal:
        define(journal)
        record = coverage(0, source="prometheus/shop", start=TEN, end=TEN + 30 * MINUTE)
        send(journal, (0, 0), (30, 5), coverage=[record])
        booker(journal).book()

        def expected() -> int:
            view = journal.view()
            (row,) = usage(view, catalog_of(view), TEN, TEN + HOUR)
            return row.expected_us // MINUTE

        assert expected() == 30
        journal.now_us = TEN + 5 * HOUR
        journal.send("other", content(coverage=[coverage(0, source="elsewhere")]))
        assert expected() == 60
        booker(journal).book()
        assert expected() == 60


@pytest.mark.parametrize("since", ["", "2026-03-01T10:00:00Z", "2026-03-01T09:30:00Z"])
def test_a_version_that_measures_nothing_takes_everything_back(since: str) -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        send(journal, (0, 0), (59, 10), (61, 10), (100, 50))
        booker(journal).book()
        define(journal, 2, since, metric="nothing")
        assert hourly(journal) == {}
        assert booker(journal).book(TEN + HOUR)[1] == 1
        assert hourly(journal) == {}
        assert booker(journal).book()[1] == 1
        assert hourly(journal) == {}
        define(journal, 3, since)
        assert hourly(journal) == {0: "10", 1: "40"}


@pytest.mark.parametrize("since", ["2026-03-01T10:00:01Z", "2026-03-01T10:59:59.999999Z", "2026-03-01T11:00:00Z"])
def test_an_hour_belongs_to_the_version_that_holds_when_it_begins(since: str) -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        send(journal, (0, 0), (59, 10), (61, 10), (100, 50))
        booker(journal).book()
        define(journal, 2, since, metric="nothing")
        for _ in range(2):
            assert hourly(journal) == {0: "10"}
            booker(journal).book()


def test_versions_for_dates_in_any_order() -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        define(journal)
        send(journal, *((minute, float(minute)) for minute in range(0, 241, 30)))
        booker(journal).book()
        define(journal, 2, "2026-03-01T12:00:00Z", metric="nothing")
        booker(journal).book()
        define(journal, 3, "2026-03-01T11:00:00Z", metric="nothing")
        define(journal, 4, "2026-03-01T12:00:00Z")
        for _ in range(2):
            assert hourly(journal) == {0: "60", 2: "60", 3: "60"}
            booker(journal).book()


def test_concurrent_bookings_book_once() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        send(journal, (0, 0), (59, 10))
        chosen, ready = booker(journal), threading.Barrier(4)

        def book() -> int:
            ready.wait()
            return chosen.book()[1]

        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(book) for _ in range(4)]
            assert sorted(future.result() for future in futures) == [0, 0, 0, 1]
        assert hourly(journal) == {0: "10"}


def test_a_large_run_is_written_in_portions_that_settle_their_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "_ENTRIES_MAX", 2)
    with memory_journal(TEN + 9 * HOUR) as journal:
        define(journal)
        send(journal, *((minute, float(minute)) for minute in range(0, 301, 30)))
        before = hourly(journal)
        assert booker(journal).book()[1] == 5
        ranges = [(run.start_us, run.end_us, len(run.entries)) for run in runs(journal)]
        assert [entries for *_, entries in ranges] == [2, 2, 1]
        assert [end for _, end, _ in ranges[:-1]] == [start for start, *_ in ranges[1:]]
        assert hourly(journal) == before
        # As if the second portion had been the last before a crash.
        assert hourly(journal, journal.records[-2].position) == before


def test_a_closed_booker_books_nothing() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        send(journal, (0, 0), (59, 10))
        chosen = booker(journal)
        chosen.close()
        with pytest.raises(JournalError, match="the ledger is stopping"):
            chosen.book()
        assert runs(journal) == []


def test_of_the_news_of_many_series_no_more_is_remembered_than_is_asked_for() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        define(journal)
        many = range(1, 41)
        rows = [(number, TEN + minute * MINUTE + number, 1.0) for number in many for minute in (70, 80)]
        journal.send("one", content(series=[series(number) for number in many], samples=rows))
        booker(journal).book(TEN + 3 * HOUR)
        late = [(number, TEN + 75 * MINUTE + number, 1.0) for number in many]
        journal.send("one", content(samples=late))
        view = journal.view()
        (version,) = meter_versions(catalog_of(view), "requests")
        found = {each.reason: each.since_us for each in unsettled(view, version)}
        assert found == {"first": TEN + 3 * HOUR, "late": TEN + HOUR}
        assert len(unsettled(view, version)) == len(found)


def test_an_unknown_meter() -> None:
    with memory_journal(TEN) as journal:
        define(journal)
        with pytest.raises(UnknownMeter, match="nobody"):
            usage(journal.view(), catalog_of(journal.view()), 0, TEN, meters=["requests", "nobody"])


def test_what_the_book_cannot_hold_is_never_written_and_keeps_no_other_meter_from_being_booked() -> None:
    """Twenty-two resets from nearly 2^62 are less than it can hold in gigabytes, and more in bytes."""
    meters = "kind: meter\nname: {}\nspec: {{source: {{metric: requests_total}}, aggregation: increase, unit: {}, measured_in: GBy}}\n"
    with memory_journal(TEN + HOUR) as journal:
        journal.define("---\n".join(meters.format(*each) for each in (("bytes", "By"), ("gigabytes", "GBy"))))
        values = (0.0 if number % 2 else 2.0**62 - 512 for number in range(45))
        send(journal, *((number, value) for number, value in enumerate(values)))
        expected = "meter bytes: acme has [0-9]{30} By more in the window of 2026-03-01T10:00:00Z, and the book holds no more than 29"
        for _ in range(2):
            with pytest.raises(Unbookable, match=expected):
                booker(journal).book(TEN + HOUR)
        assert [run.meter for run in runs(journal)] == ["gigabytes"]
        journal.define(meters.format("bytes", "By").replace("spec: {", "spec: {filter: {code: '500'}, "), {"bytes": 2})
        assert booker(journal).book(TEN + HOUR)[1] == 0


def test_a_meter_that_nobody_measures_is_in_the_way_of_itself_alone() -> None:
    is_down = True

    def measured(view: View, meter: Meter, start_us: int, end_us: int) -> Measured:
        if is_down and meter.unit == "lots":
            raise ClusterFailed("the cluster at sc://there:1 did not measure: Connection refused")
        return measure(view, meter, start_us, end_us)

    with memory_journal(TEN + HOUR) as journal:
        define(journal)
        lots = METER.format("", "requests_total").replace("unit: requests", "unit: lots")
        journal.define(lots.replace("name: requests", "name: lots"))
        send(journal, (0, 1), (1, 2))
        helped = Booker(journal, measured)  # type: ignore[arg-type]
        with pytest.raises(Unbookable, match=r"^meter lots: the cluster at sc://there:1 did not measure"):
            helped.book(TEN + HOUR)
        assert [run.meter for run in runs(journal)] == ["requests"]
        is_down = False
        helped.book(TEN + HOUR)
        assert [run.meter for run in runs(journal)] == ["requests", "lots"]

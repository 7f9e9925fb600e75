"""Closing a period: once, by one, whole or not at all, and for ever the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.journal.errors import LogUnavailable
from ledger.journal.journal import Journal
from ledger.journal.record import DEFINITIONS_CHAIN, Head, Kind
from ledger.metering.booking import Booker, Unbookable
from ledger.query.closing import PeriodCloser
from ledger.query.periods import answer_period, answer_periods
from ledger.query.questions import BadQuestion
from meterbook.ledger.v1 import period_pb2
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import append, content, coverage, extend, opened, series

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
DAY = instants.parse("2026-03-10")
NOW = DAY + 2 * instants.DAY_US
METERS = """\
kind: meter
name: requests
spec: {source: {metric: requests_total}, aggregation: increase, unit: requests, max_gap_s: 86400, gate: 0.9}
---
kind: meter
name: peak
spec: {source: {metric: memory}, aggregation: max, unit: By}
"""


def closer(journal: Any, now_us: int = NOW) -> PeriodCloser:
    return PeriodCloser(journal, Booker(journal), 5 * MINUTE, lambda: now_us)


def asked(period: str = "2026-03-10", **more: Any) -> period_pb2.ClosePeriodRequest:
    return period_pb2.ClosePeriodRequest(period=period, **({"author": "ada"} | more))


def show(journal: Any, period: str = "2026-03-10", **more: Any) -> period_pb2.PeriodResponse:
    return answer_period(journal, period_pb2.PeriodRequest(period=period, **more))


def amounts(found: period_pb2.PeriodResponse) -> dict[tuple[str, str], tuple[str, str, str]]:
    return {(row.meter, row.tenant): (row.quantity, row.corrected, row.now) for row in found.rows}


def read(source: str = "a", tenant: str = "acme", number: int = 1, **more: Any) -> dict[str, Any]:
    """A counter that is read each hour of the day, and goes up by one each time."""
    samples = [(number, DAY + hour * HOUR, float(hour)) for hour in range(25)]
    whole = coverage(0, source=source, start=DAY, end=DAY + 25 * HOUR)
    return {
        "series": [series(number, source=source, tenant=tenant, since=DAY - HOUR)],
        "samples": samples,
        "coverage": [whole],
    } | more


@pytest.fixture
def book() -> Any:
    with memory_journal(NOW - HOUR) as journal:
        journal.define(METERS)
        yield journal


def test_a_period_is_closed_with_all_its_meters(book: MemoryJournal) -> None:
    book.send("one", content(**read()))
    found = closer(book).close(asked(reason="month end"), "operator oz (o)")
    assert (found.outcome, found.obstacles_total) == ("closed", 0)
    (close,) = found.closes
    assert (close.start, close.end, close.zone) == ("2026-03-10T00:00:00Z", "2026-03-11T00:00:00Z", "UTC")
    assert list(close.meters) == ["peak", "requests"]
    assert (close.author, close.caller, close.reason, close.forced) == ("ada", "operator oz (o)", "month end", False)
    assert (close.position, close.at_position) == (len(book.records), len(book.records) - 1)
    assert list(answer_periods(book, period_pb2.PeriodsRequest()).closes) == [close]  # type: ignore[arg-type]
    assert amounts(show(book)) == {("requests", "acme"): ("24", "0", "24")}
    assert show(book).rows[0].coverage == "1"


def test_everything_that_is_closed_is_booked_by_it(book: MemoryJournal) -> None:
    book.send("one", content(**read()))
    closer(book).close(asked(), "")
    assert book.view().count("entries") == 24


def test_what_comes_later_is_a_correction_and_the_close_stays(book: MemoryJournal) -> None:
    book.send("one", content(**read()))
    closer(book).close(asked(), "")
    position = len(book.records)
    then = show(book)
    book.send("two", content(samples=[(1, DAY + 90 * MINUTE, 9.0)]))
    row = show(book).rows[0]
    assert (row.quantity, row.corrected, row.now, row.entries, row.last_position) == ("24", "9", "33", 0, 0)
    Booker(book).book()  # type: ignore[arg-type]
    row = show(book).rows[0]
    assert (row.quantity, row.corrected, row.now, row.entries) == ("24", "9", "33", 1)
    assert row.last_position == len(book.records)
    assert show(book, as_of=position) == then


def test_a_tenant_that_came_or_went_since_is_there(book: MemoryJournal) -> None:
    book.send("one", content(**read()))
    closer(book).close(asked(), "")
    book.send("two", content(series=[series(1, source="a", tenant="bcorp", since=DAY - HOUR)]))
    assert amounts(show(book)) == {("requests", "acme"): ("24", "-24", "0"), ("requests", "bcorp"): ("0", "24", "24")}


def test_closing_again_changes_nothing_and_is_told(book: MemoryJournal) -> None:
    book.send("one", content(**read()))
    first = closer(book).close(asked(), "")
    count = len(book.records)
    again = closer(book).close(asked(author="bob", force=True, reason="again"), "")
    assert (again.outcome, list(again.closes)) == ("already closed", list(first.closes))
    assert again.closes[0].author == "ada"
    assert len(book.records) == count


def test_what_is_left_of_a_period_can_be_closed(book: MemoryJournal) -> None:
    book.send("one", content(**read()))
    first = closer(book).close(asked(meters=["peak"]), "")
    rest = closer(book).close(asked(), "")
    assert (first.outcome, rest.outcome) == ("closed", "closed")
    assert [list(each.meters) for each in rest.closes] == [["peak"], ["requests"]]
    assert closer(book).close(asked(meters=["requests"]), "").outcome == "already closed"
    # Another period is another matter, also where it is a part of this one.
    assert closer(book).close(asked("2026-03-10T00:00:00Z/2026-03-10T12:00:00Z"), "").outcome == "closed"
    assert [each.closed for each in show(book, meters=["requests"]).rows] == [rest.closes[1].position]


def failed(start: int, end: int) -> tuple[Any, ...]:
    return coverage(0, "failed", source="b", start=DAY + start * HOUR, end=DAY + end * HOUR, reason="timeout")


def test_it_is_refused_with_meters_tenants_and_holes(book: MemoryJournal) -> None:
    book.send("one", content(**read()))
    gaps = [coverage(0, source="b", start=DAY, end=DAY + 10 * HOUR), failed(10, 13)]
    book.send("two", content(**read("b", "bcorp", 2, coverage=gaps)))
    found = closer(book).close(asked(), "")
    assert (found.outcome, found.obstacles_total, list(found.closes)) == ("refused", 1, [])
    (obstacle,) = found.obstacles
    assert (obstacle.meter, obstacle.tenant, obstacle.kind) == ("requests", "bcorp", "coverage")
    assert [(hole.source, hole.agent, hole.start, hole.end, hole.status) for hole in obstacle.holes] == [
        ("b", "two", "2026-03-10T10:00:00Z", "2026-03-10T13:00:00Z", "failed"),
        ("b", "two", "2026-03-10T13:00:00Z", "2026-03-11T00:00:00Z", "silent"),
    ]
    assert "it comes when the agent delivers" in obstacle.holes[1].outlook
    assert list(answer_periods(book, period_pb2.PeriodsRequest()).closes) == []  # type: ignore[arg-type]
    # The other meter has no gate.
    assert closer(book).close(asked(meters=["peak"]), "").outcome == "closed"


def test_by_force_it_is_closed_and_what_was_missing_is_kept(book: MemoryJournal) -> None:
    book.send("two", content(**read("b", "bcorp", 2, coverage=[failed(0, 25)])))
    found = closer(book).close(asked(force=True, reason="the customer agreed"), "")
    assert (found.outcome, found.obstacles_total) == ("closed", 1)
    (close,) = answer_periods(book, period_pb2.PeriodsRequest()).closes  # type: ignore[arg-type]
    assert (close.forced, close.reason, close.missing_total) == (True, "the customer agreed", 1)
    assert list(close.missing) == list(found.obstacles) and close.missing[0].holes[0].reason == "timeout"
    assert show(book).rows[0].coverage == "0"


def test_force_where_nothing_is_in_the_way_is_none(book: MemoryJournal) -> None:
    book.send("one", content(**read()))
    assert not closer(book).close(asked(force=True, reason="to be sure"), "").closes[0].forced


def test_what_is_open_is_not_closed_before_its_time(book: MemoryJournal) -> None:
    book.send("one", content(**read(coverage=[coverage(0, source="a", start=DAY, end=DAY + 24 * HOUR - MINUTE)])))
    midnight = DAY + 24 * HOUR
    found = closer(book, midnight).close(asked(meters=["requests"]), "")
    assert [each.kind for each in found.obstacles] == ["open"]
    assert closer(book, midnight + 5 * MINUTE).close(asked(meters=["requests"]), "").outcome == "closed"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (asked(author=""), "author: say who closes"),
        (asked(force=True, reason=" "), "reason: say why the period is closed by force"),
        (asked(reason="x" * 1_001), "reason: has more than 1000 characters; say it in fewer"),
        (asked("March"), "period: 'March' is neither a month such as 2026-03"),
        (
            asked("2026-03"),
            "period: 2026-03 is 2026-03-01T00:00:00Z to 2026-04-01T00:00:00Z and has not ended; close it",
        ),
        (asked(zone="Berlin"), "zone: 'Berlin' is not an IANA time zone; did you mean 'Europe/Berlin'?"),
        (asked(meters=["request"]), "meters: there is no meter 'request'; did you mean 'requests'?"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_booked(
    book: MemoryJournal, request_: period_pb2.ClosePeriodRequest, message: str
) -> None:
    book.send("one", content(**read()))
    count = len(book.records)
    with pytest.raises(BadQuestion) as error:
        closer(book).close(request_, "")
    assert str(error.value).startswith(message)
    assert len(book.records) == count


def test_a_meter_that_does_not_hold_yet(book: MemoryJournal) -> None:
    book.define(METERS.partition("---")[0].replace("name: requests", "name: new\neffective_from: 2026-04-01"))
    with pytest.raises(BadQuestion, match="meters: 'new' holds in no window that begins in 2026-03-10T00:00:00Z"):
        closer(book).close(asked(meters=["new"]), "")
    assert "new" not in closer(book).close(asked(), "").closes[0].meters


def test_without_any_meter_there_is_nothing_to_close() -> None:
    with memory_journal(NOW) as journal, pytest.raises(BadQuestion, match="meters: none holds"):
        closer(journal).close(asked(), "")


def test_what_is_not_closed_cannot_be_shown(book: MemoryJournal) -> None:
    with pytest.raises(BadQuestion, match=r"period: 2026-03-10 is .* and is not closed; no period is"):
        show(book)
    book.send("one", content(**read()))
    closer(book).close(asked(meters=["requests"]), "")
    with pytest.raises(BadQuestion, match=r"the last that are: 2026-03-10T00:00:00Z to 2026-03-11T00:00:00Z;"):
        show(book, "2026-03")
    with pytest.raises(BadQuestion, match="is not closed"):
        show(book, zone="Europe/Berlin")
    with pytest.raises(BadQuestion, match="meters: there is no closed meter 'peak'; there are requests"):
        show(book, meters=["peak"])


@pytest.mark.parametrize("survived", range(3))
def test_a_ledger_that_is_killed_in_the_middle_goes_on_where_it_was(
    book: MemoryJournal, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """It dies after so many records of its own; what is begun again ends as if nothing had been."""
    book.send("one", content(**read()))
    book.send("one", content(series=[series(2, "gauge", metric="memory", since=DAY)], samples=[(2, DAY + HOUR, 5.0)]))
    extend, written = book.extend, []

    def dying(*record: Any) -> Head:
        if len(written) == survived:
            raise LogUnavailable("gone")
        written.append(record)
        return extend(*record)

    with monkeypatch.context() as patch:
        patch.setattr(book, "extend", dying)
        with pytest.raises(LogUnavailable):
            closer(book).close(asked(), "")
    assert len(written) == survived
    assert list(answer_periods(book, period_pb2.PeriodsRequest()).closes) == []  # type: ignore[arg-type]
    assert closer(book).close(asked(), "").outcome == "closed"
    assert amounts(show(book)) == {("peak", "acme"): ("5", "0", "5"), ("requests", "acme"): ("24", "0", "24")}
    assert (book.view().count("entries"), book.view().count("runs"), book.view().count("acts")) == (25, 2, 1)


def filled(journal: Journal, definitions: MemoryJournal) -> None:
    """The meters and a day of usage in a journal on disk."""
    written = next(each for each in definitions.records if each.kind is Kind.DEFINITIONS)
    extend(journal, Kind.DEFINITIONS, DEFINITIONS_CHAIN, written.payload)
    append(journal, content(**read()))


def at_once(*closes: Callable[[], period_pb2.ClosePeriodResponse]) -> list[period_pb2.ClosePeriodResponse]:
    ready = threading.Barrier(len(closes))

    def begun(close: Callable[[], period_pb2.ClosePeriodResponse]) -> period_pb2.ClosePeriodResponse:
        ready.wait()
        return close()

    with ThreadPoolExecutor(len(closes)) as pool:
        return list(pool.map(begun, closes))


def test_of_two_that_close_at_once_one_wins_and_the_other_is_told(tmp_path: Path, book: MemoryJournal) -> None:
    with opened(tmp_path / "store") as journal:
        filled(journal, book)
        replicas = {name: closer(journal) for name in ("ada", "bob", "cleo")}
        found = at_once(*(lambda name=name: replicas[name].close(asked(author=name), name) for name in replicas))
        assert sorted(each.outcome for each in found) == ["already closed", "already closed", "closed"]
        winner = next(each for each in found if each.outcome == "closed").closes[0]
        assert [list(each.closes) for each in found] == [[winner]] * 3
        assert list(answer_periods(journal, period_pb2.PeriodsRequest()).closes) == [winner]
        assert journal.view().count("entries") == 24


PIECES = [(quarter, float(value)) for value, quarter in enumerate(range(0, 25 * 4, 6))]


@pytest.mark.slow
@settings(max_examples=10)
@given(st.permutations(PIECES), st.integers(0, len(PIECES)), st.booleans())
def test_a_close_is_stable_and_nothing_is_lost_by_it(
    order: list[tuple[int, float]], before: int, is_booked: bool
) -> None:
    """Whatever had come when it was closed: the close says that for ever, and with what was corrected it is what there is."""
    with memory_journal(NOW - HOUR) as journal:
        journal.define(METERS)
        journal.send("one", content(**read(samples=[], coverage=[])))
        for quarter, value in order[:before]:
            journal.send("one", content(samples=[(1, DAY + quarter * 15 * MINUTE, value)]))
        assert closer(journal).close(asked(), "").outcome == "closed"
        position = len(journal.records)
        then = show(journal)
        for quarter, value in order[before:]:
            journal.send("one", content(samples=[(1, DAY + quarter * 15 * MINUTE, value)]))
            if is_booked:
                Booker(journal).book()  # type: ignore[arg-type]
        assert show(journal, as_of=position) == then
        ((quantity, corrected, now),) = amounts(show(journal)).values()
        assert now == "16" and int(quantity) + int(corrected) == 16
        assert {row.quantity for row in then.rows} <= {quantity}


def test_a_meter_that_cannot_be_booked_is_in_the_way_of_itself_alone() -> None:
    huge = "---\nkind: meter\nname: huge\nspec: {source: {metric: spilt}, aggregation: increase, measured_in: GBy, unit: By}\n"
    with memory_journal(NOW - HOUR) as journal:
        journal.define(METERS + huge)
        values = [(2, DAY + minute * MINUTE, 0.0 if minute % 2 else 2.0**62 - 512) for minute in range(45)]
        told = read()
        spilt = series(2, source="a", metric="spilt", since=DAY - HOUR)
        journal.send(
            "one", content(**told | {"series": [*told["series"], spilt], "samples": [*told["samples"], *values]})
        )
        with pytest.raises(Unbookable, match="meter huge: acme has"):
            closer(journal).close(asked(), "ada")
        closed = closer(journal).close(asked(meters=["requests"]), "ada")
        assert closed.outcome == "closed" and list(closed.closes[0].meters) == ["requests"]

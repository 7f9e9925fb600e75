"""What was missing of the hour that was closed last, by source and by meter."""

from __future__ import annotations

from typing import Any

from ledger.directory.standing import catalog_of
from ledger.metering.gaps import SILENCE_US_MAX, Gaps, gaps
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, coverage, series

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")
METER = "kind: meter\nname: %s\nspec: {source: {metric: requests_total}, aggregation: increase, unit: u}\n"


def told(source: str, start: float, end: float, status: str = "complete") -> tuple[Any, ...]:
    """A coverage record of some minutes after ten."""
    return coverage(0, status, source=source, start=TEN + int(start * MINUTE), end=TEN + int(end * MINUTE))


def minutes_in(source: str, *failed: int, until: int = 70) -> list[tuple[Any, ...]]:
    """A record a minute, some of them of failures."""
    return [told(source, at, at + 1, "failed" if at in failed else "complete") for at in range(until)]


def found(journal: MemoryJournal, at: float) -> Gaps:
    """As asked some minutes after ten."""
    view = journal.view()
    return gaps(view, catalog_of(view), TEN + int(at * MINUTE), 5 * MINUTE)


def test_the_hour_is_the_last_that_is_closed() -> None:
    with memory_journal(TEN + 2 * HOUR) as journal:
        journal.send("one", content(coverage=minutes_in("a")))
        assert [found(journal, at).end_us for at in (64, 65, 124, 125)] == [TEN, TEN + HOUR, TEN + HOUR, TEN + 2 * HOUR]
        assert found(journal, 65) == Gaps(TEN, TEN + HOUR, {}, {})


def test_what_failed_and_what_nobody_told_of_is_missing() -> None:
    with memory_journal(TEN + HOUR) as journal:
        journal.define(METER % "m")
        journal.send("one", content(series=[series(1, source="a"), series(2, source="b"), series(3, source="well")]))
        journal.send("one", content(coverage=[*minutes_in("a", 3, 4, 5), *minutes_in("well")]))
        journal.send("two", content(coverage=minutes_in("b", until=20)))
        told_of = found(journal, 65)
        assert told_of.sources == {"a": 3 * MINUTE, "b": 40 * MINUTE}
        assert told_of.meters == {"m": (43 * MINUTE, 3 * HOUR)}
        # The agent that was silent sends what it had spooled.
        journal.send("two", content(coverage=[told("b", at, at + 1) for at in range(20, 70)]))
        assert found(journal, 71).meters == {"m": (3 * MINUTE, 3 * HOUR)}


def test_a_source_that_is_of_no_meter_is_told_of_by_itself() -> None:
    with memory_journal(TEN + HOUR) as journal:
        journal.define(METER % "m")
        journal.send(
            "one", content(series=[series(1, source="a")], coverage=[*minutes_in("a"), *minutes_in("other", 7)])
        )
        assert found(journal, 65).sources == {"other": MINUTE}
        assert found(journal, 65).meters == {"m": (0, HOUR)}


def test_a_meter_that_does_not_hold_yet_is_left_out() -> None:
    later = METER % "later" + "effective_from: 2026-04-01\n"
    with memory_journal(TEN + HOUR) as journal:
        journal.define(METER % "m" + "---\n" + later)
        assert found(journal, 65).meters == {"m": (0, 0)}


def test_who_fell_silent_long_ago_is_not_told_of_for_ever() -> None:
    with memory_journal(TEN + HOUR) as journal:
        journal.send("one", content(coverage=minutes_in("a", until=20)))
        silent = (20 * MINUTE + SILENCE_US_MAX) / MINUTE
        assert found(journal, silent - 1).sources == {"a": HOUR}
        assert found(journal, silent).sources == {}

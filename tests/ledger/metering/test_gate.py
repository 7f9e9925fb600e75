"""What stands in the way of closing a period, and on whose watch the usage of a tenant stands."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.metering.gate import Inspection, Obstacle
from ledger.metering.observation import Accounts
from ledger.metering.sources import tenants_behind
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, coverage, event, series

HOUR, MINUTE, DAY = instants.HOUR_US, 60 * instants.SECOND_US, instants.DAY_US
TEN = instants.parse("2026-03-01T10:00:00Z")
NOON = TEN + 2 * HOUR
SPEC = "kind: meter\nname: {}\nspec: {{source: {}, aggregation: {}, unit: u{}}}\n"


def define(
    journal: MemoryJournal, more: str = "", source: str = "{metric: requests_total}", kind: str = "increase"
) -> None:
    journal.define(SPEC.format("m", source, kind, f", {more}" if more else ""))


def told(source: str, start: float, end: float, status: str = "complete", reason: str = "") -> tuple[Any, ...]:
    """A coverage record of some minutes after ten."""
    return coverage(
        0, status, source=source, start=TEN + int(start * MINUTE), end=TEN + int(end * MINUTE), reason=reason
    )


def read(number: int, source: str, tenant: str, *samples: tuple[float, float]) -> dict[str, Any]:
    return {
        "series": [series(number, source=source, tenant=tenant, since=TEN - DAY)],
        "samples": [(number, TEN + int(minute * MINUTE), value) for minute, value in samples],
    }


def obstacles(journal: MemoryJournal, now_us: int = NOON + HOUR, name: str = "m") -> list[Obstacle]:
    """What is in the way of the two hours after ten."""
    view = journal.view()
    inspection = Inspection(view, catalog_of(view), TEN, NOON, now_us=now_us, lateness_us=5 * MINUTE)
    return inspection.obstacles([name])


def test_nothing_is_in_the_way_of_what_is_closed_and_was_observed() -> None:
    with memory_journal(NOON) as journal:
        define(journal, "gate: 1, estimated_max: 0, max_gap_s: 86400")
        journal.send("one", content(**read(1, "a", "acme", (0, 0), (120, 5)), coverage=[told("a", 0, 121)]))
        assert obstacles(journal) == []


def test_a_meter_that_holds_in_no_window_is_in_nobodys_way() -> None:
    with memory_journal(NOON) as journal:
        journal.define(
            SPEC.format("m", "{event: sale}", "count", "").replace("spec:", "effective_from: 2026-04-01\nspec:")
        )
        assert obstacles(journal, now_us=NOON) == []


def test_an_open_window_tells_who_is_waited_for_and_until_when() -> None:
    with memory_journal(NOON) as journal:
        define(journal)
        journal.send("one", content(**read(1, "a", "acme", (0, 0)), coverage=[told("a", 0, 118)]))
        (found,) = obstacles(journal, NOON + MINUTE)
        assert (found.meter, found.tenant, found.kind) == ("m", "", "open")
        assert found.reason == (
            "windows are closed until 2026-03-01T11:58:00Z and the last one ends at 2026-03-01T12:00:00Z: it closes at "
            "2026-03-01T12:05:00Z at the latest"
        )
        (awaited,) = found.holes
        assert (awaited.source, awaited.hole.agent, awaited.hole.status) == ("a", "one", "awaited")
        assert (awaited.hole.start_us, awaited.hole.end_us) == (TEN + 118 * MINUTE, NOON)
        assert "nobody waits beyond 2026-03-01T12:05:00Z" in awaited.hole.outlook
        assert obstacles(journal, NOON + 5 * MINUTE) == []


def test_an_open_window_that_nobody_accounts_for() -> None:
    with memory_journal(NOON) as journal:
        define(journal, source="{event: sale}", kind="count")
        journal.send("one", content(events=[event(1, time=TEN, origin="pushed")]))
        (found,) = obstacles(journal, NOON)
        assert found.reason.endswith("and not before, since no agent accounts for pushed")


def test_the_last_window_may_end_behind_the_period() -> None:
    with memory_journal(NOON) as journal:
        define(journal, "window: day")
        journal.send("one", content(**read(1, "a", "acme", (0, 0)), coverage=[told("a", 0, 120)]))
        assert obstacles(journal, NOON) == []
        view = journal.view()
        inspection = Inspection(view, catalog_of(view), TEN - 10 * HOUR, NOON, now_us=NOON, lateness_us=0)
        (found,) = inspection.obstacles(["m"])
        assert "the last one ends at 2026-03-02T00:00:00Z" in found.reason


@pytest.mark.parametrize(("gate", "is_refused"), [("0.75", False), ("0.7500000001", True), ("1", True), ("0", False)])
def test_the_gate_is_exact(gate: str, is_refused: bool) -> None:
    with memory_journal(NOON) as journal:
        define(journal, f"gate: {gate}")
        records = [told("a", 0, 60), told("a", 60, 90, "failed", "timeout"), told("a", 90, 120)]
        journal.send("one", content(**read(1, "a", "acme", (0, 0), (120, 5)), coverage=records))
        found = obstacles(journal)
        assert [(each.tenant, each.kind) for each in found] == ([("acme", "coverage")] if is_refused else [])
        for each in found:
            assert each.reason == f"0.75 of the expected time was observed, and the gate is {gate}"
            ((hole,), total) = each.holes, each.holes_total
            assert (hole.source, hole.hole.status, hole.hole.reason, total) == ("a", "failed", "timeout", 1)
            assert "booked as estimated" in hole.hole.outlook


def test_what_another_agent_saw_is_not_missing() -> None:
    with memory_journal(NOON) as journal:
        define(journal, "gate: 0.9")
        both = [told("a", 0, 30, "failed"), told("a", 30, 120, "failed")]
        journal.send("one", content(**read(1, "a", "acme", (0, 0), (120, 5)), coverage=both))
        journal.send("two", content(coverage=[told("a", 0, 60)]))
        (found,) = obstacles(journal)
        assert [each.hole.start_us for each in found.holes] == [TEN + 30 * MINUTE]


def test_every_tenant_has_a_gate_of_its_own() -> None:
    with memory_journal(NOON) as journal:
        define(journal, "gate: 0.9")
        journal.send("one", content(**read(1, "a", "acme", (0, 0), (120, 5)), coverage=[told("a", 0, 120)]))
        journal.send(
            "two", content(**read(2, "b", "bcorp", (0, 0), (60, 5)), coverage=[told("b", 0, 50), told("b", 50, 60)])
        )
        (found,) = obstacles(journal)
        assert (found.tenant, found.holes[0].source) == ("bcorp", "b")
        assert (found.holes[0].hole.status, "spooled" in found.holes[0].hole.outlook) == ("silent", True)


def test_silence_is_judged_by_the_clock_and_not_by_the_book() -> None:
    """Everybody fell silent before the period: there is no quantity in it, and nothing is written any more."""
    with memory_journal(TEN - HOUR) as journal:
        define(journal, "gate: 0.5")
        sent = read(1, "a", "acme", (-180, 0), (-90, 5))
        journal.send("one", content(**sent, coverage=[told("a", -180, -100), told("a", -100, -90)]))
        (found,) = obstacles(journal)
        assert (found.tenant, found.kind) == ("acme", "coverage")
        assert found.reason.startswith("0 of the expected time")


def test_who_was_silent_for_three_months_is_not_expected_any_more() -> None:
    with memory_journal(TEN - HOUR) as journal:
        define(journal, "gate: 0.5")
        long_ago = -100 * 24 * 60
        sent = read(1, "a", "acme", (long_ago, 0), (long_ago + 60, 5))
        journal.send("one", content(**sent, coverage=[told("a", long_ago, long_ago + 60)]))
        assert obstacles(journal) == []


def test_a_source_that_has_ended_is_expected_until_then() -> None:
    with memory_journal(NOON) as journal:
        define(journal, "gate: 1")
        ended = [told("a", 0, 30), told("a", 30, 31), told("b", 0, 120)]
        journal.send("one", content(**read(1, "a", "acme", (0, 0), (31, 5)), coverage=ended))
        assert obstacles(journal) == []


@pytest.mark.parametrize(("estimated_max", "is_refused"), [("0.5", False), ("0.4999", True), ("0", True)])
def test_how_much_may_be_estimated(estimated_max: str, is_refused: bool) -> None:
    with memory_journal(NOON) as journal:
        define(journal, f"estimated_max: {estimated_max}, max_gap_s: 3600")
        samples = [(0, 0.0), (15, 10.0), (90, 20.0)]
        journal.send("one", content(**read(1, "a", "acme", *samples), coverage=[told("a", 0, 120)]))
        journal.send("one", content(**read(2, "a", "bcorp", (0, 0), (30, 7))))
        found = obstacles(journal)
        assert [(each.tenant, each.kind) for each in found] == ([("acme", "estimated")] if is_refused else [])
        assert all(each.reason.startswith("10 of 20 are estimated") for each in found)


def test_the_gate_is_that_of_the_version_that_holds_last() -> None:
    with memory_journal(NOON) as journal:
        define(journal, "gate: 1")
        later = SPEC.format("m", "{metric: requests_total}", "increase", ", gate: 0.1")
        journal.define(later.replace("spec:", 'effective_from: "2026-03-01T11:00:00Z"\nspec:'), {"m": 2})
        journal.send(
            "one",
            content(**read(1, "a", "acme", (0, 0), (120, 5)), coverage=[told("a", 0, 60), told("a", 60, 120, "lost")]),
        )
        assert obstacles(journal) == []


def behind(journal: MemoryJournal, start_us: int = TEN, end_us: int = NOON) -> dict[str, set[str]]:
    view = journal.view()
    meter = catalog_of(view).versions("meter", "m")[-1].spec
    assert isinstance(meter, Meter)
    found = tenants_behind(view, meter, Accounts(view, NOON), start_us, end_us)
    return {tenant: set(sources) for tenant, sources in found.items()}


def test_a_tenants_sources_are_those_that_told_of_it_in_the_period() -> None:
    with memory_journal(NOON) as journal:
        define(journal)
        journal.send("one", content(**read(1, "a", "acme", (0, 0), (30, 1)), coverage=[told("a", -9_000, 120)]))
        journal.send("one", content(**read(2, "b", "acme", (-8_000, 0)), coverage=[told("b", -9_000, 120)]))
        journal.send("one", content(**read(3, "b", "bcorp", (130, 0))))
        assert behind(journal) == {"acme": {"a"}}
        # A series that is given to another tenant is of both on the way.
        journal.send("one", content(series=[series(1, source="a", tenant="bcorp", since=TEN + 20 * MINUTE)]))
        assert behind(journal) == {"acme": {"a"}, "bcorp": {"a"}}
        assert behind(journal, TEN + 25 * MINUTE) == {"acme": {"a"}, "bcorp": {"a"}}
        assert behind(journal, TEN - 20 * DAY, TEN - 19 * DAY) == {}


def test_the_sources_of_events_are_those_that_collected_them() -> None:
    with memory_journal(NOON) as journal:
        define(journal, "filter: {size: xl}", "{event: sale}", "count")
        rows = [
            event(1, time=TEN, origin="log"),
            event(2, time=TEN, origin="small", properties='{"size":"s"}'),
            event(3, time=TEN, origin="log", tenant="bcorp"),
            event(4, time=TEN - 3 * DAY, origin="older"),
        ]
        journal.send("one", content(events=rows, coverage=[told("log", 0, 120), told("older", -9_000, 120)]))
        assert behind(journal) == {"acme": {"log"}, "bcorp": {"log"}}

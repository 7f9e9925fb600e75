"""A reassignment gives what it is about to another tenant, as long as it holds, and nothing else to anybody."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ledger.directory.standing import catalog_of
from ledger.journal.record import Kind
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.metering.news import Cause
from ledger.metering.reassigning import NEVER_US, NONE, Reassignments, Standing, reassignments_of
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, event, series

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")
METERS = """\
kind: meter
name: requests
spec: {source: {metric: requests_total}, aggregation: increase, unit: requests, max_gap_s: 86400}
---
kind: meter
name: sales
spec: {source: {event: sale}, aggregation: sum, unit: items}
"""
Sums = dict[tuple[str, int], str]


def reassign(
    journal: MemoryJournal, spec: str, since: float | None = 1, name: str = "r", version: int = 1, reason: str = "tags"
) -> int:
    """Write a version that holds since some hours after ten, or since ever."""
    effective = "" if since is None else f"effective_from: {instants.text(TEN + int(since * HOUR))}\n"
    text = f"kind: reassignment\nname: {name}\n{effective}spec: {{{spec}, reason: {reason}}}\n"
    return journal.define(text, {name: version})


def until(hour: float) -> str:
    return f"until: {instants.text(TEN + int(hour * HOUR))!r}"


def send(journal: MemoryJournal, **changes: Any) -> None:
    """A counter that is read, and an event of 1 that happens, at half past ten and every half hour later, until three."""
    samples = [(1, TEN + half * 30 * MINUTE, float(half)) for half in range(11)]
    events = [event(half, time=TEN + half * 30 * MINUTE, value=Decimal(1)) for half in range(1, 10)]
    journal.send("one", content(series=[series(1, **{"since": TEN} | changes)], samples=samples, events=events))


def sums(journal: MemoryJournal, meter: str, position: int = 0) -> Sums:
    """Quantity by tenant and hour after ten."""
    view = journal.view(position)
    rows = usage(view, catalog_of(view), TEN - 9 * HOUR, TEN + 9 * HOUR, meters=[meter], window="own")
    return {(row.tenant, (row.window_us or 0) // HOUR - TEN // HOUR): f"{row.quantity.normalize():f}" for row in rows}


def booked(journal: MemoryJournal) -> Booker:
    booker = Booker(journal)  # type: ignore[arg-type]
    booker.book()
    return booker


def causes(journal: MemoryJournal) -> list[list[str]]:
    """Why each run was."""
    runs = [journal_pb2.RunRecord.FromString(each.payload) for each in journal.records if each.kind is Kind.RUN]
    return [[Cause(c.kind, c.name, c.count, 0, 0).text for c in run.causes] for run in runs]  # type: ignore[arg-type]


@pytest.mark.parametrize("is_booked", [False, True])
def test_it_holds_from_its_beginning_until_its_end(is_booked: bool) -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        journal.define(METERS)
        send(journal)
        before = {meter: sums(journal, meter) for meter in ("requests", "sales")}
        if is_booked:
            booked(journal)
        standing = len(journal.records)
        reassign(journal, f"from: acme, to: blue, {until(3)}")
        for _ in range(2):
            assert sums(journal, "requests") == {
                ("acme", 0): "2", ("blue", 1): "2", ("blue", 2): "2", ("acme", 3): "2", ("acme", 4): "2",
            }  # fmt: skip
            assert sums(journal, "sales") == {
                ("acme", 0): "1", ("blue", 1): "2", ("blue", 2): "2", ("acme", 3): "2", ("acme", 4): "2",
            }  # fmt: skip
            assert {meter: sums(journal, meter, standing) for meter in before} == before
            booker = booked(journal)
        assert booker.book()[1] == 0


def test_windows_before_it_are_not_booked_again() -> None:
    """The reading at eleven tells of the hour of ten, and so it belongs to whom that hour belongs."""
    with memory_journal(TEN + 5 * HOUR) as journal:
        journal.define(METERS)
        send(journal)
        booked(journal)
        reassign(journal, "from: acme, to: blue", 2)
        booked(journal)
        runs = [journal_pb2.RunRecord.FromString(each.payload) for each in journal.records if each.kind is Kind.RUN]
        assert {(entry.tenant, entry.hour_us >= TEN + 2 * HOUR) for run in runs[2:] for entry in run.entries} == {
            ("acme", True), ("blue", True),
        }  # fmt: skip


@pytest.mark.parametrize("first", ["usage", "reassignment"])
def test_what_comes_after_it_is_subject_to_it(first: str) -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        journal.define(METERS)
        acts = [lambda: send(journal), lambda: reassign(journal, "from: acme, to: blue")]
        for act in acts if first == "usage" else reversed(acts):
            act()
            booked(journal)
        assert sums(journal, "requests")["blue", 1] == sums(journal, "sales")["blue", 1] == "2"
        assert ("acme", 1) not in sums(journal, "requests") | sums(journal, "sales")


@pytest.mark.parametrize(
    ("spec", "requests", "sales"),
    [
        ("from: acme, to: blue", True, True),
        ("from: green, to: blue", False, False),
        ("to: blue, source: prometheus/shop", True, False),
        ("to: blue, source: logfile", False, True),
        ("to: blue, filter: {code: '200'}", True, False),
        ("to: blue, filter: {size: [xl, m]}", False, True),
        ("to: blue, filter: {pod: {exists: true}}", True, False),
        ("to: blue, any: [{size: m}, {code: {begins: '2'}}]", True, False),
        ("to: blue, from: acme, filter: {size: s}", False, False),
    ],
)
def test_what_it_is_about(spec: str, requests: bool, sales: bool) -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        journal.define(METERS)
        send(journal, attributes='{"pod":"p"}')
        reassign(journal, spec, None)
        for meter, moves in (("requests", requests), ("sales", sales)):
            assert {tenant for tenant, _ in sums(journal, meter)} == {"blue" if moves else "acme"}


def test_the_one_recorded_last_holds_whatever_the_others_made_of_it() -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        journal.define(METERS)
        send(journal)
        reassign(journal, "from: acme, to: blue", 0, "a")
        reassign(journal, f"from: acme, to: green, {until(2)}", 1, "b")
        # What was acme's is judged as acme's: nothing was told of blue.
        reassign(journal, "from: blue, to: red", 0, "c")
        found = sums(journal, "sales")
        assert {hour: tenant for tenant, hour in found} == {0: "blue", 1: "green", 2: "blue", 3: "blue", 4: "blue"}
        reassign(journal, "from: acme, to: blue", 0, "a", 2)
        assert {tenant for tenant, _ in sums(journal, "sales")} == {"blue"}


def test_a_newer_version_takes_the_place_of_all_of_the_older() -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        journal.define(METERS)
        send(journal)
        before = sums(journal, "requests")
        reassign(journal, "from: acme, to: blue", 1)
        booked(journal)
        reassign(journal, "from: acme, to: green", 3, version=2)
        booked(journal)
        tenants = {hour: tenant for tenant, hour in sums(journal, "requests")}
        assert tenants == {0: "acme", 1: "acme", 2: "acme", 3: "green", 4: "green"}
        reassign(journal, f"from: acme, to: green, {until(3)}", 3, version=3)
        booked(journal)
        assert sums(journal, "requests") == before
        assert reassignments_of(journal.view()) == NONE


def test_a_gauge_of_shared_resources_is_measured_again_as_far_as_that_reaches() -> None:
    """Who takes over a resource's reading makes the one before it the last of its tenant, which holds for nothing."""
    with memory_journal(TEN + 5 * HOUR) as journal:
        journal.define(
            "kind: meter\nname: m\nspec: {source: {metric: memory}, aggregation: integral, unit: u, per: [pod], max_gap_s: 600}\n"
        )
        row = {"metric": "memory", "labels": '{"pod":"p"}', "since": TEN}
        samples = [(1, TEN + minute * MINUTE, 1.0) for minute in (0, 10, 200, 210)]
        journal.send("one", content(series=[series(1, "gauge", **row)], samples=samples))
        booker = booked(journal)
        assert sums(journal, "m") == {("acme", 0): "1200", ("acme", 3): "600"}
        reassign(journal, "from: acme, to: blue", 2)
        for _ in range(2):
            assert sums(journal, "m") == {("acme", 0): "600", ("blue", 3): "600"}
            booker.book()
        assert booker.book()[1] == 0


def test_each_run_says_why() -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        journal.define(METERS)
        send(journal)
        booked(journal)
        reassign(journal, "from: acme, to: blue", name="team")
        booked(journal)
        journal.send("one", content(events=[event(99, time=TEN)]))
        booked(journal)
        assert causes(journal) == [["first"]] * 2 + [["reassignment team"]] * 2 + [["late"]]


def test_one_that_concerns_nothing_books_nothing() -> None:
    with memory_journal(TEN + 5 * HOUR) as journal:
        journal.define(METERS)
        send(journal)
        booker = booked(journal)
        records = len(journal.records)
        reassign(journal, "from: nobody, to: blue", None)
        booker.book()
        assert len(journal.records) == records + 1


def test_without_reassignments_everything_is_whose_it_was_told() -> None:
    assert NONE.owner("acme", "s", {}, 0) == "acme"
    assert NONE.owners("acme", "s", {}, 5, 9) == [(5, "acme")]
    assert NONE.pieces(5, 9) == [(5, 9)]


def test_owners_begin_with_the_start_and_change_at_moments() -> None:
    with memory_journal(TEN) as journal:
        reassign(journal, f"from: acme, to: blue, {until(3)}", 1, "a")
        reassign(journal, f"from: acme, to: blue, {until(2)}", 0, "b")
        found = reassignments_of(journal.view())
        assert found.owners("acme", "s", {}, TEN - HOUR, NEVER_US) == [
            (TEN - HOUR, "acme"), (TEN, "blue"), (TEN + 3 * HOUR, "acme"),
        ]  # fmt: skip
        assert found.owners("green", "s", {}, TEN, NEVER_US) == [(TEN, "green")]
        assert found.moments(TEN, TEN + 3 * HOUR) == [TEN + HOUR, TEN + 2 * HOUR]
        assert found.within(TEN + 2 * HOUR, TEN + 9 * HOUR).standing == found.standing[1:]


def test_what_changed_is_told_by_name_with_what_it_was() -> None:
    with memory_journal(TEN) as journal:
        first = reassign(journal, "from: acme, to: blue", 1, "a")
        second = reassign(journal, "from: acme, to: green", 2, "a", 2)
        view = journal.view()
        one, two = (reassignments_of(view, position) for position in (first, second))
        assert reassignments_of(view, 0) == NONE

        def told(changed: dict[str, tuple[Standing, ...]]) -> dict[str, list[int]]:
            return {name: [each.version for each in standing] for name, standing in changed.items()}

        assert told(one.changed(NONE)) == {"a": [1]}
        assert told(two.changed(one)) == {"a": [1, 2]}
        assert told(Reassignments().changed(two)) == {"a": [2]}
        assert told(two.changed(two)) == {}

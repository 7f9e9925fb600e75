"""Whatever is sent, in whatever order, however it was booked: the book says what the plain reference says."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.journal.view import View
from ledger.metering.answer import usage
from ledger.metering.measure import measure, windows_of
from ledger.metering.usage import Usage
from meterbook.wire.instants import DAY_US, HOUR_US
from tests.fakes.journal import memory_journal
from tests.ledger.metering.histories import (
    BASE,
    END,
    HOURS,
    MADE,
    METERS,
    Batch,
    Booking,
    Player,
    Redefinition,
    Step,
    answered,
    histories,
    summed,
)
from tests.ledger.metering.reference import Cells

pytestmark = pytest.mark.slow

WINDOWS = {"hour": HOUR_US, "day": DAY_US, "total": None}
FIRST, LAST = BASE - DAY_US, END + DAY_US
#: Long enough for the months and quarters of the made meters.
LONG_AGO = BASE - 100 * DAY_US
MAKING = st.lists(st.sampled_from(sorted(MADE)), min_size=3, max_size=3, unique=True)


def cells_of(view: View, meter: Meter, start: int, end: int) -> Cells:
    return {
        (key.tenant, key.dimensions, hour): (each.quantity, each.estimated, each.observed_us, each.expected_us)
        for (key, hour), each in measure(view, meter, start, end).items()
    }


def answer(view: View, start: int = FIRST, end: int = LAST, window: str = "hour") -> list[Usage]:
    return usage(view, catalog_of(view), start, end, window=window)


@settings(max_examples=40)
@given(histories(booked=False), st.integers(0, HOURS + 1), st.integers(0, HOURS + 1))
def test_measuring_gives_what_the_reference_gives(history: list[Step], one: int, other: int) -> None:
    low, high = sorted((BASE + one * HOUR_US, BASE + other * HOUR_US))
    with memory_journal() as journal:
        player = Player(journal)
        for step in history:
            player.play(step)
        view, expected = journal.view(), player.expected()
        for name in METERS:
            found = catalog_of(view).versions("meter", name)[-1].spec
            assert isinstance(found, Meter)
            assert cells_of(view, found, FIRST, LAST) == expected[name]
            part = {cell: amounts for cell, amounts in expected[name].items() if low <= cell[2] < high}
            assert cells_of(view, found, low, high) == part


@settings(max_examples=25)
@given(histories(booked=True), st.integers(0, HOURS + 1), st.integers(0, HOURS + 1))
def test_booking_at_any_moment_changes_no_answer(history: list[Step], one: int, other: int) -> None:
    low, high = sorted((BASE + one * HOUR_US, BASE + other * HOUR_US))
    with memory_journal() as journal:
        player = Player(journal)
        earlier: list[tuple[int, list[Usage]]] = []
        for step in history:
            note(repr(step))
            player.play(step)
            view, expected = journal.view(), player.expected()
            earlier.append((view.position, answer(view)))
            assert answered(answer(view)) == summed(expected, FIRST, LAST, HOUR_US)
        view = journal.view()
        for window, length in WINDOWS.items():
            assert answered(answer(view, window=window)) == summed(expected, FIRST, LAST, length)
            assert answered(answer(view, low, high, window)) == summed(expected, low, high, length)
        player.booker.book()
        assert answered(answer(journal.view())) == summed(player.expected(), FIRST, LAST, HOUR_US)
        assert player.booker.book()[1] == 0
        for position, rows in earlier:
            assert answer(journal.view(position)) == rows


@settings(max_examples=40)
@given(histories(booked=False), MAKING, st.integers(0, HOURS), st.integers(0, HOURS))
def test_every_aggregation_gives_what_the_reference_gives(
    history: list[Step], names: list[str], one: int, other: int
) -> None:
    with memory_journal() as journal:
        player = Player(journal, {name: MADE[name] for name in names})
        for step in history:
            player.play(step)
        view, expected = journal.view(), player.expected()
        for name in names:
            note(name)
            meter = catalog_of(view).versions("meter", name)[-1].spec
            assert isinstance(meter, Meter)
            windows = windows_of(meter)
            for low, high in ((LONG_AGO, LAST), sorted((BASE + one * HOUR_US, BASE + other * HOUR_US))):
                low, high = windows.start(low), windows.next(high)
                part = {cell: amounts for cell, amounts in expected[name].items() if low <= cell[2] < high}
                assert cells_of(view, meter, low, high) == part


@settings(max_examples=25)
@given(histories(booked=True), MAKING)
def test_booking_at_any_moment_changes_no_answer_of_any_aggregation(history: list[Step], names: list[str]) -> None:
    with memory_journal() as journal:
        player = Player(journal, {name: MADE[name] for name in names})
        earlier: list[tuple[int, list[Usage]]] = []
        for step in [*history, Booking(None)]:
            if isinstance(step, Redefinition):
                continue
            note(repr(step))
            player.play(step)
            view = journal.view()
            earlier.append((view.position, answer(view, LONG_AGO, LAST, "own")))
            assert answered(earlier[-1][1]) == summed(player.expected(), LONG_AGO, LAST, 1)
        assert player.booker.book()[1] == 0
        for position, rows in earlier:
            assert answer(journal.view(position), LONG_AGO, LAST, "own") == rows


@settings(max_examples=15)
@given(histories(booked=False), st.randoms(use_true_random=False), MAKING)
def test_no_aggregation_heeds_how_rows_were_batched(history: list[Step], random, names: list[str]) -> None:
    """Every row of a section in a batch of its own agent's, in the same order or, of events told once, in any."""
    sent = [step for step in history if isinstance(step, Batch)]
    seen: set[object] = set()
    for batch in sent:
        events = batch.rows["events"]
        events[:] = [row for row in events if row[1:3] not in seen and not seen.add(row[1:3])]  # type: ignore[func-returns-value]
    rows = [
        (batch.agent, section, row)
        for batch in sent
        for section in ("series", "samples", "coverage")
        for row in batch.rows[section]
    ]
    told = [(batch.agent, "events", row) for batch in sent for row in batch.rows["events"]]
    random.shuffle(told)
    # What defines a series stands before its samples.
    rows.sort(key=lambda row: row[1] != "series")
    found = []
    for steps in (sent, [Batch(agent, {section: [row]}, 0) for agent, section, row in [*told, *rows]]):
        with memory_journal() as journal:
            player = Player(journal, {name: MADE[name] for name in names})
            defined = [row for batch in sent for row in batch.rows["series"]]
            player.send(Batch("one", {"series": defined}, 0))
            for step in steps:
                player.send(Batch(step.agent, step.rows, 0))
            found.append(answered(answer(journal.view(), LONG_AGO, LAST, "own")))
    assert found[0] == found[1]


@settings(max_examples=10)
@given(histories(booked=True), st.sampled_from(["Europe/Berlin", "UTC"]))
def test_hours_add_up_to_days_and_days_to_months(history: list[Step], zone: str) -> None:
    """Whether a meter is made for hours, days or months: what adds up is the same in all of them."""
    units = {
        "hour": "hour",
        "day": f"{{unit: day, zone: {zone}}}",
        "month": f"{{unit: month, zone: {zone}, anchor: 2}}",
    }
    of = {
        "bytes": "source: {metric: memory}, aggregation: integral, max_gap_s: 1800",
        "requests": "source: {metric: requests}, aggregation: increase, group_by: [code]",
        "running": "source: {event: sale}, aggregation: active, changes: true, per: [shop]",
        "seats": "source: {event: sale}, aggregation: integral, per: [shop]",
        "sold": "source: {event: sale}, aggregation: sum",
    }
    meters = {
        f"{name} {unit}": f"{{{rest}, unit: each, window: {written}}}"
        for name, rest in of.items()
        for unit, written in units.items()
    }
    with memory_journal() as journal:
        player = Player(journal, meters)
        for step in history:
            if not isinstance(step, Redefinition):
                player.play(step)
        view = journal.view()
        catalog = catalog_of(view)
        rows = usage(view, catalog, LONG_AGO, END + 60 * DAY_US, window="own")
        for name in of:
            sums = []
            for unit in units:
                assert catalog.versions("meter", f"{name} {unit}")[-1].spec.is_additive  # type: ignore[attr-defined]
                found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
                for row in rows:
                    if row.meter == f"{name} {unit}":
                        found[row.tenant, row.dimensions] += row.quantity
                sums.append({key: quantity for key, quantity in found.items() if quantity})
            assert sums[0] == sums[1] == sums[2]
        by_day = usage(view, catalog, LONG_AGO, END + 60 * DAY_US, window="day", zone=zone)
        for name in of:
            alike = [
                {
                    (r.tenant, r.dimensions, r.window_us): (r.quantity, r.estimated)
                    for r in by_day
                    if r.meter == f"{name} {unit}"
                }
                for unit in ("hour", "day")
            ]
            nonzero = [{key: amounts for key, amounts in each.items() if any(amounts)} for each in alike]
            assert nonzero[0] == nonzero[1]


@settings(max_examples=15)
@given(histories(booked=True), st.randoms(use_true_random=False))
def test_the_order_of_batches_and_their_repetition_change_nothing_that_is_new(history: list[Step], random) -> None:
    """Only what contradicts itself may depend on the order, so each row here is given once."""
    sent = [step for step in history if isinstance(step, Batch)]
    seen: set[object] = set()
    for batch in sent:
        for section, at in (("samples", 2), ("events", 3), ("series", 1)):
            kept = []
            for row in batch.rows[section]:
                # One tenant per series and one value per (series, time): nothing contradicts itself.
                key = (section, row[1:3] if section == "events" else row[:at])
                if section == "series" or key not in seen:
                    kept.append((*row[:9], "acme", BASE) if section == "series" else row)
                seen.add(key)
            batch.rows[section][:] = kept
    with memory_journal() as journal:
        player = Player(journal)
        for step in history:
            player.play(step) if not isinstance(step, Batch) else player.send(Batch(step.agent, step.rows, 0))
        in_order = answered(answer(journal.view()))
    defined = [row for batch in sent for row in batch.rows["series"]]
    shuffled: list[Step] = [*(step for step in history if not isinstance(step, Batch))]
    again = [Batch(each.agent, each.rows, 0) for each in [*sent, *random.sample(sent, len(sent) // 2)]]
    random.shuffle(again)
    with memory_journal() as journal:
        player = Player(journal)
        player.send(Batch("one", {"series": defined, "samples": [], "events": [], "coverage": []}, 0))
        for step in [*shuffled, *again]:
            player.play(step)
            if random.random() < 0.3:
                player.play(Booking(random.choice([None, BASE + random.randrange(HOURS + 2) * HOUR_US])))
        assert answered(answer(journal.view())) == in_order


@settings(max_examples=15)
@given(histories(booked=True), histories(booked=False))
def test_another_tenant_changes_nobody_elses_usage(history: list[Step], others: list[Step]) -> None:
    """The newcomer's series and events are its own; only what sources were seen to do is shared, and left out here."""
    with memory_journal() as journal:
        player = Player(journal)
        for step in history:
            player.play(step)
        before = answer(journal.view())
        for step in others:
            assert isinstance(step, Batch)
            series = [
                (row[0] + 100, row[1] + 700, "new/source", *row[3:9], "newcomer", row[10])
                for row in step.rows["series"]
            ]
            events = [("new/source", "new", *row[2:5], "newcomer", *row[6:]) for row in step.rows["events"]]
            samples = [(row[0] + 100, *row[1:]) for row in step.rows["samples"]]
            player.send(Batch("three", {"series": series, "samples": samples, "events": events, "coverage": []}, 0))
            player.play(Booking(None))
        found = [row for row in answer(journal.view()) if row.tenant != "newcomer"]
        assert found == before

"""Whoever asks again is told what he would have been told without anybody having asked before: bills and usage change, and so do questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing import driven, known
from ledger.costing.allocating import allocate
from ledger.costing.bills import bills
from ledger.costing.ratios import ratios
from ledger.costing.reconciling import tenant_costs, unallocated
from ledger.directory.standing import catalog_of
from ledger.journal.view import View
from ledger.metering.booking import Booker
from ledger.schema.decimals import total
from meterbook.wire.instants import HOUR_US
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import MONTH, content, coverage, event
from tests.ledger.batches import bill as closing
from tests.ledger.costing.memory import hourly, meters, rule, tenants

METERS = ("cpu", "memory", "capacity")
WHERE = "where: {node: Tags.node}"
RULES = (
    f"driver: {{meter: cpu, {WHERE}}}",
    "driver: {meter: memory}",
    f"driver: {{meter: [cpu, memory], {WHERE}, capacity: {{meter: capacity}}}}",
    "driver: {meter: cpu, capacity: {amount_per_h: '2.5', rest: spare}}",
    f"split: {{cpu: {{price: 9, meter: cpu, {WHERE}, capacity: {{meter: capacity, where: {{}}}}}}, memory: {{price: 1, meter: memory, capacity: {{amount_per_h: 7}}}}}}",
    f"even: {{using: {{meter: cpu, {WHERE}}}}}",
)
HOURS = 4
NODES = st.sampled_from(["", "n1", "n2", None])
CHARGES = st.tuples(
    st.sampled_from(["1", "-1", "0.000000000000000001", "100"]),
    st.integers(0, HOURS),
    st.sampled_from([1, 2]),
    st.sampled_from(["A", "B"]),
    NODES,
)
BILLS = st.tuples(st.just("bill"), st.lists(CHARGES, min_size=1, max_size=5))
EVENTS = st.tuples(
    st.just("use"),
    st.tuples(
        st.sampled_from(METERS),
        st.sampled_from(["acme", "bcorp", "stranger"]),
        NODES,
        st.integers(0, HOURS),
        st.sampled_from(["1", "2", "-1", "0.333333333"]),
    ),
)
BOOKINGS = st.tuples(st.just("book"), st.integers(1, HOURS + 1))
#: How many positions ago.
QUESTIONS = st.tuples(st.just("ask"), st.sampled_from([0, 0, 0, 1, 2]))


class History:
    """A journal of bills and usage, and those who ask about it."""

    def __init__(self, journal: MemoryJournal, *rules: str) -> None:
        self.journal = journal
        self._number = 0
        journal.now_us = MONTH + 100 * HOUR_US
        journal.define("\n---\n".join([*meters(*METERS), *tenants("acme", "bcorp"), *rules]))

    @property
    def position(self) -> int:
        return len(self.journal.records)

    def bill(self, *charges: tuple[str, int, int, str, str | None]) -> None:
        """The month's bill, in the place of the one that stood."""
        self._number += 1
        version = f"v{self._number}"
        rows = [
            hourly(
                line, cost, hour, hours, ServiceName=service, Tags=json.dumps({} if node is None else {"node": node})
            )
            for line, (cost, hour, hours, service, node) in enumerate(charges)
        ]
        closed = closing(len(rows), str(total(row[4] for row in rows)), version, issued=MONTH + self._number)
        held = [(*row[:2], version, *row[3:]) for row in rows]
        self.journal.send("biller", content(charges=held, bills=[closed]))

    def use(self, meter: str, tenant: str, node: str | None, hour: int, quantity: str) -> None:
        """Usage in an hour, which may be booked already."""
        self._number += 1
        properties = "{}" if node is None else json.dumps({"node": node}, separators=(",", ":"))
        time = MONTH + hour * HOUR_US + 1
        row = event(self._number, type=meter, tenant=tenant, time=time, value=Decimal(quantity), properties=properties)
        self.journal.send("reader", content(events=[row]))

    def book(self, hours: int = HOURS + 1) -> None:
        """All of so many hours is told, and booked."""
        row = coverage(0, source="logfile", start=MONTH, end=MONTH + hours * HOUR_US)
        self.journal.send("reader", content(coverage=[row]))
        Booker(self.journal).book()  # type: ignore[arg-type]

    def exported(self, *, anew: bool = False) -> list[str]:
        """How each part of a charge came to whom, as a file for others says it."""
        view = self.journal.view()
        view = View.at(view.tables, view.position) if anew else view
        definitions = catalog_of(view)
        found = allocate(view, definitions, [each for each in bills(view) if each.state == "stands"], by_line=True)
        told: list[str] = ratios(found, definitions, np.arange(len(found.profiles))).details.to_pylist()
        return told

    def told(self, position: int = 0, *, anew: bool = False) -> object:
        """What everybody bears, why not, and what was wrong, as the book stood at a position."""
        view = self.journal.view(position)
        view = View.at(view.tables, view.position) if anew else view
        found = allocate(view, catalog_of(view), [each for each in bills(view) if each.state == "stands"])
        costs = {each.tenant: each.cost.normalize() for each in tenant_costs(found, "BilledCost")}
        return costs, {each.reason: each.amount for each in unallocated(found, "BilledCost")}, sorted(found.problems)


@given(
    st.lists(st.sampled_from(RULES), min_size=2, max_size=2),
    st.lists(BILLS | EVENTS | EVENTS | BOOKINGS | QUESTIONS, min_size=2, max_size=14),
)
def test_who_asks_again_is_told_the_same(methods: list[str], steps: list[tuple[str, Any]]) -> None:
    with memory_journal() as journal:
        history = History(
            journal,
            rule("first", f"priority: 1, match: {{ServiceName: A}}, {methods[0]}"),
            rule("second", f"priority: 2, {methods[1]}"),
            rule("rest", "of: idle, driver: {meter: memory}"),
        )
        history.bill(("1", 0, 1, "A", "n1"), ("3", 1, 2, "B", None), ("5", 0, 1, "A", None), ("7", 0, 1, "A", ""))
        for what, given_ in [*steps, ("ask", 0), ("ask", 0)]:
            match what:
                case "bill":
                    history.bill(*given_)
                case "use":
                    history.use(*given_)
                case "book":
                    history.book(given_)
                case _:
                    at = max(1, history.position - given_)
                    assert history.told(at) == history.told(at, anew=True)


@pytest.fixture
def divided() -> Iterator[mock.Mock]:
    """Counts the keys that were divided: the number of each time."""
    with mock.patch.object(driven, "_driven", side_effect=driven._driven) as counted:
        yield counted


def keys(divided: mock.Mock) -> list[int]:
    found = [len(call.args[2]) for call in divided.call_args_list]
    divided.reset_mock()
    return found


def test_of_a_bill_made_anew_only_what_differs_is_divided(divided: mock.Mock) -> None:
    with memory_journal() as journal:
        history = History(journal, rule("node", RULES[0]))
        day = [("1", hour, 1, "A", "n1") for hour in range(HOURS)]
        history.bill(*day)
        history.use("cpu", "acme", "n1", 0, "1")
        history.told()
        history.told()
        # What is not booked may change.
        assert keys(divided) == [HOURS, HOURS]
        history.book()
        history.told()
        history.told()
        assert keys(divided) == [HOURS]
        history.bill(("1", 0, 1, "A", "n2"), *day[1:])
        history.told()
        history.told()
        assert keys(divided) == [1]
        before = history.position
        history.use("cpu", "acme", "n1", 3, "1")
        history.book()
        history.told()
        history.told()
        assert keys(divided) == [1]
        history.told(before)
        assert keys(divided) == [HOURS]


def test_of_too_much_nothing_is_kept(divided: mock.Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_BYTES_MAX", 100)
    with memory_journal() as journal:
        history = History(journal, rule("node", RULES[0]))
        history.bill(*(("1", hour, 1, "A", "n1") for hour in range(HOURS)))
        history.use("cpu", "acme", "n1", 0, "1")
        history.book()
        history.told()
        history.told()
        assert keys(divided) == [HOURS, HOURS]


def test_what_is_wrong_with_usage_is_told_to_everybody_who_asks() -> None:
    with memory_journal() as journal:
        history = History(
            journal,
            rule("first", f"priority: 1, match: {{ServiceName: A}}, {RULES[0]}"),
            rule("second", "priority: 2, driver: {meter: cpu}"),
        )
        history.use("cpu", "acme", "n1", 0, "-1")
        history.use("cpu", "bcorp", "n1", 0, "2")
        history.book()
        history.bill(("1", 0, 1, "A", "n1"), ("1", 0, 1, "B", None))
        assert "is less than 0" in str(history.told())
        history.bill(("1", 0, 1, "B", None))
        assert "is less than 0" in str(history.told())
        assert history.told() == history.told(anew=True)


def test_what_is_exported_does_not_tell_who_asked_before() -> None:
    with memory_journal() as journal:
        history = History(journal, rule("used", "priority: 1, driver: {meter: cpu}"))
        history.use("cpu", "@unassigned", None, 1, "1")
        history.use("cpu", "@unresolved", None, 0, "2")
        history.use("cpu", "@unassigned", None, 0, "1")
        history.book()
        for hours in ((1,), (1, 0)):
            history.bill(*(("1", hour, 1, "A", None) for hour in hours))
            assert history.exported() == history.exported(anew=True)

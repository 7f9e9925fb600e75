"""Different values that are counted where the events lie are as many as when each is looked at: whoever told of them, whatever says it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.meter import Meter
from ledger.metering.aggregated import Aggregated
from ledger.metering.different import different
from ledger.metering.events import named
from ledger.metering.grid import Grid
from ledger.metering.measure import quantities, windows_of
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content
from tests.ledger.metering.test_approximate import HOUR, MINUTE, PROPERTIES, TEN, USERS, seen

START, END = instants.parse("2026-01-01"), instants.parse("2027-01-01")

MORE = [
    {},
    {"filter": {"user": {"not": "b"}}},
    {"any": [{"plan": "pro"}, {"user": "a"}]},
    {"group_by": []},
    {"group_by": ["user"]},
    {"of": "pl/an~"},
    {"window": "minute"},
    {"window": "day"},
    {"window": {"unit": "month", "zone": "Asia/Kolkata"}},
    {"window": "year"},
]
REASSIGNED = """\
kind: reassignment
name: {name}
effective_from: {since}
spec: {{to: {tenant}, filter: {{{when}}}, reason: sold}}
"""


def reassign(journal: MemoryJournal, number: int, since_minute: int, tenant: str, when: str) -> None:
    since = instants.text(TEN + since_minute * MINUTE)
    journal.define(REASSIGNED.format(name=f"r{number}", since=since, tenant=tenant, when=when))


def behind(found: Aggregated) -> set[tuple[Any, int, str]]:
    """Which sources are behind which quantities."""
    return {
        (found.parts[place].resource.key, start_us, found.parts[place].source) for place, start_us in found.quantity
    }


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.integers(0, 180),
            PROPERTIES,
            st.sampled_from(["acme", "blue"]),
            st.sampled_from(["log", "bus"]),
        ),
        max_size=15,
    ),
    st.sampled_from(MORE),
    st.lists(
        st.tuples(st.integers(0, 180), st.sampled_from(["acme", "red"]), st.sampled_from(["plan: pro", "user: a"])),
        max_size=2,
    ),
)
def test_they_are_as_many_as_one_by_one(
    told: list[tuple[int, int, str, str, str]], more: dict[str, Any], moved: list[tuple[int, str, str]]
) -> None:
    meter = Meter.model_validate(USERS | more)
    grid = Grid(START, END, windows_of(meter))
    with memory_journal(TEN + 4 * HOUR) as journal:
        for number, minute, properties, tenant, origin in told:
            journal.send("one", content(events=[seen(number, minute, properties, tenant=tenant, origin=origin)]))
        for number, (minute, tenant, when) in enumerate(moved):
            reassign(journal, number, minute, tenant, when)
        view = journal.view()
        one_by_one, counted = named(view, meter, grid), different(view, meter, grid)
    assert quantities(counted, meter) == quantities(one_by_one, meter)
    assert behind(counted) == behind(one_by_one)


def test_what_leaves_the_tables_does_not_grow_with_the_values() -> None:
    meter = Meter.model_validate(USERS | {"group_by": [], "window": "month"})
    grid = Grid(instants.parse("2026-03-01"), instants.parse("2026-04-01"), windows_of(meter))
    with memory_journal(TEN + 4 * HOUR) as journal:
        rows = [seen(number, number % 60, f'{{"user":"u{number % 700}"}}') for number in range(3_000)]
        journal.send("one", content(events=rows))
        view = journal.view()
        found = different(view, meter, grid)
        windows = pa.table({"step_us": [TEN], "window_us": [grid.start_us]})
        table = view.events_different("seen", [], "user", (grid.start_us, grid.end_us), windows)
    assert [quantity // 10**9 for quantity in found.quantity.values()] == [700]
    assert table.num_rows == 1

"""A range of which everything is booked is answered from one question, and comes to what its windows do."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.directory.standing import catalog_of
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.metering.usage import Usage
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, event

HOUR, DAY = instants.HOUR_US, instants.parse("2026-03-02")
METERS = """\
kind: meter
name: sums
spec: {source: {event: load}, aggregation: sum, unit: each, group_by: [size]}
---
kind: meter
name: peaks
spec: {source: {event: load}, aggregation: max, unit: peaks}
---
kind: meter
name: late
effective_from: 2026-03-02T12:00:00Z
spec: {source: {event: load}, aggregation: count, unit: loads}
"""
EVENTS = st.lists(
    st.tuples(st.sampled_from(["acme", "bcorp"]), st.integers(0, 23), st.integers(-5, 9), st.sampled_from("sm")),
    max_size=12,
)


def send(journal: MemoryJournal, sender: str, rows: list[tuple[str, int, int, str]]) -> None:
    events = [
        event(
            number,
            source=f"source-{sender}",
            type="load",
            tenant=tenant,
            time=DAY + hour * HOUR,
            value=Decimal(value),
            properties=f'{{"size":"{size}"}}',
        )
        for number, (tenant, hour, value, size) in enumerate(rows)
    ]
    journal.send(sender, content(events=events))


def asked(journal: MemoryJournal, start: int, end: int, window: str, tenants: tuple[str, ...] = ()) -> list[Usage]:
    view = journal.view()
    return usage(view, catalog_of(view), DAY + start * HOUR, DAY + end * HOUR, window=window, tenants=tenants)


def sums(rows: list[Usage]) -> dict[tuple[str, str, str, str], tuple[Decimal, Decimal]]:
    found: dict[tuple[str, str, str, str], tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    for row in rows:
        quantity, estimated = found[row.meter, row.tenant, row.dimensions, row.unit]
        found[row.meter, row.tenant, row.dimensions, row.unit] = quantity + row.quantity, estimated + row.estimated
    return {place: pair for place, pair in found.items() if any(pair)}


@settings(max_examples=25, deadline=None)
@given(EVENTS, EVENTS, st.booleans(), st.integers(0, 23), st.integers(1, 24))
def test_a_range_comes_to_what_its_windows_do(
    first: list[tuple[str, int, int, str]],
    second: list[tuple[str, int, int, str]],
    is_booked_again: bool,
    start: int,
    length: int,
) -> None:
    with memory_journal(DAY + 48 * HOUR) as journal:
        journal.define(METERS)
        send(journal, "a", first)
        Booker(journal).book()  # type: ignore[arg-type]
        send(journal, "b", second)
        if is_booked_again:
            Booker(journal).book()  # type: ignore[arg-type]
        end = min(start + length, 24)
        whole = asked(journal, start, end, "total")
        assert sums(whole) == sums(asked(journal, start, end, "own"))
        assert [row for row in whole if row.tenant == "acme"] == asked(journal, start, end, "total", ("acme",))
        entries = journal.view().rows("entries", 1, len(journal.records)).to_pylist()
        for row in whole:
            of = [
                each["position"]
                for each in entries
                if (each["meter"], each["tenant"], each["dimensions"]) == (row.meter, row.tenant, row.dimensions)
                and DAY + start * HOUR
                <= instants.from_datetime(each["hour"].replace(tzinfo=instants.UTC))
                < DAY + end * HOUR
            ]
            assert (row.entries, row.first, row.last) == (len(of), min(of, default=0), max(of, default=0))

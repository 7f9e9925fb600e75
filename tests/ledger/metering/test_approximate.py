"""About how many: the same question as ``unique``, with an answer that is nearly the same, booked and asked in any way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.metering.measure import measure
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, event, series

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")
USERS = {"source": {"event": "seen"}, "aggregation": "unique", "of": "user", "unit": "users", "group_by": ["plan"]}
ABOUT = USERS | {"approximate": True}

#: Properties that the tables read themselves, and such that they leave to others.
PROPERTIES = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"user": st.sampled_from("abcdef"), "plan": st.sampled_from(["pro", "free"])}
    ).map(json.dumps),
    st.sampled_from(
        [
            '{"user":1}', '{"user":1.0}', '{"user":"1"}', '{"user":null}', '{"user":{"b":1,"a":2}}', '{"user":"\\u0061"}',
            '{"user":"a","user":"b"}', "no JSON", "[]", '{"user":"ü","plan":"pro"}', '{"user":"' + "a" * 1_000 + '"}', "{}",
            '{"user":"a","plan":["x"]}',
        ]
    ),
)  # fmt: skip


def seen(number: int, minute: int, properties: str, **changes: Any) -> tuple[Any, ...]:
    told = {"type": "seen", "time": TEN + minute * MINUTE, "value": Decimal(1), "properties": properties}
    return event(number, **told | changes)


def measured(journal: MemoryJournal, meter: dict[str, Any]) -> dict[Any, Any]:
    return dict(measure(journal.view(), Meter.model_validate(meter), TEN - 24 * HOUR, TEN + 48 * HOUR))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 180), PROPERTIES, st.sampled_from(["acme", "blue"])), max_size=15),
    st.sampled_from([{}, {"filter": {"user": {"not": "b"}}}, {"any": [{"plan": "pro"}, {"user": "a"}]}, {"group_by": []},
                     {"window": "day"}, {"of": "pl/an~"}, {"buckets": {"unit": "minute", "combine": "max", "minutes": 20}}]),
)  # fmt: skip
def test_few_are_counted_as_exactly_as_by_the_exact_way(
    told: list[tuple[int, int, str, str]], more: dict[str, Any]
) -> None:
    with memory_journal(TEN + 4 * HOUR) as journal:
        for number, minute, properties, tenant in told:
            journal.send("one", content(events=[seen(number, minute, properties, tenant=tenant)]))
        assert measured(journal, ABOUT | more) == measured(journal, USERS | more)


def test_series_are_counted_as_exactly_as_by_the_exact_way() -> None:
    meter = {"source": {"metric": "memory"}, "aggregation": "unique", "of": "pod", "unit": "pods"}
    named = [(1, "a"), (2, "b"), (3, "a"), (4, "ü"), (5, None)]
    with memory_journal(TEN + 4 * HOUR) as journal:
        rows = [
            series(
                number, "gauge", metric="memory", source=f"kube/{number}", since=TEN - HOUR,
                labels=json.dumps({} if pod is None else {"pod": pod}),
            )
            for number, pod in named
        ]  # fmt: skip
        samples = [(number, TEN + minute * MINUTE, 1.0) for number, _ in named for minute in (0, 70)][:-1]
        journal.send("one", content(series=rows, samples=samples))
        about, exact = (measured(journal, meter | {"approximate": how}) for how in (True, False))
    assert about == exact
    assert [amount.quantity // 10**9 for amount in about.values()] == [3, 3]


def many(numbers: Iterator[int] | range, minute: int) -> Any:
    rows = [seen(number, minute, f'{{"user":"u{number}"}}') for number in numbers]
    return content(events=rows)


def test_thousands_are_counted_within_four_standard_errors() -> None:
    with memory_journal(TEN + 4 * HOUR) as journal:
        journal.send("one", many(range(12_000), 5))
        journal.send("two", many(range(6_000, 18_000), 65))
        meter = {**ABOUT, "group_by": [], "window": "day"}
        (about,) = measured(journal, meter).values()
        (exact,) = measured(journal, meter | {"approximate": False}).values()
        hours = [amount.quantity for amount in measured(journal, meter | {"window": "hour"}).values()]
    assert exact.quantity == 18_000 * 10**9 and about.quantity % 10**9 == 0
    # (4 x 1.04 / 128)^2, in whole numbers.
    assert (about.quantity - exact.quantity) ** 2 * 3_200**2 < (104 * exact.quantity) ** 2
    assert len(hours) == 2 and all(
        (hour - 12_000 * 10**9) ** 2 * 3_200**2 < (104 * 12_000 * 10**9) ** 2 for hour in hours[:1]
    )


def test_booked_in_parts_it_is_what_it_is_at_once() -> None:
    manifest = "kind: meter\nname: users\nspec: {source: {event: seen}, aggregation: unique, of: user, approximate: true, unit: users}\n"
    totals = []
    for parts in ((900,), (300, 300, 300), (100, 800), (900,)):
        with memory_journal(TEN + 4 * HOUR) as journal:
            journal.define(manifest)
            first = 0
            for part in parts:
                journal.send("one", many(range(first, first + part), 5))
                Booker(journal).book()  # type: ignore[arg-type]
                # Nothing new is nothing to book.
                assert Booker(journal).book()[1] == 0  # type: ignore[arg-type]
                first += part
            view = journal.view()
            (row,) = usage(view, catalog_of(view), TEN, TEN + HOUR)
            totals.append((row.quantity, view.count("entries") >= len(parts)))
    assert len(set(totals)) == 1 and totals[0][1]


@pytest.mark.parametrize(("aggregation", "more"), [("count", {}), ("max", {}), ("percentile", {"percentile": 95})])
def test_only_different_values_can_be_counted_about(aggregation: str, more: dict[str, Any]) -> None:
    made = {"source": {"event": "seen"}, "unit": "u", "aggregation": aggregation, "approximate": True, **more}
    with pytest.raises(ValueError, match="'approximate' goes with 'aggregation: unique', and only with that"):
        Meter.model_validate(made)

"""A meter can be tried: it gives what it would give in the book, and leaves no trace there."""

from __future__ import annotations

import grpc
import pytest

from meterbook.ledger.v1 import query_pb2
from tests.ledger.running import Running

METER = "kind: meter\nname: {name}\nspec: {{source: {{{source}}}, aggregation: {aggregation}, unit: u, {more}}}\n"


def tried(shop: Running, definition: str, *tenants: str) -> query_pb2.TryMeterResponse:
    return shop.query.TryMeter(query_pb2.TryMeterRequest(definition=definition, tenants=tenants))


def meter(source: str, aggregation: str, more: str = "") -> str:
    return METER.format(name="tried", source=source, aggregation=aggregation, more=more)


def test_it_gives_what_the_book_would_give(shop: Running) -> None:
    found = tried(shop, meter("metric: requests_total", "increase", "group_by: [code, pod]"), "acme")
    asked = query_pb2.UsageRequest(meters=["requests"], tenants=["acme"], window="own")
    booked = shop.query.Usage(asked).rows
    told = [(row.window, row.quantity, dict(row.dimensions), row.coverage) for row in found.rows]
    assert told == [(row.window, row.quantity, dict(row.dimensions), row.coverage) for row in booked]
    assert (found.series, list(found.notes)) == (2, [])


@pytest.mark.parametrize("window", ["day", "month", "year"])
def test_the_window_in_which_the_book_begins_is_one_of_them(shop: Running, window: str) -> None:
    found = tried(shop, meter("event: sale", "count", f"window: {window}"), "acme")
    assert [row.quantity for row in found.rows] == ["2"]


def test_nothing_is_written(shop: Running) -> None:
    before = shop.query.Usage(query_pb2.UsageRequest()).as_of
    assert tried(shop, meter("event: sale", "max", "window: month")).as_of == before
    assert "tried" not in {row.name for row in shop.query.Definitions(query_pb2.DefinitionsRequest()).rows}


def test_events_without_a_value_are_told(shop: Running) -> None:
    found = tried(shop, meter("event: sale", "sum", "value: size * 2"))
    assert [row.quantity for row in found.rows] == ["6"]
    (missing, text) = sorted(found.notes)
    assert missing.startswith("1 events count for nothing: ")
    assert "'xl'" in missing + text


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (meter("event: sale", "increase"), "aggregation 'increase' does not fit a source of kind 'event'"),
        ("kind: tenant\nname: t\nspec: {}\n", "definition: give one definition of a meter"),
        (
            meter("event: sale", "sum") + "---\n" + meter("event: sale", "count"),
            "definition: give one definition of a meter",
        ),
        ("", "definition: give one definition of a meter"),
        (meter("event: sale", "sum", "measured_in: By"), "u"),
    ],
)
def test_a_mistake_is_told(shop: Running, definition: str, message: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        tried(shop, definition)
    assert message in error.value.details()  # type: ignore[attr-defined]

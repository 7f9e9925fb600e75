"""An operator corrects one event: usage follows, what came in stays, and everything can be asked for as it was before."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from ledger.journal.rebuild import rebuild_tables
from meterbook.ledger.v1 import admin_pb2, query_pb2
from meterbook.wire import instants
from tests.ledger.batches import content, event
from tests.ledger.running import Running, serving

TEN = instants.parse("2026-03-10T10:00:00Z")
MINUTE = 60 * instants.SECOND_US
DEFINITIONS = """\
kind: meter
name: sales
spec: {source: {event: sale}, aggregation: sum, unit: items}
---
kind: meter
name: sizes
spec: {source: {event: sale}, aggregation: count, unit: sales, group_by: [size]}
---
kind: tenant
name: acme
spec: {}
---
kind: tenant
name: blue
spec: {}
"""


def fill(running: Running) -> None:
    manifests = [admin_pb2.Manifest(name="a.yaml", text=DEFINITIONS)]
    running.admin.Apply(admin_pb2.ApplyRequest(manifests=manifests, author="ada"))
    events = [
        event(1, time=TEN + 20 * MINUTE, value=Decimal("2.5")),
        event(2, time=TEN + 80 * MINUTE, value=Decimal(4), properties='{"n":3,"size":"s"}'),
        # Comes a second time, with another value: the first one counts.
        event(1, time=TEN + 30 * MINUTE, value=Decimal(99)),
    ]
    running.send(content(events=events))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path / "store") as running:
        fill(running)
        yield running


def amend(shop: Running, ident: str = "1", **asked: object) -> admin_pb2.AmendEventResponse:
    told = {"source": "log", "reason": "typed wrong", "author": "ada"} | asked
    return shop.admin.AmendEvent(admin_pb2.AmendEventRequest(id=ident, **told))  # type: ignore[arg-type]


def refusal(shop: Running, ident: str = "1", **asked: object) -> str:
    with pytest.raises(grpc.RpcError) as error:
        amend(shop, ident, **asked)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
    return str(error.value.details())  # type: ignore[attr-defined]


def usage(shop: Running, meter: str = "sales", as_of: int = 0) -> dict[tuple[str, str, str], str]:
    """Quantity by tenant, hour and size."""
    asked = query_pb2.UsageRequest(meters=[meter], window="own", as_of=as_of)
    rows = shop.query.Usage(asked).rows
    return {(row.tenant, row.window[11:13], row.dimensions.get("size", "")): row.quantity for row in rows}


def shown(shop: Running, ident: str = "1", as_of: int = 0) -> query_pb2.EventResponse:
    return shop.query.Event(query_pb2.EventRequest(source="log", id=ident, as_of=as_of))


BEFORE = {("acme", "10", ""): "2.5", ("acme", "11", ""): "4"}


@pytest.mark.parametrize("is_booked", [False, True])
@pytest.mark.parametrize(
    ("asked", "sales", "sizes"),
    [
        ({"value": "7.000000001"}, {("acme", "10", ""): "7.000000001"}, {("acme", "10", "xl"): "1"}),
        ({"value": "-0.5"}, {("acme", "10", ""): "-0.5"}, {("acme", "10", "xl"): "1"}),
        ({"tenant": "blue"}, {("blue", "10", ""): "2.5"}, {("blue", "10", "xl"): "1"}),
        ({"tenant": "@shared"}, {("@shared", "10", ""): "2.5"}, {("@shared", "10", "xl"): "1"}),
        ({"time": "2026-03-10T13:10:00+01:00"}, {("acme", "12", ""): "2.5"}, {("acme", "12", "xl"): "1"}),
        ({"properties": {"size": "m"}}, {("acme", "10", ""): "2.5"}, {("acme", "10", "m"): "1"}),
        ({"dropped_properties": ["size"]}, {("acme", "10", ""): "2.5"}, {("acme", "10", ""): "1"}),
        ({"void": True}, {}, {}),
        (
            {"value": "1", "tenant": "blue", "time": "2026-03-09T23:30:00Z", "properties": {"size": "m", "x": "y"}},
            {("blue", "23", ""): "1"},
            {("blue", "23", "m"): "1"},
        ),
    ],
)
def test_usage_follows_and_as_of_before_it_does_not(
    shop: Running, asked: dict[str, object], sales: dict[object, str], sizes: dict[object, str], is_booked: bool
) -> None:
    if is_booked:
        shop.admin.Book(admin_pb2.BookRequest())
    position = shown(shop).as_of
    assert not amend(shop, **asked).repeated_before
    other = {("acme", "11", ""): "4"}
    for _ in range(2):
        assert usage(shop) == sales | other
        assert usage(shop, "sizes") == sizes | {("acme", "11", "s"): "1"}
        assert usage(shop, as_of=position) == BEFORE
        shop.admin.Book(admin_pb2.BookRequest())
    assert shop.admin.Book(admin_pb2.BookRequest()).entries == 0


def test_what_came_in_stays_and_is_shown_beside_what_became_of_it(shop: Running) -> None:
    amend(shop, value="7")
    amend(shop, tenant="blue", reason="moved house", author="bob")
    found = shown(shop)
    assert [(each.origin, each.type, each.state.value) for each in found.received] == [
        ("logfile", "sale", "2.5"), ("logfile", "sale", "99"),
    ]  # fmt: skip
    one, other = found.amendments
    assert (one.before, one.author, one.reason) == (found.received[0].state, "ada", "typed wrong")
    # What is not said again stays as it was amended before.
    assert (other.before, other.after) == (one.after, found.state)
    assert (found.state.value, found.state.tenant, other.author) == ("7", "blue", "bob")
    assert shown(shop, as_of=one.position).state == one.after
    assert shown(shop, as_of=one.position - 1).state == found.received[0].state


def test_a_void_event_can_count_again(shop: Running) -> None:
    amend(shop, void=True)
    assert shown(shop).state.is_void
    assert "nothing would change" in refusal(shop, void=True, reason="another")
    amend(shop, value="2.5")
    assert usage(shop) == BEFORE


def test_other_properties_keep_their_types(shop: Running) -> None:
    amend(shop, "2", properties={"size": "m"})
    assert shown(shop, "2").state.properties == '{"n":3,"size":"m"}'


def test_the_same_again_is_no_second_one(shop: Running) -> None:
    first = amend(shop, dropped_properties=["size"])
    again = amend(shop, dropped_properties=["size"])
    assert (again.position, again.repeated_before) == (first.position, True)
    amend(shop, value="3")
    amend(shop, value="4")
    # What was said before others said something else is said anew.
    assert not amend(shop, value="3").repeated_before
    assert len(shown(shop).amendments) == 4


def test_a_key_stands_for_one_amendment(shop: Running) -> None:
    first = amend(shop, value="3", key="ticket-7")
    amend(shop, value="4")
    assert amend(shop, value="3", key="ticket-7").position == first.position
    assert refusal(shop, value="5", key="ticket-7") == (
        f"key: 'ticket-7' names another amendment of the event, at position {first.position}; give another key"
    )
    assert not amend(shop, "2", value="5", key="ticket-7").repeated_before
    assert shown(shop).state.value == "4"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"ident": "9", "value": "1"}, "id: there is no event '9' of source 'log'; give the CloudEvents source and id"),
        ({"source": "lgo", "value": "1"}, "id: there is no event '1' of source 'lgo'"),
        ({}, "give at least one of value, tenant, time, properties, dropped_properties and void"),
        ({"value": "2.50"}, "event '1' of source 'log' says all of that already: nothing would change"),
        ({"properties": {"size": "xl"}}, "event '1' of source 'log' says all of that already"),
        ({"value": "much"}, "value: 'much' is not a decimal number"),
        ({"value": "0.0000000001"}, "value: 0.0000000001 has more than 9 digits after the point; round it"),
        ({"value": "4611686018427387904"}, "value: 4611686018427387904 cannot be metered"),
        ({"tenant": "bleu"}, "tenant: there is no tenant 'bleu'; did you mean 'blue'?"),
        ({"tenant": "@unresolved"}, "tenant: there is no tenant '@unresolved'"),
        ({"time": "noon"}, "time: 'noon' is not an RFC 3339 time"),
        ({"time": "1969-12-31"}, "time: 1969-12-31 is before 1970; give a later time"),
        ({"time": "9998-01-01"}, "time: 9998-01-01 is over an hour ahead of the ledger's clock"),
        ({"properties": {"": "x"}}, "properties: a property has no name"),
        ({"properties": {"x": "y" * 70_000}}, "properties: as JSON they have more than 65536 bytes"),
        ({"dropped_properties": ["colour"]}, "dropped_properties: the event has no property 'colour'; it has size"),
        ({"properties": {"size": "m"}, "dropped_properties": ["size"]}, "dropped_properties: 'size' is given a value"),
        ({"void": True, "value": "1"}, "void: an event that counts for nothing has no new value"),
        ({"value": "1", "reason": " "}, "reason: is empty; say why it is amended"),
        ({"value": "1", "author": ""}, "author: is empty; say who amends"),
        ({"value": "1", "reason": "x" * 1_001}, "reason: has more than 1000 characters"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(shop: Running, asked: dict[str, object], message: str) -> None:
    before = shown(shop).as_of
    assert refusal(shop, **({"ident": "1"} | asked)).startswith(message)  # type: ignore[arg-type]
    assert shown(shop).as_of == before


def test_an_event_that_there_is_not_cannot_be_shown(shop: Running) -> None:
    with pytest.raises(grpc.RpcError) as error:
        shown(shop, "9")
    assert error.value.details().startswith("id: there is no event '9' of source 'log'")  # type: ignore[attr-defined]


def test_the_tables_can_be_made_anew_from_the_log(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as shop:
        fill(shop)
        amend(shop, value="7", tenant="blue")
        amend(shop, "2", void=True)
        shop.admin.Book(admin_pb2.BookRequest())
        before = usage(shop), shown(shop), shop.query.Corrections(query_pb2.CorrectionsRequest(meter="sales"))
    rebuild_tables(tmp_path / "store")
    with serving(tmp_path / "store") as shop:
        asked = query_pb2.CorrectionsRequest(meter="sales")
        assert (usage(shop), shown(shop), shop.query.Corrections(asked)) == before
        assert before[0] == {("blue", "10", ""): "7"}
        verdict = [answer.verdict for answer in shop.query.Verify(query_pb2.VerifyRequest())][-1]
        assert verdict.holds, verdict.faults

"""An operator corrects one event: usage follows, what came in stays, and everything can be asked for as it was before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest

from ledger.directory.standing import catalog_of
from ledger.journal.errors import Overtaken
from ledger.journal.rebuild import rebuild_tables
from ledger.journal.record import Head
from ledger.journal.view import View
from ledger.metering.answer import usage as metered
from ledger.metering.booking import Booker
from ledger.query.amending import Amender
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import admin_pb2, query_pb2
from meterbook.wire import instants
from meterbook.wire.instants import DAY_US, HOUR_US
from tests.fakes.journal import memory_journal
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


EVENTS = [
    event(1, time=TEN + 20 * MINUTE, value=Decimal("2.5")),
    event(2, time=TEN + 80 * MINUTE, value=Decimal(4), properties='{"n":3,"size":"s"}'),
    # Comes a second time, with another value: the first one counts.
    event(1, time=TEN + 30 * MINUTE, value=Decimal(99)),
]


def fill(running: Running) -> None:
    manifests = [admin_pb2.Manifest(name="a.yaml", text=DEFINITIONS)]
    running.admin.Apply(admin_pb2.ApplyRequest(manifests=manifests, author="ada"))
    running.send(content(events=EVENTS))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path / "store") as running:
        fill(running)
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A ledger that nothing is written to."""
    with serving(tmp_path_factory.mktemp("closed") / "store") as running:
        fill(running)
        yield running


def request(ident: str, **asked: object) -> admin_pb2.AmendEventRequest:
    told = {"source": "log", "reason": "typed wrong", "author": "ada"} | asked
    return admin_pb2.AmendEventRequest(id=ident, **told)  # type: ignore[arg-type]


def amend(shop: Running, ident: str = "1", **asked: object) -> admin_pb2.AmendEventResponse:
    return shop.admin.AmendEvent(request(ident, **asked))


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


def measured(view: View, meter: str = "sales") -> dict[tuple[str, str, str], str]:
    """The same of a view."""
    rows = metered(view, catalog_of(view), TEN - DAY_US, TEN + DAY_US, meters=[meter], window="own")
    return {
        (row.tenant, instants.text(row.window_us or 0)[11:13], json.loads(row.dimensions).get("size", "")): plain_text(
            row.quantity
        )
        for row in rows
    }


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
    asked: dict[str, object], sales: dict[object, str], sizes: dict[object, str], is_booked: bool
) -> None:
    with memory_journal(TEN + 3 * HOUR_US) as journal:
        journal.define(DEFINITIONS)
        journal.send("one", content(events=EVENTS))
        booker = Booker(journal)  # type: ignore[arg-type]
        if is_booked:
            booker.book()
        position = len(journal.records)
        Amender(journal).amend(request("1", **asked))  # type: ignore[arg-type]
        other = {("acme", "11", ""): "4"}
        for _ in range(2):
            assert measured(journal.view()) == sales | other
            assert measured(journal.view(), "sizes") == sizes | {("acme", "11", "s"): "1"}
            assert measured(journal.view(position)) == BEFORE
            booker.book()
        assert booker.book()[1] == 0


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


@pytest.mark.parametrize(("asked", "outcome"), [({"value": "9"}, "9 blue"), ({"tenant": "blue"}, "repeated")])
def test_who_is_overtaken_judges_by_what_stands_then(asked: dict[str, object], outcome: str) -> None:
    """Another replica amends the event between the reading and the writing."""
    with memory_journal(TEN + 3 * HOUR_US) as journal:
        journal.define(DEFINITIONS)
        journal.send("one", content(events=EVENTS))
        amender, extend = Amender(journal), journal.extend  # type: ignore[arg-type]

        def late(*record: Any) -> Head:
            journal.extend = extend  # type: ignore[method-assign]
            amender.amend(request("1", tenant="blue"))
            raise Overtaken("record 1 does not follow 0, the last one held")

        journal.extend = late  # type: ignore[method-assign]
        found = amender.amend(request("1", **asked))
        (state,) = journal.view().amended().to_pylist()
        told = "repeated" if found.repeated_before else f"{state['value'].normalize()} {state['tenant']}"
        assert (told, journal.view().count("amendments")) == (outcome, 1 if found.repeated_before else 2)


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
def test_a_mistake_is_told_and_nothing_is_written(closed: Running, asked: dict[str, object], message: str) -> None:
    before = shown(closed).as_of
    assert refusal(closed, **({"ident": "1"} | asked)).startswith(message)  # type: ignore[arg-type]
    assert shown(closed).as_of == before


def test_an_event_that_there_is_not_cannot_be_shown(closed: Running) -> None:
    with pytest.raises(grpc.RpcError) as error:
        shown(closed, "9")
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

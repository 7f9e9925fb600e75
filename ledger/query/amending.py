"""Amending one event: what it should have said is written beside what it said, with a reason.

Two operators may amend the same event at once, and a request may be repeated because its answer was lost. So an amendment is written
only where the newest one is the one that was read; else it is decided anew, and what finds itself there is no second one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ledger.journal.amendment import AMENDED, AMENDMENTS_CHAIN, Amendment, EventState
from ledger.journal.journal import Journal
from ledger.journal.overtaken import until_first
from ledger.journal.provenance import amendments_of, received
from ledger.journal.quantity import NANO, to_decimal
from ledger.journal.record import Kind
from ledger.journal.screening import FUTURE_US_MAX
from ledger.query.questions import BadQuestion, Book, instant, suggestion
from ledger.schema.numerals import NoValue, number
from meterbook.ledger.v1 import admin_pb2, journal_pb2
from meterbook.wire import instants
from meterbook.wire.sections import DOCUMENT_BYTES_MAX, VALUE_LIMIT
from meterbook.wire.series import SHARED, UNASSIGNED

_TEXT_LENGTH_MAX = 1_000


@dataclass(frozen=True)
class _Known:
    """An event: what counts of it now, and what was amended of it, oldest first, each with its position."""

    origin: str
    type: str
    state: EventState
    amendments: list[tuple[int, Amendment]]


class Amender:
    """Amends the events of a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def amend(self, request: admin_pb2.AmendEventRequest) -> admin_pb2.AmendEventResponse:
        """Write the amendment, unless it stands. Raises BadQuestion, JournalError."""
        for name in ("source", "id", "reason", "author"):
            if not getattr(request, name).strip():
                raise BadQuestion(f"{name}: is empty; say {_EMPTY[name]}")
        for name in ("reason", "author", "key"):
            if len(getattr(request, name)) > _TEXT_LENGTH_MAX:
                raise BadQuestion(f"{name}: has more than {_TEXT_LENGTH_MAX} characters; say it in fewer")
        return until_first(lambda: self._amend_once(request))

    def _amend_once(self, request: admin_pb2.AmendEventRequest) -> admin_pb2.AmendEventResponse:
        book = Book.at(self._journal, 0)
        known = _known(book, request.source, request.id)
        asked = _digest(request)
        earlier = _repeated(known, request.key, asked)
        if earlier:
            return admin_pb2.AmendEventResponse(position=earlier, repeated_before=True)
        after = _after(book, known.state, request)
        if after == known.state:
            raise BadQuestion(
                f"event {request.id!r} of source {request.source!r} says all of that already: nothing would change"
            )
        amendment = Amendment(
            request.source,
            request.id,
            known.origin,
            known.type,
            known.state,
            after,
            request.reason,
            asked,
            request.key,
        )
        act = journal_pb2.ActRecord(
            author=request.author, kind=AMENDED, name=amendment.name, document=amendment.document
        )
        head = self._journal.head(AMENDMENTS_CHAIN, book.view)
        written = self._journal.extend(Kind.ACT, AMENDMENTS_CHAIN, head, act.SerializeToString())
        return admin_pb2.AmendEventResponse(position=written.position)


_EMPTY = {
    "source": "of which source the event is",
    "id": "which event is meant",
    "reason": "why it is amended",
    "author": "who amends",
}


def _known(book: Book, source: str, ident: str) -> _Known:
    came = received(book.view, source, ident).slice(0, 1).to_pylist()
    if not came:
        raise BadQuestion(unknown(source, ident))
    (first,) = came
    amendments = [
        (row["position"], Amendment.of(row["document"])) for row in amendments_of(book.view, source, ident).to_pylist()
    ]
    return _Known(
        first["origin"], first["type"], amendments[-1][1].after if amendments else state_of(first), amendments
    )


def state_of(row: Mapping[str, Any]) -> EventState:
    """What an event says as it came, of a row of ``provenance.received``."""
    return EventState(row["tenant"], row["time_us"], row["value"], row["properties"])


def unknown(source: str, ident: str) -> str:
    """What is said where there is no such event."""
    return (
        f"id: there is no event {ident!r} of source {source!r}; give the CloudEvents source and id under which it was sent, "
        "and see with 'meterbook dead-letters' whether it was refused"
    )


def _repeated(known: _Known, key: str, asked: str) -> int:
    """The position of the amendment that a request repeats; 0 where it is another one. Raises BadQuestion."""
    if not key:
        newest = known.amendments[-1:]
        return newest[0][0] if newest and newest[0][1].asked == asked and not newest[0][1].key else 0
    for position, each in known.amendments:
        if each.key == key:
            if each.asked != asked:
                raise BadQuestion(
                    f"key: {key!r} names another amendment of the event, at position {position}; give another key"
                )
            return position
    return 0


def _digest(request: admin_pb2.AmendEventRequest) -> str:
    """By what it is known when the same is asked for again. Raises BadQuestion."""
    told = {
        "value_nano": _value(request.value) if request.value else None,
        "tenant": request.tenant,
        "time_us": _time_us(request.time) if request.time else None,
        "properties": dict(request.properties),
        "dropped": sorted(set(request.dropped_properties)),
        "void": request.void,
        "reason": request.reason,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _after(book: Book, before: EventState, request: admin_pb2.AmendEventRequest) -> EventState:
    """What the event says from then on. Raises BadQuestion."""
    given = [name for name in ("value", "tenant", "time", "properties", "dropped_properties") if getattr(request, name)]
    if request.void:
        if given:
            raise BadQuestion(f"void: an event that counts for nothing has no new {given[0]}; leave one of both out")
        return replace(before, is_void=True)
    if not given:
        raise BadQuestion("give at least one of value, tenant, time, properties, dropped_properties and void")
    return EventState(
        _tenant(book, request.tenant) if request.tenant else before.tenant,
        _time_us(request.time) if request.time else before.time_us,
        to_decimal(_value(request.value)) if request.value else before.value,
        _properties(before.properties, request),
    )


def _tenant(book: Book, name: str) -> str:
    known = book.catalog.names("tenant")
    if name not in known and name not in (SHARED, UNASSIGNED):
        raise BadQuestion(f"tenant: there is no tenant {name!r}; {suggestion(name, known)}")
    return name


def _time_us(text: str) -> int:
    time_us = instant(text, "time")
    if time_us < 0:
        raise BadQuestion(f"time: {text} is before 1970; give a later time")
    if time_us > instants.now_us() + FUTURE_US_MAX:
        raise BadQuestion(f"time: {text} is over an hour ahead of the ledger's clock; give an earlier time")
    return time_us


def _value(text: str) -> int:
    """Nano-units."""
    try:
        nano = number(text) * NANO
    except NoValue as error:
        raise BadQuestion(f"value: {error}") from error
    if nano.denominator != 1:
        raise BadQuestion(f"value: {text} has more than 9 digits after the point; round it")
    if abs(nano) >= VALUE_LIMIT * NANO:
        raise BadQuestion(f"value: {text} cannot be metered: give a number below 2^62")
    return nano.numerator


def _properties(document: str, request: admin_pb2.AmendEventRequest) -> str:
    if not request.properties and not request.dropped_properties:
        return document
    told = json.loads(document)
    assert isinstance(told, dict)
    for name in request.dropped_properties:
        if name not in told:
            raise BadQuestion(
                f"dropped_properties: the event has no property {name!r}; it has {', '.join(told)[:200] or 'none'}"
            )
        if name in request.properties:
            raise BadQuestion(f"dropped_properties: {name!r} is given a value as well; leave one of both out")
    if "" in request.properties:
        raise BadQuestion("properties: a property has no name; write NAME=VALUE")
    changed = {name: value for name, value in told.items() if name not in request.dropped_properties}
    changed |= dict(request.properties)
    if changed == told:
        return document
    # JSON can spell half a surrogate pair, which no UTF-8 can hold.
    text = (
        json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace").decode()
    )
    if len(text.encode()) > DOCUMENT_BYTES_MAX:
        raise BadQuestion(
            f"properties: as JSON they have more than {DOCUMENT_BYTES_MAX} bytes; give fewer or shorter ones"
        )
    return text

"""One event, as it came in and as it was amended since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.journal.amendment import Amendment, EventState
from ledger.journal.journal import Journal
from ledger.journal.provenance import amendments_of, received
from ledger.query.amending import state_of, unknown
from ledger.query.questions import BadQuestion, Book
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants


def answer_event(journal: Journal, request: query_pb2.EventRequest) -> query_pb2.EventResponse:
    """Every time it came, every amendment, and what counts. Raises BadQuestion, JournalError."""
    view = Book.at(journal, request.as_of).view
    came = received(view, request.source, request.id).to_pylist()
    if not came:
        raise BadQuestion(unknown(request.source, request.id))
    amendments = [amendment_of(row) for row in amendments_of(view, request.source, request.id).to_pylist()]
    return query_pb2.EventResponse(
        as_of=view.position,
        received=[
            query_pb2.ReceivedEvent(
                position=row["position"],
                agent=row["agent"],
                origin=row["origin"],
                type=row["type"],
                state=_state(state_of(row)),
            )
            for row in came
        ],
        amendments=amendments,
        state=amendments[-1].after if amendments else _state(state_of(came[0])),
    )


def amendment_of(row: Mapping[str, Any]) -> query_pb2.Amendment:
    """An amendment as the wire gives it, of a row of ``provenance.amendments_of``."""
    found = Amendment.of(row["document"])
    return query_pb2.Amendment(
        position=row["position"],
        amended=instants.text(row["time_us"]),
        author=row["author"],
        reason=found.reason,
        source=found.source,
        id=found.id,
        before=_state(found.before),
        after=_state(found.after),
    )


def _state(state: EventState) -> query_pb2.EventState:
    return query_pb2.EventState(
        tenant=state.tenant,
        time=instants.text(state.time_us),
        value=plain_text(state.value),
        properties=state.properties,
        is_void=state.is_void,
    )

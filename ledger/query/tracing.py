"""A number traced back, as the wire gives it."""

from __future__ import annotations

import json
from decimal import Decimal

from ledger.directory.decimals import plain_text
from ledger.journal.journal import Journal
from ledger.journal.quantity import to_decimal
from ledger.metering.answer import UnknownMeter
from ledger.metering.tracing import TracedPart, trace
from ledger.query.questions import BadQuestion, Book, instant, suggestion
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants

_PARTS_MAX, _BATCHES_MAX = 10_000, 10_000


def answer_trace(journal: Journal, request: query_pb2.TraceRequest) -> query_pb2.TraceResponse:
    """What the quantity of one window is made of. Raises BadQuestion, JournalError."""
    at_us = instant(request.at, "at")
    book = Book.at(journal, request.as_of)
    book.tenants([request.tenant])
    try:
        found = trace(book.view, book.catalog, request.meter, request.tenant, at_us, dict(request.dimensions))
    except UnknownMeter as error:
        known = book.catalog.names("meter")
        if request.meter in known:
            raise BadQuestion(f"at: {request.at} is in no window that {request.meter!r} holds for") from error
        raise BadQuestion(f"meter: there is no meter {request.meter!r}; {suggestion(request.meter, known)}") from error
    except ValueError as error:
        raise BadQuestion(f"at: {error}") from error
    batches = found.batches.slice(0, _BATCHES_MAX).to_pylist()
    return query_pb2.TraceResponse(
        as_of=book.view.position,
        version=found.version.version,
        start=instants.text(found.start_us),
        end=instants.text(found.end_us),
        quantity=plain_text(to_decimal(found.quantity)),
        booked=plain_text(sum(found.entries["quantity"].to_pylist(), Decimal(0))),
        unit=found.version.meter.unit,
        parts_unit=found.version.meter.measured_in or found.version.meter.unit,
        entries=[
            query_pb2.TracedEntry(
                dimensions=json.loads(row["dimensions"]),
                version=row["version"],
                quantity=plain_text(row["quantity"]),
                estimated=plain_text(row["estimated"]),
                position=row["position"],
                booked=instants.text(row["time_us"]),
            )
            for row in found.entries.to_pylist()
        ],
        parts=[_part(part) for part in found.parts[:_PARTS_MAX]],
        parts_total=len(found.parts),
        batches=[
            query_pb2.TracedBatch(
                agent=row["agent"],
                epoch=row["epoch"],
                sequence=row["sequence"],
                hash=row["hash"],
                position=row["position"],
                rows=row["rows"],
            )
            for row in batches
        ],
        batches_total=found.batches.num_rows,
    )


def _part(part: TracedPart) -> query_pb2.TracedPart:
    return query_pb2.TracedPart(
        dimensions=json.loads(part.dimensions),
        resource=part.labels or part.resource,
        source=part.source,
        quantity=plain_text(to_decimal(part.quantity)),
        estimated=plain_text(to_decimal(part.estimated)),
    )

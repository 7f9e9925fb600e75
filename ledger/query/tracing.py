"""A number traced back, as the wire gives it."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa

from ledger.journal.journal import Journal
from ledger.journal.quantity import to_decimal
from ledger.journal.view import View
from ledger.metering.answer import UnknownMeter
from ledger.metering.tracing import TracedPart, trace
from ledger.proof.hashes import leaves_at
from ledger.query.event import amendment_of
from ledger.query.questions import BadQuestion, Book, instant, suggestion
from ledger.query.scope import own_parts
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants

_PARTS_MAX, _BATCHES_MAX, _AMENDMENTS_MAX = 10_000, 10_000, 1_000


def answer_trace(
    journal: Journal, request: query_pb2.TraceRequest, seen: frozenset[str] | None = None
) -> query_pb2.TraceResponse:
    """What the quantity of one window is made of; for who may see only some tenants, without what may tell of others (see ``scope``).

    Raises BadQuestion, JournalError.
    """
    at_us = instant(request.at, "at")
    book = Book.at(journal, request.as_of)
    book.tenants([request.tenant], seen)
    is_open, asked = seen is None, (request.meter, request.tenant, at_us, dict(request.dimensions))
    try:
        found = trace(book.view, book.catalog, *asked, only_own=not is_open)
    except UnknownMeter as error:
        known = book.catalog.names("meter")
        if request.meter in known:
            raise BadQuestion(f"at: {request.at} is in no window that {request.meter!r} holds for") from error
        # Names of meters may tell of other tenants.
        told = f"; {suggestion(request.meter, known)}" if is_open else ""
        raise BadQuestion(f"meter: there is no meter {request.meter!r}{told}") from error
    except ValueError as error:
        raise BadQuestion(f"at: {error}") from error
    parts = found.parts if is_open else own_parts(book.view, request.tenant, found)
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
                causes=reasons if is_open else (),
            )
            for row, reasons in zip(found.entries.to_pylist(), found.reasons, strict=True)
        ],
        amendments=[amendment_of(row) for row in found.amendments[-_AMENDMENTS_MAX:]] if is_open else [],
        parts=[_part(part) for part in parts[:_PARTS_MAX]],
        parts_total=len(parts),
        batches=_batches(book.view, found.batches.slice(0, _BATCHES_MAX), is_open=is_open),
        batches_total=found.batches.num_rows,
    )


def _batches(view: View, found: pa.Table, *, is_open: bool) -> list[query_pb2.TracedBatch]:
    leaves = leaves_at(view.tables, found["position"].to_pylist())
    return [
        query_pb2.TracedBatch(
            **({name: row[name] for name in ("agent", "epoch", "sequence", "hash")} if is_open else {}),
            position=row["position"],
            rows=row["rows"],
            leaf=leaves[row["position"]].hex(),
        )
        for row in found.to_pylist()
    ]


def _part(part: TracedPart) -> query_pb2.TracedPart:
    return query_pb2.TracedPart(
        dimensions=json.loads(part.dimensions),
        resource=part.labels or part.resource,
        source=part.source,
        quantity=plain_text(to_decimal(part.quantity)),
        estimated=plain_text(to_decimal(part.estimated)),
    )

"""Usage as the wire gives it, and what a question for it may name."""

from __future__ import annotations

import json

from ledger.journal.journal import Journal
from ledger.metering.answer import TooLarge, UnfitWindow, UnknownMeter, usage
from ledger.metering.usage import Usage
from ledger.query.questions import BadQuestion, Book, suggestion
from ledger.schema.calendar import TOTAL, WINDOWS
from ledger.schema.decimals import plain_text
from ledger.schema.moments import known_zone
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants

_ROWS_MAX = 100_000


def answer_usage(
    journal: Journal, request: query_pb2.UsageRequest, seen: frozenset[str] | None = None
) -> query_pb2.UsageResponse:
    """Quantities per meter, tenant, dimensions and window, of the tenants ``seen`` (None for all).

    Raises BadQuestion, JournalError.
    """
    window = request.window or TOTAL
    if window not in WINDOWS:
        raise BadQuestion(f"window: {window!r} is not one of {', '.join(WINDOWS)}")
    limit = request.limit or _ROWS_MAX
    if not 0 < limit <= _ROWS_MAX:
        raise BadQuestion(f"limit: {limit} is not between 1 and {_ROWS_MAX}")
    if request.offset < 0:
        raise BadQuestion(f"offset: {request.offset} is less than 0")
    book = Book.at(journal, request.as_of)
    start_us, end_us = book.hours(request.range)
    try:
        rows = usage(
            book.view,
            book.catalog,
            start_us,
            end_us,
            meters=set(request.meters),
            tenants=book.tenants(request.tenants, seen),
            window=window,
            zone=_zone(request.zone),
        )
    except UnfitWindow as error:
        raise BadQuestion(f"window: {window!r} does not fit: {error}") from error
    except TooLarge as error:
        raise BadQuestion(f"meters: {error}; ask for other meters, or for shorter windows") from error
    except UnknownMeter as error:
        unknown = str(error)
        # Names of meters may tell of other tenants.
        known = f"; {suggestion(unknown, book.catalog.names('meter'))}" if seen is None else ""
        raise BadQuestion(f"meters: there is no meter {unknown!r}{known}") from error
    return query_pb2.UsageResponse(
        as_of=book.view.position,
        rows=[row_of(row) for row in rows[request.offset : request.offset + limit]],
        rows_total=len(rows),
    )


def _zone(name: str) -> str:
    try:
        return known_zone(name or "UTC")
    except ValueError as error:
        raise BadQuestion(f"zone: {error}") from error


def row_of(row: Usage) -> query_pb2.UsageRow:
    """A quantity as the wire gives it."""
    return query_pb2.UsageRow(
        meter=row.meter,
        tenant=row.tenant,
        dimensions=json.loads(row.dimensions),
        window="" if row.window_us is None else instants.text(row.window_us),
        quantity=plain_text(row.quantity),
        unit=row.unit,
        estimated=plain_text(row.estimated),
        coverage="" if row.coverage is None else plain_text(row.coverage),
    )

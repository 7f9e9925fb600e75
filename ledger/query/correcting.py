"""What was corrected of a meter, and why, as the wire gives it."""

from __future__ import annotations

import json

from ledger.journal.journal import Journal
from ledger.metering.booking import meter_versions
from ledger.metering.corrections import corrections
from ledger.query.questions import BadQuestion, Book, suggestion
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants

_ROWS_DEFAULT, _ROWS_MAX = 1_000, 100_000


def answer_corrections(journal: Journal, request: query_pb2.CorrectionsRequest) -> query_pb2.CorrectionsResponse:
    """Entries of windows that had been booked before, the newest first. Raises BadQuestion, JournalError."""
    limit = request.limit or _ROWS_DEFAULT
    if not 0 < limit <= _ROWS_MAX:
        raise BadQuestion(f"limit: {limit} is not between 1 and {_ROWS_MAX}")
    book = Book.at(journal, request.as_of)
    known = book.catalog.names("meter")
    if request.meter not in known:
        raise BadQuestion(f"meter: there is no meter {request.meter!r}; {suggestion(request.meter, known)}")
    tenants, (start_us, end_us) = book.tenants(request.tenants), book.hours(request.range)
    rows, rows_total = corrections(book.view, request.meter, tenants, start_us, end_us, limit)
    unit = meter_versions(book.catalog, request.meter)[-1].meter.unit
    return query_pb2.CorrectionsResponse(
        as_of=book.view.position,
        rows=[
            query_pb2.Correction(
                window=instants.text(row.window_us),
                tenant=row.tenant,
                dimensions=json.loads(row.dimensions),
                before=plain_text(row.before),
                after=plain_text(row.after),
                unit=unit,
                position=row.position,
                booked=instants.text(row.time_us),
                causes=row.reasons,
            )
            for row in rows
        ],
        rows_total=rows_total,
    )

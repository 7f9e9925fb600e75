"""What a meter would give: measured as the book shows it, and written nowhere."""

from __future__ import annotations

from ledger.directory.manifest import parse_manifests
from ledger.directory.meter import Meter
from ledger.journal.journal import Journal
from ledger.metering.answer import TooLarge, tried
from ledger.metering.events import without_value
from ledger.metering.subjects import read_by
from ledger.query.questions import BadQuestion, Book
from ledger.query.usage import row_of
from meterbook.ledger.v1 import query_pb2

#: Reasons that are told; events may have as many as there are values.
_NOTES_MAX = 20


def answer_try_meter(journal: Journal, request: query_pb2.TryMeterRequest) -> query_pb2.TryMeterResponse:
    """A row for each window of the meter that begins in the range. Raises BadQuestion, JournalError."""
    name, meter = _meter(request.definition)
    book = Book.at(journal, request.as_of)
    start_us, end_us = book.hours(request.range)
    try:
        rows = tried(book.view, name, meter, start_us, end_us, book.tenants(request.tenants))
    except TooLarge as error:
        raise BadQuestion(f"definition: {error}; choose a larger unit, or a filter that leaves it out") from error
    return query_pb2.TryMeterResponse(
        as_of=book.view.position,
        rows=[row_of(row) for row in rows],
        series=len(read_by(book.view, meter).ids) if meter.source.metric is not None else 0,
        notes=_notes(book, meter, start_us, end_us),
    )


def _meter(text: str) -> tuple[str, Meter]:
    manifest = parse_manifests([("definition", text)])
    if manifest.faults:
        raise BadQuestion("\n".join(map(str, manifest.faults)))
    if len(manifest.documents) != 1 or not isinstance(spec := manifest.documents[0].spec, Meter):
        raise BadQuestion("definition: give one definition of a meter")
    return manifest.documents[0].name, spec


def _notes(book: Book, meter: Meter, start_us: int, end_us: int) -> list[str]:
    found = sorted(without_value(book.view, meter, start_us, end_us).items())
    return [f"{each.events} events count for nothing: {reason}" for reason, each in found[:_NOTES_MAX]]

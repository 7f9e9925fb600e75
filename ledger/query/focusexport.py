"""Allocated charges as rows of FOCUS, as the wire gives them: one Arrow IPC stream, cut into pieces, and then what is to be said of it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa

from ledger.costing import focuscolumns
from ledger.costing.exporting import Export
from ledger.journal.journal import Journal
from ledger.query.allocated import Asked
from ledger.query.questions import BadQuestion, Book
from meterbook.ledger.v1 import costing_pb2

#: Less than what gRPC takes as one message, 4 MiB, whatever its client says.
_PIECE_BYTES = 1 << 20
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


def answer_export(
    journal: Journal, request: costing_pb2.ExportAllocationRequest
) -> Iterator[costing_pb2.ExportAllocationResponse]:
    """The rows, and then one message without any. Raises BadQuestion, JournalError; the first message tells of a bad question."""
    if request.billing.cost:
        raise BadQuestion(
            f"cost: {request.billing.cost!r} cannot be chosen, since an export has all costs; leave it out"
        )
    asked = Asked.of(Book.at(journal, request.as_of), request.billing)
    view = asked.book.view
    export = Export.of(view, asked.book.catalog, asked.standing)
    about = {"focus_version": focuscolumns.VERSION, "period": request.billing.period, "as_of": str(view.position)}
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, export.columns.schema.with_metadata(about), options=_OPTIONS) as writer:
        for batch in export.batches():
            writer.write_batch(batch)
            yield from _pieces(sink)
    yield from _pieces(sink)
    yield costing_pb2.ExportAllocationResponse(
        as_of=view.position,
        rows=export.rows,
        charges=export.charges,
        problems=[*asked.problems(), *export.problems],
        notes=[*asked.notes(), *export.notes()],
    )


def _pieces(sink: io.BytesIO) -> Iterator[costing_pb2.ExportAllocationResponse]:
    """What was written since, which is gone from there then."""
    written = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    for low in range(0, len(written), _PIECE_BYTES):
        yield costing_pb2.ExportAllocationResponse(arrow=written[low : low + _PIECE_BYTES])

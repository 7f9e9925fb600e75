"""Deriving the rows of records, in this process or as a process of its own.

It is done in parts that fit into a processor's cache, with a bound on what the rows may take in memory, since a small payload
can stand for many. Where there are so many rows of a table that they are worth a file, that is written here too: what is
left to be done in the tables is little, and it is done once for many parts.

As a process it runs as ``python -m ledger.journal.deriver DESCRIPTOR``, a child that is told what is known and then answers
DeriveRequests. A log in files it reads itself. See ``deriving`` for when that is worth it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ledger.journal.child import serve
from ledger.journal.derive import Rows, State, decoded, derive
from ledger.journal.disk import Disk
from ledger.journal.errors import JournalError, LogUnavailable, TablesUnavailable
from ledger.journal.memory import keep_freed_memory
from ledger.journal.parquet import GatheredRows
from ledger.journal.record import Draft, Kind, Record
from ledger.journal.screening import KnownSeries
from ledger.journal.segmentreader import SegmentReader, reader_of
from meterbook.lean import leave_out
from meterbook.ledger.v1 import deriving_pb2
from meterbook.proof.merkle import Frontier
from meterbook.wire.sections import Sections

#: Bytes of payloads that are read at a time.
READ_BYTES_MAX = 16 << 20
#: Bytes of content whose rows are derived together; of rows that are held, and of content, before they are handed on.
PART_BYTES_MAX, HELD_BYTES_MAX, CONTENT_BYTES_MAX = 4 << 20, 32 << 20, 512 << 20
#: Acknowledging comes first, filling the tables second.
_NICENESS = 10


@dataclass(frozen=True)
class Derived:
    """What follows from ``records`` records: rows by table, or the Parquet file that has them.

    ``position`` and ``time_us`` are those of the last of these records; ``payload_bytes``, and ``content_bytes``, which is
    what they take in memory, are of all of them.
    """

    position: int
    time_us: int
    records: int
    payload_bytes: int
    content_bytes: int
    rows: Mapping[str, pa.Table | Path]


class Deriver:
    """Derives in this process; ``state`` is what all records so far have left."""

    def __init__(self, state: State, folder: Path | None) -> None:
        self.state, self.folder = state, folder

    def derive(self, records: Sequence[Record]) -> Iterator[Derived]:
        """The rows of records, many records at a time. Raises TablesUnavailable where a file cannot be written."""
        group = _Group(self.folder)
        try:
            for part, contents, content_bytes in _parts(records):
                rows, self.state = derive(part, self.state, contents)
                group.add(part, rows, content_bytes)
                if group.is_full:
                    yield group.derived()
                    group = _Group(self.folder)
            if group.records:
                yield group.derived()
        finally:
            group.abandon()


class _Group:
    """The rows of records that are handed on together."""

    def __init__(self, folder: Path | None) -> None:
        self.records = 0
        self._last: Record | None = None
        self._payload_bytes = self._content_bytes = 0
        self._rows = GatheredRows(folder)

    @property
    def is_full(self) -> bool:
        return self._content_bytes >= CONTENT_BYTES_MAX or self._rows.held_bytes >= HELD_BYTES_MAX

    def add(self, records: Sequence[Record], rows: Rows, content_bytes: int) -> None:
        self._rows.add(rows)
        self._last = records[-1]
        self.records += len(records)
        self._payload_bytes += sum(len(record.payload) for record in records)
        self._content_bytes += content_bytes

    def derived(self) -> Derived:
        assert self._last is not None
        rows = self._rows.finished()
        last, size = self._last, self._content_bytes
        return Derived(last.position, last.time_us, self.records, self._payload_bytes, size, rows)

    def abandon(self) -> None:
        self._rows.abandon()


def _parts(records: Sequence[Record]) -> Iterator[tuple[list[Record], dict[int, Sections], int]]:
    """Some records at a time, the contents of batches among them by position, and the bytes of these."""
    part: list[Record] = []
    contents: dict[int, Sections] = {}
    size = 0
    for record in records:
        part.append(record)
        if record.kind is Kind.BATCH:
            content = contents[record.position] = decoded(record)
            size += content.nbytes
        else:
            size += len(record.payload)
        if size >= PART_BYTES_MAX:
            yield part, contents, size
            part, contents, size = [], {}, 0
    if part:
        yield part, contents, size


def beginning(deriver: Deriver, files: Disk | None) -> bytes:
    """The request that tells a child what a deriver knows, to go on in its place, and the files to read if it is to read."""
    series, frontier = deriver.state.series, deriver.state.frontier
    known = deriving_pb2.DeriveBeginning(
        series_ids=series.ids.astype("<i8").tobytes(),
        series_identities=series.identities.astype("<i8").tobytes(),
        series_counters=series.counters.astype(np.uint8).tobytes(),
        frontier=frontier.to_bytes(),
        folder=str(deriver.folder or ""),
        log=str(files.directory) if files else "",
        archive=str(files.archive or "") if files else "",
    )
    return deriving_pb2.DeriveRequest(beginning=known).SerializeToString()


def request(records: Iterable[Record]) -> bytes:
    """The request for the rows of records."""
    return deriving_pb2.DeriveRequest(records=map(_logged, records)).SerializeToString()


def request_until(end: int) -> bytes:
    """The request for the rows of some of the records that come next, in a log that ends at ``end`` and beyond them."""
    return deriving_pb2.DeriveRequest(end=end).SerializeToString()


def answered(message: bytes) -> tuple[Derived, bool]:
    """What a message of the answer says, and whether it is the last. Raises TablesUnavailable, LogUnavailable where it says so."""
    said = deriving_pb2.DeriveResponse.FromString(message)
    if said.failure:
        raise LogUnavailable(said.failure) if said.is_of_log else TablesUnavailable(said.failure)
    rows = {each.table: Path(each.file) if each.file else _table(each.rows) for each in said.tables}
    derived = Derived(said.position, said.time_us, said.records, said.payload_bytes, said.content_bytes, rows)
    return derived, said.is_last


class _Child:
    """The child's side of it."""

    _deriver: Deriver
    _files: Disk
    _reader: SegmentReader | None = None
    _end = 0

    def answers(self, message: bytes) -> Iterator[bytes]:
        said = deriving_pb2.DeriveRequest.FromString(message)
        try:
            if said.HasField("beginning"):
                self._begin(said.beginning)
                return
            records = self._read(said.end) if said.end else [_record(each) for each in said.records]
            for derived in self._deriver.derive(records):
                yield _response(derived, is_last=derived.position == records[-1].position)
        except JournalError as error:
            is_of_log = isinstance(error, LogUnavailable)
            yield deriving_pb2.DeriveResponse(failure=str(error), is_of_log=is_of_log).SerializeToString()

    def _begin(self, known: deriving_pb2.DeriveBeginning) -> None:
        self._deriver = Deriver(_state(known), Path(known.folder) if known.folder else None)
        self._files = Disk(Path(known.log), Path(known.archive) if known.archive else None)

    def _read(self, end: int) -> list[Record]:
        self._end = end
        if self._reader is None:
            self._reader = reader_of(self._files, lambda: self._end, self._deriver.state.frontier.size)
        return self._reader.read(READ_BYTES_MAX)


def _state(known: deriving_pb2.DeriveBeginning) -> State:
    ids, identities = (
        np.frombuffer(each, dtype="<i8").astype(np.int64) for each in (known.series_ids, known.series_identities)
    )
    counters = np.frombuffer(known.series_counters, dtype=np.uint8).astype(bool)
    return State(KnownSeries(ids, identities, counters), Frontier.from_bytes(known.frontier))


def _logged(record: Record) -> deriving_pb2.LoggedRecord:
    draft = record.draft
    return deriving_pb2.LoggedRecord(
        position=record.position,
        time_us=record.time_us,
        kind=draft.kind,
        chain=draft.chain,
        sequence=draft.sequence,
        previous=draft.previous,
        hash=draft.hash,
        payload=draft.payload,
    )


def _record(logged: deriving_pb2.LoggedRecord) -> Record:
    draft = Draft(Kind(logged.kind), logged.chain, logged.sequence, logged.previous, logged.hash, logged.payload)
    return Record(logged.position, logged.time_us, draft)


def _response(derived: Derived, *, is_last: bool) -> bytes:
    tables = [
        deriving_pb2.TableRows(table=name, file=str(rows))
        if isinstance(rows, Path)
        else deriving_pb2.TableRows(table=name, rows=_stream(rows))
        for name, rows in derived.rows.items()
    ]
    return deriving_pb2.DeriveResponse(
        position=derived.position,
        time_us=derived.time_us,
        records=derived.records,
        payload_bytes=derived.payload_bytes,
        content_bytes=derived.content_bytes,
        tables=tables,
        is_last=is_last,
    ).SerializeToString()


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _table(stream: bytes) -> pa.Table:
    with pa.ipc.open_stream(stream) as reader:
        return reader.read_all()


def _main() -> None:
    os.nice(_NICENESS)
    keep_freed_memory()
    serve(int(sys.argv[1]), _Child().answers)


if __name__ == "__main__":
    leave_out()
    _main()

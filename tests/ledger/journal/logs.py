"""Logs, and files of theirs that crashes and accidents have left behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ledger.journal import frames, segment
from ledger.journal.frames import Kind, Record
from ledger.journal.log import SEGMENT_BYTES, Log
from ledger.journal.segment import Header, Start

SEED = 0xC0FFEE


@contextmanager
def opened_log(directory: Path, segment_bytes: int = SEGMENT_BYTES, settled: int = 0) -> Iterator[Log]:
    """A log, closed at the end."""
    directory.mkdir(exist_ok=True)
    log = Log(directory, segment_bytes, settled)
    try:
        yield log
    finally:
        log.close()


def records_of(log: Log, after: int = 0) -> list[Record]:
    """Everything durable."""
    return [record for record, _ in log.read(log.cursor(after))]


def chain(groups: Sequence[Sequence[bytes]], start: Start | None = None) -> list[Record]:
    """Records of payloads as a log writes them, group by group."""
    position, head = (1, frames.GENESIS_HEAD) if start is None else (start.position, start.head)
    found = []
    for group in groups:
        settled = position - 1
        for payload in group:
            head = frames.next_head(head, Kind.BATCH, position, position, payload)
            found.append(Record(Kind.BATCH, position, position, settled, head, payload))
            position += 1
    return found


def file_of(records: Sequence[Record], start: Start | None = None) -> bytes:
    """A segment with these records."""
    header = Header(start or Start(1, frames.GENESIS_HEAD), SEED)
    return segment.pack_header(header) + b"".join(frames.pack(record, SEED) for record in records)


def put(directory: Path, data: bytes, position: int = 1) -> Path:
    """The bytes as the segment of a position."""
    directory.mkdir(exist_ok=True)
    path = segment.path_of(directory, position)
    path.write_bytes(data)
    return path

"""One file of records: its header, reading it in order, and finding where a crash cut it off.

A segment is read front to back with every checksum, position and head checked on the way, so a reader can never be
handed a record that does not follow from the one before it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.journal import frames
from ledger.journal.errors import StoreDamaged
from ledger.journal.frames import BadFrame, Record

HEADER_BYTES = 64
SUFFIX = ".seg"
_HEADER = struct.Struct("<8sQ32s12x")
_MAGIC = b"MBKSEG01"


@dataclass(frozen=True)
class Start:
    """Where a segment begins: the first position in it, and the head of the log before that."""

    position: int
    head: bytes


@dataclass(frozen=True)
class Place:
    """A record and the offset in its segment at which the next one begins."""

    record: Record
    end: int


def path_of(directory: Path, position: int) -> Path:
    """File of the segment whose first record has this position."""
    return directory / f"{position:020d}{SUFFIX}"


def pack_header(start: Start) -> bytes:
    """The 64 bytes at the beginning of a segment."""
    body = _HEADER.pack(_MAGIC, start.position, start.head)
    return body + struct.pack("<I", zlib.crc32(body))


def read_start(path: Path) -> Start:
    """The header of a segment. Raises StoreDamaged."""
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or zlib.crc32(header[:60]) != int.from_bytes(header[60:], "little"):
        raise StoreDamaged(f"{path}: the segment's header is damaged; restore the file from a backup")
    magic, position, head = _HEADER.unpack(header[:60])
    if magic != _MAGIC or path.name != path_of(path.parent, position).name:
        raise StoreDamaged(f"{path}: this is not the segment that its name says; restore the file from a backup")
    return Start(position, head)


def read(path: Path, start: Start, offset: int = HEADER_BYTES) -> Iterator[Place]:
    """Records from ``offset`` on, where ``start`` describes the first of them. Stops quietly at the end of the file.

    Raises StoreDamaged at the first bytes that are not the record expected there. A reader that follows a live log
    must stop at the position that the log calls durable and never ask for more.
    """
    position, head = start.position, start.head
    with path.open("rb") as file:
        file.seek(offset)
        while header := file.read(frames.HEADER_BYTES):
            try:
                record = frames.unpack(header, file.read(frames.payload_length(header)))
                _check_follows(record, position, head)
            except BadFrame as error:
                raise StoreDamaged(
                    f"{path}: the record at byte {offset}, position {position}, is damaged ({error}); "
                    "restore the file from a backup"
                ) from None
            offset += frames.HEADER_BYTES + len(record.payload)
            yield Place(record, offset)
            position, head = position + 1, record.head


def sound_end(path: Path, start: Start) -> tuple[int, Start]:
    """Offset at which the acknowledged records of the last segment end, and what comes there.

    Raises StoreDamaged where a record that was acknowledged is damaged: see "After a crash" in ``FORMAT.md``.
    """
    end, following = HEADER_BYTES, start
    try:
        for place in read(path, start):
            end, following = place.end, Start(place.record.position + 1, place.record.head)
    except StoreDamaged:
        if _settled_after(path, end) >= following.position:
            raise
    return end, following


def _check_follows(record: Record, position: int, head: bytes) -> None:
    if record.position != position:
        raise BadFrame(f"it says position {record.position}")
    if record.head != frames.next_head(head, record.kind, position, record.time_us, record.payload):
        raise BadFrame("its head does not follow from the record before it")


def _settled_after(path: Path, offset: int) -> int:
    """The highest position that any intact record after ``offset`` calls settled."""
    data = path.read_bytes()
    settled = 0
    found = data.find(frames.MAGIC, offset + 1)
    while found >= 0:
        header = data[found : found + frames.HEADER_BYTES]
        try:
            body = found + frames.HEADER_BYTES
            record = frames.unpack(header, data[body : body + frames.payload_length(header)])
            settled = max(settled, record.settled)
        except BadFrame:
            pass
        found = data.find(frames.MAGIC, found + 1)
    return settled

"""One file of records: its header, reading it in order, and finding where a crash cut it off.

A segment is read front to back with every checksum, position and head checked on the way, so a reader can never be
handed a record that does not follow from the one before it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from ledger.journal import frames
from ledger.journal.errors import StoreDamaged
from ledger.journal.frames import BadFrame, Record

HEADER_BYTES = 64
SUFFIX = ".seg"
_HEADER = struct.Struct("<8sQ32sI8x")
_MAGIC = b"MBKSEG01"


@dataclass(frozen=True)
class Start:
    """Where a segment begins: the first position in it, and the head of the log before that."""

    position: int
    head: bytes


@dataclass(frozen=True)
class Header:
    """The beginning of a segment; ``seed`` is what the checksums of its records begin with."""

    start: Start
    seed: int


@dataclass(frozen=True)
class Place:
    """A record and the offset in its segment at which the next one begins."""

    record: Record
    end: int


def path_of(directory: Path, position: int) -> Path:
    """File of the segment whose first record has this position."""
    return directory / f"{position:020d}{SUFFIX}"


def pack_header(header: Header) -> bytes:
    """The 64 bytes at the beginning of a segment."""
    body = _HEADER.pack(_MAGIC, header.start.position, header.start.head, header.seed)
    return body + struct.pack("<I", zlib.crc32(body))


def read_header(path: Path) -> Header:
    """The header of a segment. Raises StoreDamaged."""
    with _opened(path) as file:
        return _header(path, file)


def read(path: Path, start: Start, offset: int = HEADER_BYTES) -> Iterator[Place]:
    """Records from ``offset`` on, where ``start`` describes the first of them. Stops quietly at the end of the file.

    Raises StoreDamaged at the first bytes that are not the record expected there. A reader that follows a live log
    must stop at the position that the log calls durable and never ask for more.
    """
    position, head = start.position, start.head
    with _opened(path) as file:
        seed = _header(path, file).seed
        file.seek(offset)
        while header := file.read(frames.HEADER_BYTES):
            try:
                record, length = frames.unpack(header, seed)
                record = replace(record, payload=file.read(length))
                if len(record.payload) < length:
                    raise BadFrame("payload is cut off")
                frames.check_follows(record, position, head)
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


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise StoreDamaged(
            f"{path}: the segment cannot be opened ({error.strerror}); restore the file from a backup"
        ) from error


def _header(path: Path, file: BinaryIO) -> Header:
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or zlib.crc32(header[:60]) != int.from_bytes(header[60:], "little"):
        raise StoreDamaged(f"{path}: the segment's header is damaged; restore the file from a backup")
    magic, position, head, seed = _HEADER.unpack(header[:60])
    if magic != _MAGIC or path.name != path_of(path.parent, position).name:
        raise StoreDamaged(f"{path}: this is not the segment that its name says; restore the file from a backup")
    return Header(Start(position, head), seed)


def _settled_after(path: Path, offset: int) -> int:
    """The highest position that any intact record header after ``offset`` calls settled."""
    seed, data = read_header(path).seed, path.read_bytes()
    settled = 0
    found = data.find(frames.MAGIC, offset + 1)
    while found >= 0:
        with suppress(BadFrame):
            record, _ = frames.unpack(data[found : found + frames.HEADER_BYTES], seed)
            settled = max(settled, record.settled)
        found = data.find(frames.MAGIC, found + 1)
    return settled

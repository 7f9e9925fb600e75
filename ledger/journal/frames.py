"""One record as bytes: a fixed header, a checksum against accidents, a hash chain against everything else.

The CRC finds torn and rotten bytes cheaply; the head, a SHA-256 over the head before it and this record, makes
every record answer for all that came before. ``settled`` is the log's memory of its own promises: it lets a start
after a crash tell a write that was cut off from an acknowledged record that was damaged. Layout: ``FORMAT.md``.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"MBR1"
GENESIS_HEAD = bytes(32)
PAYLOAD_BYTES_MAX = 256 << 20

_PREFIX = struct.Struct("<4sI")
_FIXED = struct.Struct("<IB3xQqQ32s")
HEADER_BYTES = _PREFIX.size + _FIXED.size


class Kind(IntEnum):
    """What a record holds; the payloads are the messages of ``journal.proto``."""

    BATCH = 1
    DEFINITIONS = 2
    RUN = 3


@dataclass(frozen=True)
class Record:
    """One record of the log. ``time_us`` is when it was committed."""

    kind: Kind
    position: int
    time_us: int
    settled: int
    head: bytes
    payload: bytes


class BadFrame(ValueError):
    """The bytes at this place are not a whole, intact record."""


def next_head(head: bytes, kind: Kind, position: int, time_us: int, payload: bytes) -> bytes:
    """Head of the log after a record that follows ``head``."""
    hasher = hashlib.sha256(b"meterbook record v1\0" + head)
    hasher.update(struct.pack("<B3xQq", kind, position, time_us))
    hasher.update(payload)
    return hasher.digest()


def pack(record: Record) -> bytes:
    """The record's bytes."""
    fixed = _FIXED.pack(len(record.payload), record.kind, record.position, record.time_us, record.settled, record.head)
    crc = zlib.crc32(record.payload, zlib.crc32(fixed))
    return b"".join((_PREFIX.pack(MAGIC, crc), fixed, record.payload))


def payload_length(header: bytes) -> int:
    """Length of the payload that a header announces. Raises BadFrame where it is no header."""
    if len(header) < HEADER_BYTES or header[:4] != MAGIC:
        raise BadFrame("no record header")
    length = int.from_bytes(header[8:12], "little")
    if length > PAYLOAD_BYTES_MAX:
        raise BadFrame(f"payload of {length} bytes")
    return length


def unpack(header: bytes, payload: bytes) -> Record:
    """The record behind its bytes. Raises BadFrame; does not check the head, which needs the record before."""
    _, crc = _PREFIX.unpack_from(header)
    fixed = header[_PREFIX.size : HEADER_BYTES]
    if zlib.crc32(payload, zlib.crc32(fixed)) != crc:
        raise BadFrame("checksum does not match")
    length, kind, position, time_us, settled, head = _FIXED.unpack(fixed)
    if length != len(payload):
        raise BadFrame("payload is cut off")
    try:
        return Record(Kind(kind), position, time_us, settled, head, payload)
    except ValueError:
        raise BadFrame(f"kind {kind} is unknown") from None

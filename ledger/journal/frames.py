"""One record as bytes: a header with a checksum of its own, and a hash chain over everything.

The head, a SHA-256 over the head before it and this record, makes every record answer for all that came before.
``settled`` is the log's memory of its own promises: it lets a start after a crash tell a write that was cut off from
an acknowledged record that was damaged. For that, headers must be recognised one by one among damaged bytes, and
bytes that an agent sent must never pass for one: hence a CRC over the header alone, begun with a secret seed.
Layout: ``FORMAT.md``.
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


def pack(record: Record, seed: int) -> bytes:
    """The record's bytes in a segment with this seed."""
    fixed = _FIXED.pack(len(record.payload), record.kind, record.position, record.time_us, record.settled, record.head)
    return b"".join((_PREFIX.pack(MAGIC, zlib.crc32(fixed, seed)), fixed, record.payload))


def unpack(header: bytes, seed: int) -> tuple[Record, int]:
    """The record that a header announces, without its payload, and the length of that. Raises BadFrame."""
    if len(header) < HEADER_BYTES or header[:4] != MAGIC:
        raise BadFrame("no record header")
    _, crc = _PREFIX.unpack_from(header)
    fixed = header[_PREFIX.size : HEADER_BYTES]
    if zlib.crc32(fixed, seed) != crc:
        raise BadFrame("checksum does not match")
    length, kind, position, time_us, settled, head = _FIXED.unpack(fixed)
    if length > PAYLOAD_BYTES_MAX:
        raise BadFrame(f"payload of {length} bytes")
    try:
        return Record(Kind(kind), position, time_us, settled, head, b""), length
    except ValueError:
        raise BadFrame(f"kind {kind} is unknown") from None


def check_follows(record: Record, position: int, head: bytes) -> None:
    """That the record is the one of ``position`` in a log that stood at ``head``. Raises BadFrame."""
    if record.position != position:
        raise BadFrame(f"it says position {record.position}")
    if record.head != next_head(head, record.kind, position, record.time_us, record.payload):
        raise BadFrame("its head does not follow from the record before it")

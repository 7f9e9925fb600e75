"""Records and commits as bytes.

A group is some record frames and the commit frame that makes them count: positions, time and the Merkle root after
them. Record frames do not depend on where they end up, so they can be written before that is decided. Layout:
``FORMAT.md``.

Payloads hold what agents sent, and damaged bytes are searched for commits (see ``segment``): bytes that somebody sent
must never pass for one. Checksums therefore begin with a secret seed.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass

from ledger.journal.record import CHAIN_BYTES_MAX, PAYLOAD_BYTES_MAX, Draft, Kind

RECORD_MAGIC, COMMIT_MAGIC = b"MBR2", b"MBC2"

_PREFIX = struct.Struct("<4sI")
_RECORD = struct.Struct("<IBxHQ32s32s32s")
_COMMIT = struct.Struct("<QIIqQ32s")
RECORD_BYTES = _PREFIX.size + _RECORD.size
COMMIT_BYTES = _PREFIX.size + _COMMIT.size


class BadFrame(ValueError):
    """The bytes at this place are not a whole, intact frame."""


@dataclass(frozen=True)
class Commit:
    """What makes the frames before it count: ``count`` records from ``position`` on, and the tree's root after them."""

    position: int
    count: int
    time_us: int
    frames_bytes: int
    root: bytes


@dataclass(frozen=True)
class Announced:
    """A record frame of which only the fixed part was read; its chain's name and its payload follow."""

    kind: Kind
    sequence: int
    previous: bytes
    hash: bytes
    digest: bytes
    chain_bytes: int
    payload_bytes: int
    crc: int
    fixed: bytes

    def complete(self, rest: bytes, seed: int) -> Draft:
        """The record, given the bytes that follow. Raises BadFrame."""
        if len(rest) < self.chain_bytes + self.payload_bytes:
            raise BadFrame("it is cut off")
        chain, payload = rest[: self.chain_bytes], rest[self.chain_bytes :]
        if _crc(seed, self.fixed, chain) != self.crc:
            raise BadFrame("its checksum does not match")
        if hashlib.sha256(payload).digest() != self.digest:
            raise BadFrame("its payload is not the one that was written")
        try:
            name = chain.decode()
        except UnicodeDecodeError:
            raise BadFrame("its chain's name is not UTF-8") from None
        return Draft(self.kind, name, self.sequence, self.previous, self.hash, payload)


def pack(draft: Draft, seed: int) -> list[bytes]:
    """The frame of a record in a segment with this seed, in parts, so that the payload is not copied."""
    chain = draft.chain.encode()
    digest = hashlib.sha256(draft.payload).digest()
    fixed = _RECORD.pack(len(draft.payload), draft.kind, len(chain), draft.sequence, draft.previous, draft.hash, digest)
    return [_PREFIX.pack(RECORD_MAGIC, _crc(seed, fixed, chain)) + fixed + chain, draft.payload]


def announced(header: bytes) -> Announced:
    """What the first ``RECORD_BYTES`` of a record frame announce. Raises BadFrame."""
    if len(header) < RECORD_BYTES or header[:4] != RECORD_MAGIC:
        raise BadFrame("no record begins there")
    _, crc = _PREFIX.unpack_from(header)
    fixed = header[_PREFIX.size : RECORD_BYTES]
    length, kind, chain_bytes, sequence, previous, link, digest = _RECORD.unpack(fixed)
    if length > PAYLOAD_BYTES_MAX or not 0 < chain_bytes <= CHAIN_BYTES_MAX:
        raise BadFrame(f"it announces a payload of {length} bytes and a name of {chain_bytes}")
    try:
        return Announced(Kind(kind), sequence, previous, link, digest, chain_bytes, length, crc, fixed)
    except ValueError:
        raise BadFrame(f"kind {kind} is unknown") from None


def pack_commit(commit: Commit, seed: int) -> bytes:
    """The commit frame in a segment with this seed."""
    fixed = _COMMIT.pack(commit.position, commit.count, 0, commit.time_us, commit.frames_bytes, commit.root)
    return _PREFIX.pack(COMMIT_MAGIC, _crc(seed, fixed)) + fixed


def unpack_commit(data: bytes, seed: int) -> Commit:
    """The commit in a commit frame. Raises BadFrame."""
    if len(data) < COMMIT_BYTES or data[:4] != COMMIT_MAGIC:
        raise BadFrame("no commit begins there")
    _, crc = _PREFIX.unpack_from(data)
    fixed = data[_PREFIX.size : COMMIT_BYTES]
    if _crc(seed, fixed) != crc:
        raise BadFrame("its checksum does not match")
    position, count, _, time_us, frames_bytes, root = _COMMIT.unpack(fixed)
    return Commit(position, count, time_us, frames_bytes, root)


def _crc(seed: int, *parts: bytes) -> int:
    for part in parts:
        seed = zlib.crc32(part, seed)
    return seed

"""Gives the frames of a segment the checksums, digests and roots that fit their bytes.

Changed bytes nearly never have a checksum that fits, and then no reader looks at anything else. With this a fuzzer gets
past the checksums to what is behind them. The walk is lenient: it stops where nothing can be a frame any more.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from contextlib import suppress

from ledger.journal import frames, segment
from ledger.journal.frames import BadFrame
from ledger.journal.record import Draft
from meterbook.proof.merkle import Frontier

_EDGE_BYTES, _EDGE = struct.Struct("<I"), 28
_CRC = slice(4, 8)
_DIGEST, _ROOT = slice(88, 120), slice(40, 72)


def with_checksums(data: bytes) -> bytes:
    """The bytes of a segment as far as they are one, and the rest as it is."""
    out = bytearray(data)
    if len(out) < _EDGE:
        return data
    end = _EDGE + _EDGE_BYTES.unpack_from(out, _EDGE - _EDGE_BYTES.size)[0]
    if end + 4 > len(out):
        return data
    out[end : end + 4] = zlib.crc32(out[:end]).to_bytes(4, "little")
    with suppress(BadFrame, ValueError, struct.error):
        _mend(out, end + 4, Frontier.from_bytes(bytes(out[_EDGE:end])))
    return bytes(out)


def _mend(out: bytearray, at: int, frontier: Frontier) -> None:
    """Frame by frame from ``at`` on, in place. Raises where there is no more frame."""
    seed = int.from_bytes(out[8:12], "little")
    drafts: list[Draft] = []
    while at < len(out):
        if out[at : at + 4] == frames.COMMIT_MAGIC:
            end = at + frames.COMMIT_BYTES
            time_us = struct.unpack_from("<q", out, at + 24)[0]
            frontier = segment.group_of(drafts, frontier, time_us).frontier
            _within(out, at, _ROOT, frontier.root())
            drafts = []
            _within(out, at, _CRC, zlib.crc32(out[at + 8 : end], seed).to_bytes(4, "little"))
        else:
            found = frames.announced(bytes(out[at : at + frames.RECORD_BYTES]))
            named = at + frames.RECORD_BYTES + found.chain_bytes
            end = named + found.payload_bytes
            _within(out, at, _DIGEST, hashlib.sha256(out[named:end]).digest())
            _within(out, at, _CRC, zlib.crc32(out[at + 8 : named], seed).to_bytes(4, "little"))
            again = frames.announced(bytes(out[at : at + frames.RECORD_BYTES]))
            drafts.append(again.complete(bytes(out[at + frames.RECORD_BYTES : end]), seed))
        at = end


def _within(out: bytearray, at: int, place: slice, data: bytes) -> None:
    """Write over bytes that are there."""
    if at + place.stop <= len(out):
        out[at + place.start : at + place.stop] = data

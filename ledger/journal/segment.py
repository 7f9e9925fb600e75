"""One file of groups: its header, reading it in order, and finding where a crash cut it off.

A segment is read front to back with every checksum, position, payload and Merkle root checked on the way, so a reader
can never be handed a record that does not follow from the ones before it. The header has what is needed to begin there:
the tree's right edge before the segment.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ledger.journal import frames
from ledger.journal.disk import Disk, DiskFile
from ledger.journal.errors import StoreDamaged
from ledger.journal.frames import BadFrame, Commit
from ledger.journal.record import Draft, Record
from meterbook.proof.merkle import Frontier

SUFFIX = ".seg"
_DIGITS = 20
_MAGIC = b"MBKSEG02"
_HEADER = struct.Struct("<8sIIqI")
#: No header is longer: the tree's edge has a hash for each bit of its size.
_EDGE_BYTES_MAX = 8 + 64 * 32
_SEARCH_BYTES = 8 << 20


@dataclass(frozen=True)
class Header:
    """The beginning of a segment: the tree before it, the time of the commit before it, and the checksums' seed."""

    frontier: Frontier
    time_us: int
    seed: int

    @property
    def position(self) -> int:
        """Position of the first record."""
        return self.frontier.size + 1


@dataclass(frozen=True)
class Group:
    """Records that were committed together, the tree after them, and where the next group begins in the file."""

    records: tuple[Record, ...]
    frontier: Frontier
    end: int

    @property
    def time_us(self) -> int:
        """When the group was committed."""
        return self.records[-1].time_us


def name_of(position: int) -> str:
    """File name of the segment whose first record has this position."""
    return f"{position:0{_DIGITS}d}{SUFFIX}"


def names_in(disk: Disk) -> list[str]:
    """The segments of a log by name, oldest first."""
    return [name for name in disk.names() if is_name(name)]


def damaged(file: DiskFile, offset: int, position: int, error: BadFrame) -> StoreDamaged:
    """What to raise for a group that was acknowledged once and cannot be read."""
    return StoreDamaged(
        f"{file.path}: the group at byte {offset}, position {position}, is damaged ({error}); restore the file from a backup"
    )


def is_name(name: str) -> bool:
    """Whether a file name is that of a segment; whatever else lies there is none of the log's business."""
    return (
        len(name) == _DIGITS + len(SUFFIX)
        and name.endswith(SUFFIX)
        and name[:_DIGITS].isascii()
        and name[:_DIGITS].isdigit()
    )


def position_of(name: str) -> int:
    """Position of the first record of the segment with this file name."""
    return int(name.removesuffix(SUFFIX))


def pack_header(header: Header) -> bytes:
    """The bytes at the beginning of a segment."""
    edge = header.frontier.to_bytes()
    body = _HEADER.pack(_MAGIC, header.seed, 0, header.time_us, len(edge)) + edge
    return body + struct.pack("<I", zlib.crc32(body))


def read_header(file: DiskFile) -> tuple[Header, int]:
    """The header of a segment, and the offset of its first group. Raises StoreDamaged."""
    fixed = file.read(0, _HEADER.size)
    if len(fixed) == _HEADER.size and fixed[: len(_MAGIC)] == _MAGIC:
        _, seed, _, time_us, edge_bytes = _HEADER.unpack(fixed)
        rest = file.read(_HEADER.size, edge_bytes + 4) if edge_bytes <= _EDGE_BYTES_MAX else b""
        edge, crc = rest[:edge_bytes], rest[edge_bytes:]
        if len(crc) == 4 and zlib.crc32(edge, zlib.crc32(fixed)) == int.from_bytes(crc, "little"):
            with suppress(ValueError):
                header = Header(Frontier.from_bytes(edge), time_us, seed)
                if file.path.name == name_of(header.position):
                    return header, _HEADER.size + edge_bytes + 4
    raise StoreDamaged(f"{file.path}: the segment's header is damaged, or not that of its name; restore the file")


def is_unfinished(file: DiskFile) -> bool:
    """Whether a crash came while the segment was made: its header is not whole, and nothing was ever written behind it."""
    edge_bytes = 8 + 32 * (position_of(file.path.name) - 1).bit_count()
    if file.size > _HEADER.size + edge_bytes + 4:
        return False
    try:
        read_header(file)
    except StoreDamaged:
        return True
    return False


def group_of(drafts: Sequence[Draft], frontier: Frontier, time_us: int, end: int = 0) -> Group:
    """The group that these records are when committed after the tree ``frontier``."""
    records = tuple(Record(frontier.size + n, time_us, draft) for n, draft in enumerate(drafts, 1))
    return Group(records, frontier.appended(record.leaf for record in records), end)


def pack_group(group: Group, seed: int) -> bytes:
    """A group's bytes."""
    parts = [part for record in group.records for part in frames.pack(record.draft, seed)]
    size, count = sum(map(len, parts)), len(group.records)
    commit = Commit(group.records[0].position, count, group.time_us, size, group.frontier.root())
    return b"".join([*parts, frames.pack_commit(commit, seed)])


def read_group(file: DiskFile, offset: int, seed: int, frontier: Frontier) -> Group:
    """The group at ``offset``, which must follow the tree ``frontier``. Raises BadFrame at the first thing that does not."""
    drafts: list[Draft] = []
    begun = offset
    while (header := file.read(offset, frames.RECORD_BYTES))[:4] != frames.COMMIT_MAGIC:
        found = frames.announced(header)
        size = found.chain_bytes + found.payload_bytes
        drafts.append(found.complete(file.read(offset + frames.RECORD_BYTES, size), seed))
        offset += frames.RECORD_BYTES + size
    commit = frames.unpack_commit(header[: frames.COMMIT_BYTES], seed)
    if (commit.position, commit.count, commit.frames_bytes) != (frontier.size + 1, len(drafts), offset - begun):
        raise BadFrame(f"its commit is for {commit.count} records from position {commit.position} on")
    group = group_of(drafts, frontier, commit.time_us, offset + frames.COMMIT_BYTES)
    if not drafts or group.frontier.root() != commit.root:
        raise BadFrame("the tree's root after it is not the one that was written")
    return group


def is_cut_off(file: DiskFile, offset: int, seed: int, position: int) -> bool:
    """Whether the damaged bytes from ``offset`` on are a group that a crash cut off, the one of ``position``.

    They are not if a commit of a later group stands behind them: a group is only begun when the one before is durable.
    """
    tail, size = b"", file.size
    while offset < size:
        data = tail + file.read(offset, _SEARCH_BYTES)
        found = data.find(frames.COMMIT_MAGIC)
        while found >= 0:
            with suppress(BadFrame):
                if frames.unpack_commit(data[found : found + frames.COMMIT_BYTES], seed).position > position:
                    return False
            found = data.find(frames.COMMIT_MAGIC, found + 1)
        offset += _SEARCH_BYTES
        tail = data[-frames.COMMIT_BYTES :]
    return True

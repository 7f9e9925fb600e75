"""Logs, the drafts that go in and the records that come out, and files that crashes and accidents have left behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from ledger.journal import segment
from ledger.journal.disk import Disk
from ledger.journal.embedded import SEGMENT_BYTES, EmbeddedLog
from ledger.journal.log import Known, Log
from ledger.journal.record import NO_HEAD, Draft, Head, Kind, Record, follow
from ledger.journal.segment import Group, Header
from meterbook.proof.merkle import Frontier
from tests.proof.trees import tree_hash

SEED = 0xC0FFEE
WAIT_S = 60.0
CHAIN = "acts"


@contextmanager
def opened_log(
    directory: Path, segment_bytes: int = SEGMENT_BYTES, known: Known | None = None, clock: Iterator[int] | None = None
) -> Iterator[EmbeddedLog]:
    """An embedded log, closed at the end."""
    directory.mkdir(exist_ok=True)
    more = {} if clock is None else {"clock": lambda: next(clock)}
    log = EmbeddedLog(Disk(directory), known, segment_bytes, **more)  # type: ignore[arg-type]
    try:
        yield log
    finally:
        log.close()


def drafts(*payloads: bytes, chain: str = CHAIN, head: Head = NO_HEAD) -> list[Draft]:
    """Records that follow each other."""
    found: list[Draft] = []
    for payload in payloads:
        found.append(follow(Kind.ACT, chain, head, payload))
        head = Head(head.sequence + 1, found[-1].hash, 0)
    return found


def append(log: Log, *payloads: bytes, chain: str = CHAIN) -> int:
    """Append to a chain, one after the other; gives the position of the last."""
    position = 0
    for payload in payloads:
        position = log.append(follow(Kind.ACT, chain, log.head(chain), payload)).result(WAIT_S)
    return position


def records_of(log: Log, after: int = 0, *, stored: bool = False, bytes_max: int = 1 << 30) -> list[Record]:
    """Everything durable after a position."""
    reader = log.reader(after, stored=stored)
    try:
        found: list[Record] = []
        while records := reader.read(bytes_max):
            found += records
        return found
    finally:
        reader.close()


def payloads(log: Log) -> list[bytes]:
    """The payloads of everything durable, as the store has them."""
    return [record.payload for record in records_of(log, stored=True)]


def check_whole(log: Log) -> list[Record]:
    """All records, once they were checked: positions without gaps, chains that follow, times that never fall, the root."""
    found = records_of(log, stored=True)
    heads: dict[str, Head] = {}
    for position, record in enumerate(found, 1):
        draft, head = record.draft, heads.get(record.draft.chain, NO_HEAD)
        assert record.position == position
        assert (draft.sequence, draft.previous) == (head.sequence + 1, head.hash)
        heads[draft.chain] = Head(draft.sequence, draft.hash, position)
    assert all(one.time_us <= two.time_us for one, two in pairwise(found))
    assert log.end == log.frontier.size == len(found)
    assert log.frontier.root() == root_of(found)
    assert {chain: log.head(chain) for chain in heads} == heads
    return found


def root_of(records: Sequence[Record]) -> bytes:
    """The root of the tree over records, as RFC 9162 says it."""
    return tree_hash([leaf(record) for record in records])


def leaf(record: Record) -> bytes:
    """The bytes of a record's leaf, as ``meterbook.proof.leaf`` documents them."""
    draft, name = record.draft, record.draft.chain.encode()
    numbers = (
        bytes([draft.kind])
        + record.time_us.to_bytes(8, "little", signed=True)
        + draft.sequence.to_bytes(8, "little")
        + len(name).to_bytes(2, "little")
    )
    return b"meterbook leaf v1\0" + numbers + name + draft.hash


def groups_of(groups: Sequence[Sequence[bytes]], frontier: Frontier | None = None, head: Head = NO_HEAD) -> list[Group]:
    """Groups of one chain as a log writes them."""
    found: list[Group] = []
    edge = frontier or Frontier()
    for number, each in enumerate(groups):
        made = drafts(*each, head=head)
        found.append(segment.group_of(made, edge, 1_000 + number))
        edge, head = found[-1].frontier, Head(made[-1].sequence, made[-1].hash, found[-1].records[-1].position)
    return found


def file_of(groups: Sequence[Group], frontier: Frontier | None = None) -> bytes:
    """A segment with these groups."""
    header = Header(frontier or Frontier(), 0, SEED)
    return segment.pack_header(header) + b"".join(segment.pack_group(group, SEED) for group in groups)


def put(directory: Path, data: bytes, position: int = 1) -> Path:
    """The bytes as the segment of a position."""
    directory.mkdir(exist_ok=True)
    path = directory / segment.name_of(position)
    path.write_bytes(data)
    return path

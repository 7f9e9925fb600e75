"""An attacker who has the ledger's files, its code and all the time: changes the log and puts every checksum right again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ledger.journal import segment
from ledger.journal.derive import decode_batch
from ledger.journal.disk import Disk
from ledger.journal.record import NO_HEAD, Draft, Head, Kind, agent_of, payload_hash
from ledger.journal.segment import Group
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.merkle import Frontier
from meterbook.wire.seal import ChainPlace, batch_hash
from meterbook.wire.sections import Sections, encode

#: A group as it is changed: when it was committed, and its records.
Drafts = tuple[int, list[Draft]]
Change = Callable[[list[Drafts]], list[Drafts]]


def groups(log: Path) -> list[Group]:
    """The groups of a log, in order."""
    disk = Disk(log)
    found: list[Group] = []
    for name in disk.names():
        file = disk.open(name)
        header, offset = segment.read_header(file)
        frontier = header.frontier
        while offset < file.size:
            found.append(segment.read_group(file, offset, header.seed, frontier))
            frontier, offset = found[-1].frontier, found[-1].end
        file.close()
    return found


def rewrite(log: Path, change: Change) -> None:
    """Write the log anew as one segment, with frames, commits and roots that are right for what is in it now."""
    disk = Disk(log)
    (name,) = disk.names()
    file = disk.open(name)
    header, _ = segment.read_header(file)
    file.close()
    data, frontier = segment.pack_header(header), Frontier()
    changed = change([(group.time_us, [record.draft for record in group.records]) for group in groups(log)])
    for time_us, drafts in changed:
        group = segment.group_of(drafts, frontier, time_us)
        data, frontier = data + segment.pack_group(group, header.seed), group.frontier
    (log / name).write_bytes(data)


def rechained(found: Sequence[Drafts]) -> list[Drafts]:
    """The same records, each sealed to the one that is before it in its chain now."""
    heads: dict[str, Head] = {}
    changed: list[Drafts] = []
    for time_us, drafts in found:
        sealed = []
        for draft in drafts:
            draft = _sealed(draft, heads.get(draft.chain, NO_HEAD))
            heads[draft.chain] = Head(draft.sequence, draft.hash, 0)
            sealed.append(draft)
        changed.append((time_us, sealed))
    return changed


def content_of(draft: Draft) -> Sections:
    """What a batch holds."""
    return decode_batch(journal_pb2.BatchRecord.FromString(draft.payload).batch)


def with_content(draft: Draft, content: Sections) -> Draft:
    """The batch with another content, not sealed."""
    stored = journal_pb2.BatchRecord.FromString(draft.payload)
    for name, table in content.tables().items():
        setattr(stored.batch, name, encode(table) if table.num_rows else b"")
    return replace(draft, payload=stored.SerializeToString())


def _sealed(draft: Draft, head: Head) -> Draft:
    sequence = head.sequence + 1
    if draft.kind is not Kind.BATCH:
        digest = payload_hash(draft.kind, head.hash, draft.payload)
        return replace(draft, sequence=sequence, previous=head.hash, hash=digest)
    stored = journal_pb2.BatchRecord.FromString(draft.payload)
    digest = batch_hash(ChainPlace(*agent_of(draft.chain), sequence, head.hash), content_of(draft))
    stored.batch.sequence, stored.batch.previous_hash, stored.batch.hash = sequence, head.hash, digest
    return replace(draft, sequence=sequence, previous=head.hash, hash=digest, payload=stored.SerializeToString())

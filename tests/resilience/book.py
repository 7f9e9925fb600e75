"""What is in a book, read from its log by no way that the ledger's answers go: batches as their agents sealed them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from ledger.journal import segment
from ledger.journal.backup import back_up
from ledger.journal.derive import decoded
from ledger.journal.disk import Disk
from ledger.journal.record import Kind, Record, agent_of
from meterbook.wire.sections import Sections


@dataclass(frozen=True)
class Batch:
    """One accepted batch: its place in its chain and what is in it."""

    agent: str
    epoch: int
    sequence: int
    content: Sections


@dataclass(frozen=True, order=True)
class Seen:
    """One coverage record, in microseconds."""

    start_us: int
    end_us: int
    status: str
    reason: str


def batches(book: Path, scratch: Path) -> list[Batch]:
    """Every batch of a book, in the order in which it was accepted; the ledger may be running."""
    back_up(book, scratch)
    disk = Disk(scratch / "log")
    found: list[Batch] = []
    for name in segment.names_in(disk):
        file = disk.open(name)
        header, offset = segment.read_header(file)
        frontier = header.frontier
        while offset < file.size:
            group = segment.read_group(file, offset, header.seed, frontier)
            found += [_batch(record) for record in group.records if record.kind is Kind.BATCH]
            frontier, offset = group.frontier, group.end
        file.close()
    return found


def _batch(record: Record) -> Batch:
    agent, epoch = agent_of(record.draft.chain)
    return Batch(agent, epoch, record.draft.sequence, decoded(record))


def coverage(found: list[Batch]) -> dict[str, list[Seen]]:
    """The coverage records of each source, by time."""
    by_source: defaultdict[str, list[Seen]] = defaultdict(list)
    for batch in found:
        table = batch.content.coverage
        for name in ("start", "end"):
            table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.int64()))
        for row in table.to_pylist():
            by_source[row["source"]].append(Seen(row["start"], row["end"], row["status"], row["reason"]))
    return {source: sorted(records) for source, records in by_source.items()}


def check_tiled(records: list[Seen]) -> None:
    """Records follow each other without a hole and without a moment told twice, and none is empty or turned around."""
    for record in records:
        assert record.start_us < record.end_us, record
    for before, after in pairwise(records):
        assert before.end_us == after.start_us, (before, after)


def check_samples_once(found: list[Batch], *sources: str) -> int:
    """No series has two samples of one time; how many there are. Of some sources, or of all if none is named."""
    ids = {
        series_id
        for batch in found
        for series_id, source in zip(
            *(batch.content.series[name].to_pylist() for name in ("series_id", "source")), strict=True
        )
        if source in sources or not sources
    }
    samples = pa.concat_tables([batch.content.samples for batch in found])
    pairs = np.stack([samples["series_id"].to_numpy(), samples["time"].cast(pa.int64()).to_numpy()])
    pairs = pairs[:, np.isin(pairs[0], list(ids))]
    assert np.unique(pairs, axis=1).shape[1] == pairs.shape[1], "a sample is in the book twice"
    return int(pairs.shape[1])


def check_order(found: list[Batch]) -> None:
    """The batches of a chain came one after another, beginning with the first."""
    last: defaultdict[tuple[str, int], int] = defaultdict(int)
    for batch in found:
        assert batch.sequence == last[batch.agent, batch.epoch] + 1
        last[batch.agent, batch.epoch] = batch.sequence

"""The records of the log, each from its bytes up: intact, next in its chain, and with the content that its hash says.

The tree over them is grown anew on the way, so that its root can be compared: with the one the log gives itself, and with that
of an older checkpoint, which is the only thing that somebody cannot have changed who changed the log with all its hashes.
"""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from ledger.journal.derive import decode_batch
from ledger.journal.record import NO_HEAD, Head, Kind, Record, agent_of, invoices_chain
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.checkpoint import Checkpoint
from meterbook.proof.merkle import Frontier
from meterbook.wire.seal import ChainPlace, batch_hash
from meterbook.wire.sections import MalformedSection, Sections


class RecordCheck:
    """What has been seen of the records so far, and what was found wrong.

    ``heads`` are the chains' before the first record that is checked, ``frontier`` is the tree over what is before it.
    """

    def __init__(
        self, heads: dict[str, Head] | None = None, frontier: Frontier | None = None, against: Checkpoint | None = None
    ) -> None:
        self.faults: list[str] = []
        self.frontier = frontier or Frontier()
        self.batches = 0
        self._heads = heads or {}
        self._against = against
        self._compare()

    def group(self, records: Sequence[Record]) -> dict[int, Sections]:
        """Check what follows; gives the contents of the batches that can be read, by position."""
        seen: dict[int, Sections] = {}
        for record in records:
            self._link(record)
            if record.kind is Kind.INVOICE:
                self._invoice(record)
            if record.kind is Kind.BATCH:
                self.batches += 1
                if (content := self._content(record)) is not None:
                    seen[record.position] = content
        size = self._against.size if self._against else 0
        until = [record.leaf for record in records if record.position <= size]
        self.frontier = self.frontier.appended(until)
        if until:
            self._compare()
        self.frontier = self.frontier.appended(record.leaf for record in records[len(until) :])
        return seen

    def finish(self) -> None:
        """That was all: an older checkpoint must have been passed."""
        if self._against is not None and self._against.size > self.frontier.size:
            self.faults.append(
                f"the checkpoint is of {self._against.size} records, and the log ends at position {self.frontier.size}: "
                "records that were there are gone"
            )

    def _compare(self) -> None:
        older = self._against
        if older is not None and older.size == self.frontier.size and older.root != self.frontier.root():
            self.faults.append(
                f"the log does not go on from the checkpoint: over the first {older.size} records its root is "
                f"{self.frontier.root().hex()}, and the checkpoint says {older.root.hex()}"
            )

    def _link(self, record: Record) -> None:
        draft = record.draft
        head = self._heads.get(draft.chain, NO_HEAD)
        what = _named(record)
        if draft.sequence != head.sequence + 1:
            self.faults.append(f"{what} does not follow {head.sequence}")
        if draft.previous != head.hash:
            self.faults.append(f"{what} is not sealed to the one before it")
        if not draft.check_hash():
            self.faults.append(f"{what} has another content than its hash says")
        self._heads[draft.chain] = Head(draft.sequence, draft.hash, record.position)

    def _invoice(self, record: Record) -> None:
        """The number that was printed must be the one that its chain gives, or there may be another of that number."""
        draft, what = record.draft, _named(record)
        try:
            said = journal_pb2.InvoiceRecord.FromString(record.payload)
        except DecodeError as error:
            self.faults.append(f"{what} cannot be read: {error}")
            return
        if (invoices_chain(said.series), said.number) != (draft.chain, draft.sequence):
            self.faults.append(f"{what} says of itself that it is {said.number} of {said.series}")

    def _content(self, record: Record) -> Sections | None:
        draft, what = record.draft, _named(record)
        try:
            stored = journal_pb2.BatchRecord.FromString(record.payload)
            agent, epoch = agent_of(draft.chain)
            batch = stored.batch
            said = (stored.agent, stored.epoch, batch.sequence, batch.previous_hash, batch.hash)
            if said != (agent, epoch, draft.sequence, draft.previous, draft.hash):
                self.faults.append(
                    f"{what} says of itself that it is {batch.sequence} of {stored.agent}/{stored.epoch}"
                )
            place = ChainPlace(agent, epoch, draft.sequence, draft.previous)
            content = decode_batch(batch)
            if batch_hash(place, content) != draft.hash:
                self.faults.append(f"{what} has another content than its hash says")
            return content
        except (MalformedSection, DecodeError, ValueError) as error:
            self.faults.append(f"{what} cannot be read: {error}")
            return None


def _named(record: Record) -> str:
    return f"position {record.position}: record {record.draft.sequence} of {record.draft.chain}"

"""Proofs for whoever asks: the file that shows a batch in the tree, and the path from an older tree to a newer one.

Each is checked here before it leaves, against the root that the log has: a proof that fails means that the tables are wrong,
and the one who asks is told that, and not that the ledger lied. What a batch says of itself is read from the log.
"""

from __future__ import annotations

from ledger.journal.derive import decode_batch
from ledger.journal.journal import Journal
from ledger.journal.record import Kind, Record
from ledger.journal.view import View
from ledger.proof.checkpoints import Checkpoints, Signed
from ledger.proof.errors import NoSuchProof, TablesDiffer
from ledger.proof.hashes import TableHashes, differing
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.bundle import BatchFacts, make_bundle
from meterbook.proof.merkle import Frontier, consistency_path, inclusion_path, verify_consistency, verify_inclusion
from meterbook.proof.tiles import Tiles
from meterbook.wire.seal import section_hashes
from meterbook.wire.sections import SCHEMA_VERSION

#: Bytes of payloads after which a reader that looks for one record pauses.
_READ_BYTES = 1


class Proofs:
    """Makes proofs from one book. Methods block, and raise NoSuchProof, JournalError."""

    def __init__(self, journal: Journal, checkpoints: Checkpoints) -> None:
        self._journal, self._checkpoints = journal, checkpoints

    def checkpoint(self, as_of: int = 0) -> Signed:
        """The checkpoint of a tree; of the newest for 0."""
        return self._checkpoints.at(as_of) if as_of else self._checkpoints.newest()

    def inclusion(self, agent: str, epoch: int, sequence: int, as_of: int = 0) -> tuple[str, int, Signed]:
        """The proof file of a batch, its position, and the checkpoint; epoch 0 is the newest that has the sequence."""
        signed = self.checkpoint(as_of)
        view = self._journal.view(signed.size)
        place = _place(view, agent, epoch, sequence)
        if place is None:
            which = f"epoch {epoch}" if epoch else "any epoch"
            raise NoSuchProof(
                f"sequence: batch {sequence} of agent {agent!r} in {which} is not in the book at position {signed.size}"
            )
        epoch, position = place
        facts = _facts(self._record(position), agent, epoch, sequence)
        tiles = Tiles(signed.size, TableHashes(view.tables))
        with differing():
            path = inclusion_path(position - 1, signed.size, tiles)
            verify_inclusion(facts.leaf_hash(), position - 1, signed.size, path, signed.checkpoint.root)
        return make_bundle(facts, position, path, signed.note), position, signed

    def leaf(self, position: int, as_of: int = 0) -> tuple[bytes, list[bytes], Signed]:
        """The leaf hash of a record, the path from it to the root of a checkpoint, and that."""
        signed = self.checkpoint(as_of)
        if not 0 < position <= signed.size:
            raise NoSuchProof(
                f"position: {position} is not in the tree of {signed.size} records; give one from 1 to {signed.size}"
            )
        hashes = TableHashes(self._journal.view(signed.size).tables)
        with differing():
            (leaf,) = hashes(0, position - 1, position)
            path = inclusion_path(position - 1, signed.size, Tiles(signed.size, hashes))
            verify_inclusion(leaf, position - 1, signed.size, path, signed.checkpoint.root)
        return leaf, path, signed

    def consistency(self, old_size: int, new_size: int = 0) -> tuple[list[bytes], int]:
        """The path from a tree to a newer one, and the size of that; the newest for 0."""
        newest = self._checkpoints.newest(max(old_size, new_size))
        new_size = new_size or newest.size
        if not 0 <= old_size <= new_size <= newest.size:
            raise NoSuchProof(
                f"old_size, new_size: {old_size} and {new_size} are not an older and a newer tree of the book, which ends "
                f"at {newest.size}"
            )
        tiles = Tiles(newest.size, TableHashes(self._journal.view(newest.size).tables))
        with differing():
            new = Frontier.at(new_size, tiles)
            onward = consistency_path(new_size, newest.size, tiles)
            verify_consistency(new_size, new.root(), newest.size, newest.checkpoint.root, onward)
            path = consistency_path(old_size, new_size, tiles)
            verify_consistency(old_size, Frontier.at(old_size, tiles).root(), new_size, new.root(), path)
        return path, new_size

    def _record(self, position: int) -> Record:
        reader = self._journal.log.reader(position - 1, stored=True)
        try:
            return reader.read(_READ_BYTES)[0]
        finally:
            reader.close()


def _place(view: View, agent: str, epoch: int, sequence: int) -> tuple[int, int] | None:
    """Epoch and position of a batch."""
    rows = view.tables.query(
        "SELECT epoch, position FROM batches WHERE agent = ? AND sequence = ? AND position <= ? AND ? IN (0, epoch)"
        " ORDER BY epoch DESC LIMIT 1",
        [agent, sequence, view.position, epoch],
    ).to_pylist()
    return (rows[0]["epoch"], rows[0]["position"]) if rows else None


def _facts(record: Record, agent: str, epoch: int, sequence: int) -> BatchFacts:
    if record.kind is not Kind.BATCH:
        raise TablesDiffer(f"position {record.position} is no batch, as the tables say; make them anew from the log")
    batch = journal_pb2.BatchRecord.FromString(record.payload).batch
    hashes = section_hashes(decode_batch(batch))
    return BatchFacts(record.time_us, agent, epoch, sequence, SCHEMA_VERSION, record.draft.previous, tuple(hashes))

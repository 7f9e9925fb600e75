"""Checkpoints: what the ledger signs, and how often.

The root that is signed is always that of the log, as its files gave it, and never one that the tables would give. A signature
serves everyone who asks within a moment; without that, a thousand agents would cost a thousand. Agents are shown proofs too,
which come from the tables, so for them there is the newest checkpoint that the tables have caught up with, and the hashes
read for one agent's proof are kept for the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ledger.journal.journal import Journal
from ledger.proof.errors import NoSuchProof
from ledger.proof.hashes import TableHashes, differing
from ledger.proof.signer import Signer
from meterbook.proof.checkpoint import Checkpoint, sign_checkpoint
from meterbook.proof.merkle import Frontier, consistency_path, verify_consistency
from meterbook.proof.tiles import Tiles

#: How long a checkpoint is the newest although the log has grown, and how long although it has not.
FRESH_S, KEPT_S = 0.3, 60.0


@dataclass(frozen=True)
class Signed:
    """A signed checkpoint, the keys that signed it, and the hashes of its tree."""

    checkpoint: Checkpoint
    note: str
    verifier_keys: tuple[str, ...]
    hashes: TableHashes
    tiles: Tiles
    made_s: float

    @property
    def size(self) -> int:
        """Size of the tree."""
        return self.checkpoint.size


class Checkpoints:
    """Signs for one book. Safe to use from several threads; methods block, and raise JournalError."""

    def __init__(self, journal: Journal, signer: Signer, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._journal, self._signer, self._clock_s = journal, signer, clock_s
        self._lock = threading.RLock()
        self._newest: Signed | None = None
        self._waiting: Signed | None = None
        self._settled: Signed | None = None

    def newest(self, at_least: int = 0) -> Signed:
        """A checkpoint of the log's end, some hundred milliseconds old at most; of this size or more."""
        with self._lock:
            found = self._newest
            if found is None or found.size < at_least or self._is_old(found):
                self._journal.log.refresh()
                found = self._newest = self._sign(self._journal.log.frontier)
            return found

    def settled(self, at_least: int = 0) -> Signed | None:
        """The newest one whose tree the tables hold; None where there is none of this size or more yet: ask again soon."""
        with self._lock:
            watermark = self._journal.materialiser.watermark
            if self._settled is None or self._settled.size < at_least or self._is_old(self._settled):
                # One waits until the tables are there: the newest would run away from them for ever.
                self._waiting = self._waiting or self.newest(at_least)
                if self._waiting.size <= watermark:
                    self._settled, self._waiting = self._waiting, None
            found = self._settled
            return found if found is not None and found.size >= at_least else None

    def at(self, size: int) -> Signed:
        """A checkpoint of an older tree, after proving that the log goes on from it. Raises NoSuchProof, TablesDiffer."""
        newest = self.newest(size)
        if size == newest.size:
            return newest
        if not 0 < size < newest.size:
            raise NoSuchProof(f"as_of: position {size} is not in the book, which ends at {newest.size}")
        hashes = TableHashes(self._journal.view(newest.size).tables)
        tiles = Tiles(newest.size, hashes)
        with differing():
            frontier = Frontier.at(size, tiles)
            path = consistency_path(size, newest.size, tiles)
            verify_consistency(size, frontier.root(), newest.size, newest.checkpoint.root, path)
        return self._sign(frontier)

    def _is_old(self, signed: Signed) -> bool:
        age_s = self._clock_s() - signed.made_s
        return age_s > KEPT_S or (age_s > FRESH_S and self._journal.log.refresh() != signed.size)

    def _sign(self, frontier: Frontier) -> Signed:
        keys = self._signer.signing_keys(frontier.size)
        if not keys:
            raise NoSuchProof(f"as_of: no key of now signs trees of {frontier.size} records; ask for a newer one")
        checkpoint = Checkpoint(self._signer.origin, frontier.size, frontier.root())
        hashes = TableHashes(self._journal.tables)
        return Signed(
            checkpoint,
            sign_checkpoint(checkpoint, keys),
            tuple(str(key.verifier) for key in keys),
            hashes,
            Tiles(frontier.size, hashes),
            self._clock_s(),
        )

"""A book that signs: a journal with a key, and everything that makes proofs from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.journal.journal import Journal
from ledger.proof.checkpoints import Checkpoints
from ledger.proof.keyfile import KeyFile
from ledger.proof.proofs import Proofs
from ledger.proof.signer import Signer
from ledger.proof.witnessing import Witnessing
from meterbook.proof.checkpoint import Checkpoint, open_checkpoint
from meterbook.proof.note import VerifierKey
from tests.ledger.batches import opened

ORIGIN = "ledger.example/book"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def us(self) -> int:
        return int(self.now_s * 1e6)


@dataclass
class Signing:
    """A journal and its proofs."""

    journal: Journal
    key_file: KeyFile
    clock: Clock
    signer: Signer
    checkpoints: Checkpoints
    proofs: Proofs
    witnessing: Witnessing

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        return self.signer.succession().keys

    def read(self, note: str) -> Checkpoint:
        """A checkpoint whose signature holds."""
        return open_checkpoint(note, self.keys, self.signer.origin).checkpoint

    def settle(self) -> None:
        """Wait until the tables hold everything."""
        assert self.journal.materialiser.wait_for(self.journal.log.end, 30)


def signing(journal: Journal, folder: Path, clock: Clock | None = None, origin: str | None = ORIGIN) -> Signing:
    """The proofs of an open journal, whose keys are in a folder."""
    clock = clock or Clock()
    key_file = KeyFile(folder / "keys" / "signing.key")
    signer = Signer(journal, key_file, origin, clock=clock.us)
    checkpoints = Checkpoints(journal, signer, clock)
    witnessing = Witnessing(journal.log, signer, checkpoints)
    return Signing(journal, key_file, clock, signer, checkpoints, Proofs(journal, checkpoints), witnessing)


@contextmanager
def signed_book(root: Path, clock: Clock | None = None) -> Iterator[Signing]:
    """A store with its proofs, closed at the end."""
    with opened(root) as journal:
        yield signing(journal, root, clock)

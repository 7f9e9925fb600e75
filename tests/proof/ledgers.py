"""A ledger of three hundred batches, and all that it hands out about one of them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from meterbook.proof.bundle import BatchFacts, make_bundle
from meterbook.proof.checkpoint import Checkpoint, sign_checkpoint
from meterbook.proof.leaf import BATCH, leaf_data
from meterbook.proof.merkle import Frontier, consistency_path, inclusion_path, leaf_hash
from meterbook.proof.note import SigningKey
from meterbook.proof.tiles import nodes_of
from tests.proof.signing import ORIGIN, key

SIZE = 300
FACTS = BatchFacts(
    time_us=1_769_851_800_123_456,
    agent="shop-agent",
    epoch=1_769_851_000_000_000,
    sequence=7,
    schema=1,
    previous_hash=sha256(b"the batch before").digest(),
    section_hashes=tuple(sha256(b"section %d" % number).digest() for number in range(5)),
)
#: Counted from 1.
POSITION = 138


@dataclass(frozen=True)
class Ledger:
    """What is at each position; ``forged`` changes one record of another chain."""

    forged: bytes = b""

    def leaves(self) -> list[bytes]:
        """The leaf hashes, in order."""
        leaves = [
            leaf_hash(leaf_data(BATCH, number, "agent/other/1", number, sha256(b"%d" % number).digest()))
            for number in range(SIZE)
        ]
        leaves[POSITION - 1] = FACTS.leaf_hash()
        if self.forged:
            leaves[20] = leaf_hash(self.forged)
        return leaves

    def checkpoint(self, size: int = SIZE, keys: tuple[SigningKey, ...] = (key(1),), origin: str = ORIGIN) -> str:
        """The signed checkpoint at a size."""
        root = Frontier().appended(self.leaves()[:size]).root()
        return sign_checkpoint(Checkpoint(origin, size, root), keys)

    def bundle(self, size: int = SIZE, keys: tuple[SigningKey, ...] = (key(1),)) -> str:
        """The proof file of FACTS in the tree of a size."""
        path = inclusion_path(POSITION - 1, size, nodes_of(self.leaves()))
        return make_bundle(FACTS, POSITION, path, self.checkpoint(size, keys))

    def consistency(self, old: int, new: int = SIZE) -> list[bytes]:
        """The path from an older tree."""
        return consistency_path(old, new, nodes_of(self.leaves()))

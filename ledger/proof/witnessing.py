"""What the ledger shows its agents, so that each of them is a witness: it keeps a checkpoint and demands that the next goes on
from it, and that the agent's own last batch is in the tree.

Everything comes from one settled checkpoint (see ``checkpoints``), whose hashes all agents share.
"""

from __future__ import annotations

from ledger.journal.log import Log
from ledger.proof.checkpoints import Checkpoints, Signed
from ledger.proof.hashes import differing
from ledger.proof.signer import Signer
from meterbook.intake.v1 import intake_pb2
from meterbook.proof.merkle import Frontier, consistency_path, inclusion_path, verify_consistency

Shown = tuple[intake_pb2.Witness, int]


class Witnessing:
    """Tells agents what the ledger signs. Methods block, and raise JournalError.

    They give the message and the size of its tree, or None where the tables are not there yet: ask again soon. An agent
    that holds a larger tree than there is (``held_size``) is told what there is: it is right not to like it.
    """

    def __init__(self, log: Log, signer: Signer, checkpoints: Checkpoints) -> None:
        self._log, self._signer, self._checkpoints = log, signer, checkpoints

    def first(self, held_size: int, chain: str) -> Shown | None:
        """What an agent is shown that begins a stream; with its last batch, where the tables have that already."""
        head = self._log.head(chain)
        return self._look(held_size, held_size, head.sequence, head.position)

    def next(self, held_size: int, sequence: int, position: int) -> Shown | None:
        """What an agent is shown whose batch ``sequence`` was acknowledged at ``position``."""
        return self._look(max(held_size, position), held_size, sequence, position)

    def _look(self, at_least: int, held_size: int, sequence: int, position: int) -> Shown | None:
        end = self._checkpoints.newest(at_least).size
        signed = self._checkpoints.settled(min(end, at_least))
        return None if signed is None else (self._shown(signed, held_size, sequence, position), signed.size)

    def _shown(self, signed: Signed, held_size: int, sequence: int, position: int) -> intake_pb2.Witness:
        path: list[bytes] = []
        inclusion: intake_pb2.Inclusion | None = None
        with differing():
            if held_size <= signed.size:
                path = consistency_path(held_size, signed.size, signed.tiles)
                held = Frontier.at(held_size, signed.tiles).root()
                verify_consistency(held_size, held, signed.size, signed.checkpoint.root, path)
            if 0 < position <= signed.size:
                inclusion = intake_pb2.Inclusion(
                    path=inclusion_path(position - 1, signed.size, signed.tiles),
                    time_us=signed.hashes.time_us(position),
                    sequence=sequence,
                    position=position,
                )
        return intake_pb2.Witness(
            checkpoint=signed.note,
            verifier_keys=signed.verifier_keys,
            rotations=self._signer.succession().statements,
            consistent_with_size=held_size,
            consistency_path=path,
            inclusion=inclusion,
        )

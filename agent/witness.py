"""The agent as a witness: it keeps the ledger's last checkpoint, and believes the next one only if it goes on from it.

Each time the ledger shows a checkpoint the agent checks that a key it knows has signed it, that the ledger has not shrunk, that
what it held then is unchanged at the beginning of what it holds now, and that the agent's own last acknowledged batch, by
the agent's own hash, is in it. A ledger that was rewritten, rolled back to an old backup, or that shows two agents two books
cannot pass. Then nothing more is sent until it shows a book that does, or until an operator has the agent begin anew
(``meterbook agent forget-ledger``). What was shown is written to a file beside the spool: it is evidence, signed by the ledger.

The key is the one in ``ledger.verifier_key`` or else the first one seen; keys are handed over by statements that the key before
has signed. All of it is kept in the spool's file.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import AgentError
from agent.spool import Spool
from meterbook.intake.v1 import intake_pb2
from meterbook.proof.bundle import path_text
from meterbook.proof.checkpoint import Checkpoint, open_checkpoint
from meterbook.proof.errors import ProofError, Refuted
from meterbook.proof.keys import follow
from meterbook.proof.leaf import BATCH, agent_chain, leaf_data
from meterbook.proof.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from meterbook.proof.note import Note, VerifierKey
from meterbook.wire import instants

#: Acknowledged batches whose hashes are remembered: more than are acknowledged while a proof is made.
_REMEMBERED_MAX = 10_000

_log = logging.getLogger(__name__)


class Distrusted(AgentError):
    """The ledger does not show the book that it showed before: nothing more may be sent to it."""


@dataclass(frozen=True)
class Trust:
    """What is known of a ledger: its keys (none yet: believe the first), its last checkpoint ("": none), and why it is distrusted."""

    keys: tuple[VerifierKey, ...] = ()
    note: str = ""
    distrust: str = ""

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint; it was verified before it was kept."""
        return Checkpoint.parse(Note.parse(self.note).text) if self.note else None

    def to_json(self) -> str:
        """As the spool keeps it."""
        keys = [[str(key), key.from_size] for key in self.keys]
        return json.dumps({"keys": keys, "note": self.note, "distrust": self.distrust})

    @classmethod
    def from_json(cls, text: str) -> Trust:
        """What :meth:`to_json` wrote; nothing for ""."""
        found = json.loads(text or '{"keys": [], "note": "", "distrust": ""}')
        keys = tuple(replace(VerifierKey.parse(key), from_size=from_size) for key, from_size in found["keys"])
        return cls(keys, found["note"], found["distrust"])


@dataclass(frozen=True)
class OwnBatch:
    """A batch of this agent's that the ledger acknowledged."""

    agent: str
    epoch: int
    sequence: int
    hash: bytes


def witnessed(trust: Trust, shown: intake_pb2.Witness, own: OwnBatch | None) -> Trust:
    """What is known after the ledger has shown a checkpoint. ``own`` is the batch that it says to include, where we know it.

    A pure function. Raises ProofError, which says what does not hold.
    """
    known = trust.keys or tuple(VerifierKey.parse(text) for text in shown.verifier_keys)
    if not known:
        raise Refuted("the ledger shows a checkpoint and no key that signed it")
    origin = known[0].name
    keys = follow(known, shown.rotations, origin)
    signed = open_checkpoint(shown.checkpoint, keys, origin).checkpoint
    before = trust.checkpoint
    if before is not None and signed.size < before.size:
        raise Refuted(f"the ledger went back from {before.size} records to {signed.size}")
    old_size, old_root = (before.size, before.root) if before else (0, EMPTY_ROOT)
    if shown.consistent_with_size != old_size and shown.consistency_path:
        raise Refuted(f"the path begins from {shown.consistent_with_size} records, and not from {old_size}")
    verify_consistency(old_size, old_root, signed.size, signed.root, tuple(shown.consistency_path))
    if own is not None:
        chain = agent_chain(own.agent, own.epoch)
        leaf = leaf_hash(leaf_data(BATCH, shown.inclusion.time_us, chain, own.sequence, own.hash))
        place = (shown.inclusion.position - 1, signed.size, tuple(shown.inclusion.path))
        verify_inclusion(leaf, *place, signed.root)
    return Trust(keys, shown.checkpoint)


class Witness:
    """What one agent knows of its ledger, kept in its spool; for the uplink's thread."""

    def __init__(self, spool: Spool, verifier_key: str | None, clock: Callable[[], int] = instants.now_us) -> None:
        """``verifier_key`` is believed whatever was seen before."""
        self._spool, self._clock = spool, clock
        self._trust = Trust.from_json(spool.trust)
        if verifier_key is not None:
            key = VerifierKey.parse(verifier_key)
            if key.hint not in {known.hint for known in self._trust.keys}:
                self._trust = replace(self._trust, keys=(key,))
        self._acked: OrderedDict[int, bytes] = OrderedDict()
        self._has_shown = False
        #: Times that the ledger showed what cannot be believed.
        self.failures = 0

    @property
    def distrust(self) -> str:
        """Why nothing may be sent to the ledger; "" where it may."""
        return self._trust.distrust

    @property
    def is_due(self) -> bool:
        """Whether the ledger has shown a checkpoint before, and none on this stream."""
        return self.size > 0 and not self._has_shown

    @property
    def size(self) -> int:
        """Size of the last checkpoint; 0 for none."""
        checkpoint = self._trust.checkpoint
        return checkpoint.size if checkpoint else 0

    def acknowledged(self, sequence: int, digest: bytes) -> None:
        """The ledger holds this batch of ours: it must be able to show it."""
        self._acked[sequence] = digest
        if len(self._acked) > _REMEMBERED_MAX:
            self._acked.popitem(last=False)

    def resumed(self) -> None:
        """Another stream begins: what was acknowledged on the one before may have been in another epoch."""
        self._acked.clear()
        self._has_shown = False

    def shown(self, shown: intake_pb2.Witness) -> None:
        """Check what the ledger shows, and keep it. Raises Distrusted where it does not hold."""
        own = self._own(shown.inclusion) if shown.HasField("inclusion") else None
        try:
            trust = witnessed(self._trust, shown, own)
        except ProofError as error:
            raise self._distrusted(shown, str(error)) from error
        self._has_shown = True
        if self._trust.distrust:
            _log.warning("the ledger shows the book that it showed before again: sending goes on")
        if trust != self._trust:
            self._keep(trust)

    def _own(self, inclusion: intake_pb2.Inclusion) -> OwnBatch | None:
        digest = self._acked.get(inclusion.sequence) or self._spool.hash_of(inclusion.sequence)
        if digest is None:
            _log.info("the ledger shows sequence %d, whose hash is not known here any more", inclusion.sequence)
            return None
        return OwnBatch(self._spool.agent, self._spool.epoch, inclusion.sequence, digest)

    def _distrusted(self, shown: intake_pb2.Witness, reason: str) -> Distrusted:
        self.failures += 1
        text = (
            f"the ledger cannot be believed, nothing is sent to it: {reason}; if it was restored or replaced on purpose, "
            "stop the agent and run 'meterbook agent forget-ledger'"
        )
        if not self._trust.distrust:
            before, now = self._trust.note or "none\n", shown.checkpoint
            file = self._spool.folder / f"evidence-{self._clock()}.txt"
            text = f"{text}; both checkpoints are in {file}"
            _log.error("%s\nthe checkpoint before:\n%s\nthe checkpoint now:\n%s", text, before, now)
            _write(file, _evidence(reason, before, shown))
            self._keep(replace(self._trust, distrust=text))
        return Distrusted(self._trust.distrust)

    def _keep(self, trust: Trust) -> None:
        self._spool.keep_trust(trust.to_json())
        self._trust = trust


def _evidence(reason: str, before: str, shown: intake_pb2.Witness) -> str:
    inclusion = shown.inclusion
    parts = [
        f"What a Meterbook ledger showed, and why it was not believed: {reason}\n",
        f"The checkpoint before:\n\n{before}",
        f"The checkpoint now:\n\n{shown.checkpoint}",
        f"The path from {shown.consistent_with_size} records to it:\n\n{path_text(shown.consistency_path)}",
        *(f"A rotation of the ledger's key:\n\n{each}" for each in shown.rotations),
    ]
    if shown.HasField("inclusion"):
        parts.append(
            f"Batch {inclusion.sequence} at position {inclusion.position}, {inclusion.time_us} microseconds after 1970:\n\n"
            f"{path_text(inclusion.path)}"
        )
    return "\n".join(parts)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        _log.error("%s cannot be written: %s", file, error.strerror or error)

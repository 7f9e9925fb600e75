"""Checkpoints (c2sp.org/tlog-checkpoint): what a ledger signs to commit itself to all that it has accepted.

::

    example.com/ledger                              the origin: which ledger
    20852163                                        how many records
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=    the root of the Merkle tree over them

    — example.com/ledger Az3grlgtzPICa5OS8npVmf1Myq...

Lines after the root are extensions: they are kept and mean nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .encoding import HASH_BYTES, NUMBER_MAX, from_decimal, hash_from_base64, to_base64
from .errors import Malformed, Refuted
from .merkle import EMPTY_ROOT
from .note import SigningKey, VerifierKey, open_note, sign_note


@dataclass(frozen=True)
class Checkpoint:
    """A ledger's tree at one size. ``str()`` gives the text that is signed. Raises :class:`Malformed`."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line:
                raise Malformed(f"{line!r} is not one line of a checkpoint: it is empty, or has a line break")
        if not 0 <= self.size <= NUMBER_MAX:
            raise Malformed(f"the size of a checkpoint is {self.size}, not from 0 to {NUMBER_MAX}")
        if len(self.root) != HASH_BYTES:
            raise Malformed(f"the root of a checkpoint has {len(self.root)} bytes, not {HASH_BYTES}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Malformed(f"a checkpoint of no records has the root {self.root.hex()}, not that of an empty tree")

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """A checkpoint from its text, without signatures. Raises :class:`Malformed`."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop():
            raise Malformed("a checkpoint is three lines or more, each with a line break: origin, size, root")
        origin, size, root, *extensions = lines
        return cls(
            origin,
            from_decimal(size, "line 2 of the checkpoint, the size,"),
            hash_from_base64(root, "line 3 of the checkpoint, the root,"),
            tuple(extensions),
        )

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in (self.origin, self.size, to_base64(self.root), *self.extensions))


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint, and the known keys whose signatures it was found to carry; there is one at least."""

    checkpoint: Checkpoint
    signers: tuple[VerifierKey, ...]


def sign_checkpoint(checkpoint: Checkpoint, keys: Iterable[SigningKey]) -> str:
    """The signed note that holds the checkpoint; while one key hands over to another, both sign."""
    return sign_note(str(checkpoint), keys)


def open_checkpoint(note: str, keys: Sequence[VerifierKey], origin: str) -> SignedCheckpoint:
    """The checkpoint that at least one of ``keys`` has signed for this origin.

    Raises as ``note.open_note``; :class:`Malformed` also for a note that is no checkpoint, and :class:`Refuted` for
    that of another origin, or by keys that sign only larger trees.
    """
    opened = open_note(note, keys)
    checkpoint = Checkpoint.parse(opened.text)
    if checkpoint.origin != origin:
        raise Refuted(f"the checkpoint is of {checkpoint.origin!r}, not of {origin!r}")
    signers = tuple(key for key in opened.signers if key.from_size <= checkpoint.size)
    if not signers:
        first = min(opened.signers, key=lambda key: key.from_size)
        raise Refuted(f"{first.hint} signs from {first.from_size} records on; the checkpoint is of {checkpoint.size}")
    return SignedCheckpoint(checkpoint, signers)

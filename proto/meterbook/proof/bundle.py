"""The file by which anyone can check that a ledger holds a batch: a C2SP tlog-proof (c2sp.org/tlog-proof).

::

    c2sp.org/tlog-proof@v1
    extra eyJhZ2VudCI6...                           what the batch says of itself: JSON, see FIELDS
    index 73894                                     its leaf; its position in the ledger is one more
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=    the inclusion path, the leaf's side first
    B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=

    example.com/ledger                              the checkpoint, a signed note, as the ledger gave it
    109482
    ...

Nothing in the file is believed: from the extra data follows the batch's hash (``leaf.batch_seal``), from that the leaf,
from that and the path a root, and that root must be the one which a known key has signed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .checkpoint import Checkpoint, open_checkpoint
from .encoding import HASH_BYTES, from_base64, from_decimal, hash_from_base64, to_base64
from .errors import Malformed, Refuted
from .leaf import BATCH, agent_chain, batch_seal, leaf_data
from .merkle import leaf_hash, verify_consistency, verify_inclusion
from .note import NOTE_BYTES_MAX, VerifierKey

#: A path has one hash for each bit of a size at most.
PATH_MAX = 64
#: A checkpoint, and room for all else.
BUNDLE_BYTES_MAX = NOTE_BYTES_MAX + (1 << 16)

_TITLE = "c2sp.org/tlog-proof@v1"
#: The fields of the extra data and their JSON types. Hashes are hexadecimal; section hashes stand in wire order: series,
#: samples, events, coverage, dead letters.
FIELDS: dict[str, type] = {
    "kind": int,
    "time_us": int,
    "agent": str,
    "epoch": int,
    "sequence": int,
    "schema": int,
    "previous_hash": str,
    "section_hashes": list,
}


@dataclass(frozen=True)
class BatchFacts:
    """What a leaf is made from: when the ledger took a batch, its place in its chain, and its sections' hashes.

    Raises :class:`Malformed` where a value does not fit its field.
    """

    time_us: int
    agent: str
    epoch: int
    sequence: int
    schema: int
    previous_hash: bytes
    section_hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not self.agent.isprintable() or not self.agent:
            raise Malformed(f"the agent {self.agent!r} must be a name that can be printed")
        if any(len(item) != HASH_BYTES for item in (self.previous_hash, *self.section_hashes)):
            raise Malformed(f"batch {self.sequence} of {self.agent}: a hash has other than {HASH_BYTES} bytes")
        try:
            self.leaf_hash()
        except ValueError as error:
            raise Malformed(f"these facts are of no batch: {error}") from None

    def batch_hash(self) -> bytes:
        """The hash that seals the batch."""
        return batch_seal(self.agent, self.epoch, self.sequence, self.schema, self.previous_hash, self.section_hashes)

    def leaf_hash(self) -> bytes:
        """The hash of the batch's leaf."""
        chain = agent_chain(self.agent, self.epoch)
        return leaf_hash(leaf_data(BATCH, self.time_us, chain, self.sequence, self.batch_hash()))

    def to_json(self) -> str:
        """The extra data of a bundle."""
        document = {"kind": BATCH} | vars(self)
        document["previous_hash"] = self.previous_hash.hex()
        document["section_hashes"] = [item.hex() for item in self.section_hashes]
        return json.dumps(document)

    @classmethod
    def from_json(cls, text: bytes) -> BatchFacts:
        """What :meth:`to_json` wrote, to the letter: JSON could say one name twice. Raises :class:`Malformed`."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise Malformed("the extra data are not JSON") from None
        if not isinstance(document, dict) or document.keys() != FIELDS.keys():
            raise Malformed(f"the extra data are not a JSON object of {', '.join(FIELDS)}")
        for name, kind in FIELDS.items():
            if type(document[name]) is not kind:
                raise Malformed(f"the extra data: {name} is not of the type {kind.__name__}")
        if document.pop("kind") != BATCH:
            raise Malformed(f"the extra data: kind is not {BATCH}, a batch")
        document["previous_hash"] = _hash_from_hex(document["previous_hash"], "previous_hash")
        document["section_hashes"] = tuple(
            _hash_from_hex(item, "section_hashes") for item in document["section_hashes"]
        )
        facts = cls(**document)
        if facts.to_json().encode() != text:
            raise Malformed("the extra data are not in the one form that a proof file gives them")
        return facts


@dataclass(frozen=True)
class Bundle:
    """The parts of a proof file, of which nothing is verified yet: see :func:`check_bundle`."""

    facts: BatchFacts
    index: int
    path: tuple[bytes, ...]
    checkpoint: str

    @classmethod
    def parse(cls, text: str) -> Bundle:
        """The parts of a proof file. Raises :class:`Malformed`."""
        if len(text) > BUNDLE_BYTES_MAX:
            raise Malformed(f"the proof is longer than {BUNDLE_BYTES_MAX} characters")
        head, blank, checkpoint = text.partition("\n\n")
        title, *lines = head.split("\n")
        if title != _TITLE:
            raise Malformed(f"the proof does not begin with {_TITLE!r} but with {title[:80]!r}")
        if not blank:
            raise Malformed("the proof has no empty line before its checkpoint")
        if len(lines) < 2 or not lines[0].startswith("extra ") or not lines[1].startswith("index "):
            raise Malformed("lines 2 and 3 of the proof are not 'extra' and 'index'")
        facts = BatchFacts.from_json(from_base64(lines[0].removeprefix("extra "), "line 2 of the proof"))
        index = from_decimal(lines[1].removeprefix("index "), "line 3 of the proof, the index,")
        return cls(facts, index, _path(lines[2:], first_line=4), checkpoint)

    def __str__(self) -> str:
        extra = to_base64(self.facts.to_json().encode())
        return f"{_TITLE}\nextra {extra}\nindex {self.index}\n{path_text(self.path)}\n{self.checkpoint}"


@dataclass(frozen=True)
class CheckedBundle:
    """What a proof file proves: the ledger with this checkpoint holds the batch at this position (from 1)."""

    facts: BatchFacts
    position: int
    checkpoint: Checkpoint


def make_bundle(facts: BatchFacts, position: int, path: Sequence[bytes], checkpoint: str) -> str:
    """The proof file of the batch at ``position`` (from 1); ``path`` leads to the root of ``checkpoint``, a signed note."""
    return str(Bundle(facts, position - 1, tuple(path), checkpoint))


def check_bundle(
    text: str,
    keys: Sequence[VerifierKey],
    origin: str,
    older_checkpoint: str | None = None,
    consistency_path: Sequence[bytes] = (),
    report: Callable[[str], None] = lambda sentence: None,
) -> CheckedBundle:
    """Check a proof file, and that its tree goes on from an older checkpoint that its reader has kept (a signed note).

    ``report`` is told each thing that holds, in one sentence. Raises as ``checkpoint.open_checkpoint`` does, and
    :class:`Refuted` where the paths do not lead to the signed roots.
    """
    bundle = Bundle.parse(text)
    facts = bundle.facts
    place = f"batch {facts.sequence} of agent {facts.agent}, epoch {facts.epoch}"
    report(f"the section hashes in the file give {place} the hash {facts.batch_hash().hex()}")
    leaf = facts.leaf_hash()
    report(f"taken {_when(facts.time_us)}, it has the leaf hash {leaf.hex()}")
    signed = open_checkpoint(bundle.checkpoint, keys, origin)
    checkpoint = signed.checkpoint
    signers = " and ".join(key.hint for key in signed.signers)
    report(f"checkpoint of {origin} at {checkpoint.size} records: root {checkpoint.root.hex()}, signed by {signers}")
    verify_inclusion(leaf, bundle.index, checkpoint.size, bundle.path, checkpoint.root)
    report(
        f"the batch is in that tree at position {bundle.index + 1}: {len(bundle.path)} hashes lead to the signed root"
    )
    if older_checkpoint is not None:
        older = open_checkpoint(older_checkpoint, keys, origin).checkpoint
        if older.size > checkpoint.size:
            raise Refuted(
                f"the older checkpoint is of {older.size} records, the proof's of {checkpoint.size}:"
                " get a proof with a newer checkpoint"
            )
        verify_consistency(older.size, older.root, checkpoint.size, checkpoint.root, consistency_path)
        report(f"the older checkpoint at {older.size} records is the beginning of that tree: nothing in it was changed")
    return CheckedBundle(facts, bundle.index + 1, checkpoint)


def path_text(path: Sequence[bytes]) -> str:
    """A path as lines of base64, as a proof file has it; a consistency file is these lines alone."""
    return "".join(f"{to_base64(item)}\n" for item in path)


def parse_path(text: str) -> tuple[bytes, ...]:
    """A path from a consistency file. Raises :class:`Malformed`."""
    if text and not text.endswith("\n"):
        raise Malformed("the path does not end with a line break")
    return _path(text.split("\n")[:-1], first_line=1)


def _path(lines: Sequence[str], first_line: int) -> tuple[bytes, ...]:
    if len(lines) > PATH_MAX:
        raise Malformed(f"the path has {len(lines)} hashes, more than {PATH_MAX}")
    return tuple(hash_from_base64(line, f"line {number}") for number, line in enumerate(lines, start=first_line))


def _hash_from_hex(text: object, field: str) -> bytes:
    try:
        data = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        data = b""
    if data.hex() != text:
        raise Malformed(f"the extra data: {field} is not a hash in lower-case hexadecimal")
    return data


def _when(time_us: int) -> str:
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).isoformat()
    except OverflowError:
        return f"{time_us} microseconds after 1970"

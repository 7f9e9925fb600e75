"""What the log holds: records, each the next link of a chain.

Every record belongs to a *chain*: an agent's batches in one epoch, the definitions, the runs of one meter, the invoices of one
series of numbers. It names its sequence in the chain and the hash of the record before it there, so the log can refuse whatever does not follow. That is
the fence that every writer meets, in one process or in many: a replayed batch, a second replica, a booking made
from an older book all try to add a link that is taken.

The hash of a batch is the seal that its agent put on it; other records are hashed here. Together with the kind and the
time of the commit it makes the record's leaf in the Merkle tree over the whole log.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from meterbook.proof.leaf import leaf_data
from meterbook.proof.merkle import leaf_hash

#: The hash before the first record of a chain.
NO_HASH = bytes(32)
PAYLOAD_BYTES_MAX = 256 << 20
#: Bytes of a chain's name.
CHAIN_BYTES_MAX = 1_000

DEFINITIONS_CHAIN, ACTS_CHAIN = "definitions", "acts"
_INVOICES = "invoices/"


class Kind(IntEnum):
    """What a record holds; the payloads are the messages of ``journal.proto``."""

    BATCH = 1
    DEFINITIONS = 2
    RUN = 3
    ACT = 4
    INVOICE = 5


class Head(NamedTuple):
    """The last record of a chain; a chain that has none stands at ``NO_HEAD``."""

    sequence: int
    hash: bytes
    position: int


NO_HEAD = Head(0, NO_HASH, 0)


@dataclass(frozen=True)
class Draft:
    """A record that is not in the log yet."""

    kind: Kind
    chain: str
    sequence: int
    previous: bytes
    hash: bytes
    payload: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.payload) > PAYLOAD_BYTES_MAX:
            raise ValueError(f"payload of {len(self.payload)} bytes is over {PAYLOAD_BYTES_MAX}")
        if not 0 < len(self.chain.encode()) <= CHAIN_BYTES_MAX:
            raise ValueError(f"chain {self.chain[:80]!r} is not a name of 1 to {CHAIN_BYTES_MAX} bytes")

    def check_hash(self) -> bool:
        """Whether the hash is that of the payload; of a batch only its sections can tell."""
        return self.kind is Kind.BATCH or self.hash == payload_hash(self.kind, self.previous, self.payload)


@dataclass(frozen=True)
class Record:
    """A draft that was committed: its place in the log, counted from 1, and when."""

    position: int
    time_us: int
    draft: Draft

    @property
    def kind(self) -> Kind:
        """What the record holds."""
        return self.draft.kind

    @property
    def payload(self) -> bytes:
        """A message of ``journal.proto``."""
        return self.draft.payload

    @property
    def leaf(self) -> bytes:
        """Hash of the record's leaf in the Merkle tree."""
        draft = self.draft
        return leaf_hash(leaf_data(draft.kind, self.time_us, draft.chain, draft.sequence, draft.hash))


def runs_chain(meter: str) -> str:
    """The chain of a meter's runs."""
    return f"runs/{meter}"


def invoices_chain(series: str) -> str:
    """The chain of a series of invoice numbers. The place in it is the number."""
    return f"{_INVOICES}{series}"


def series_of(chain: str) -> str:
    """Series of a chain of invoices."""
    return chain.removeprefix(_INVOICES)


def agent_of(chain: str) -> tuple[str, int]:
    """Agent and epoch of a chain of batches. The name itself may have slashes."""
    name, _, epoch = chain.removeprefix("agent/").rpartition("/")
    return name, int(epoch)


def payload_hash(kind: Kind, previous: bytes, payload: bytes) -> bytes:
    """Hash of a record that is not a batch: SHA-256 over its kind, the hash before it and its payload."""
    return hashlib.sha256(b"meterbook record v2\0" + bytes([kind]) + previous + payload).digest()


def follow(kind: Kind, chain: str, head: Head, payload: bytes) -> Draft:
    """The record with this payload that follows ``head``; not for batches, whose agents seal them."""
    return Draft(kind, chain, head.sequence + 1, head.hash, payload_hash(kind, head.hash, payload), payload)

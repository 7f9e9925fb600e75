"""What the ledger's tree is over: the leaf of a record, and the hash of a batch from those of its sections.

A leaf says which record stands at a position: its kind, when the ledger took it, its place in its chain and its hash. Of
a batch that hash is its seal. The form, all integers little-endian::

    "meterbook leaf v1\\0", kind uint8, time in microseconds since 1970 int64, sequence uint64,
    the chain's name (uint16 length first, UTF-8), the 32-byte hash of the record

The leaf hash is SHA-256(0x00 || leaf) as in RFC 9162. Position p of the ledger, counted from 1, is leaf p - 1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from hashlib import sha256

from .encoding import HASH_BYTES

#: The kind of record that a batch is. Its chain is :func:`agent_chain`, its hash :func:`batch_seal`.
BATCH = 1

_LEAF = struct.Struct("<18sBqQH")
_MAGIC = b"meterbook leaf v1\0"
_BATCH_PLACE = struct.Struct("<qqi")


def leaf_data(kind: int, time_us: int, chain: str, sequence: int, hash: bytes) -> bytes:
    """The leaf of a record. Raises ValueError where a value does not fit its field."""
    name = chain.encode()
    if len(hash) != HASH_BYTES:
        raise ValueError(f"the hash of record {sequence} of {chain} has {len(hash)} bytes, not {HASH_BYTES}")
    try:
        return _LEAF.pack(_MAGIC, kind, time_us, sequence, len(name)) + name + hash
    except struct.error as error:
        raise ValueError(f"record {sequence} of {chain[:80]} (kind {kind}, time {time_us}): {error}") from None


def agent_chain(agent: str, epoch: int) -> str:
    """The chain of an agent's batches in one epoch."""
    return f"agent/{agent}/{epoch}"


def batch_seal(
    agent: str, epoch: int, sequence: int, schema: int, previous_hash: bytes, section_hashes: Iterable[bytes]
) -> bytes:
    """The hash that seals a batch, from those of its sections in wire order. Raises ValueError as :func:`leaf_data`.

    SHA-256 over ``"meterbook batch v1\\0"``, the agent's name (uint16 length first), epoch and sequence as int64, the
    schema version as int32, the previous hash, and the SHA-256 of each section.
    """
    name = agent.encode()
    try:
        length, place = struct.pack("<H", len(name)), _BATCH_PLACE.pack(epoch, sequence, schema)
    except struct.error as error:
        raise ValueError(f"batch {sequence} of {agent[:80]}, epoch {epoch}, schema {schema}: {error}") from None
    return sha256(b"".join((b"meterbook batch v1\0", length, name, place, previous_hash, *section_hashes))).digest()

"""How a batch is sealed: one SHA-256 over its place in the chain and over the values of its columns.

The hash covers values, not bytes of a file format: the same rows give the same hash whatever Arrow version, buffer
compression or chunking carried them, so a batch can be proved from the tables long after its IPC bytes are gone.

Canonical form, all integers little-endian unless said otherwise:

* a column is its name, ``NUL``, the length of its bytes as uint64, its bytes. Fixed-width columns give their
  values back to back; a nullable one is preceded by a byte per row (1 where there is a value) and gives zeros
  where there is none; text gives an int32 length per row and then all UTF-8 bytes;
* a section is ``"meterbook section v1\\0"``, its name, ``NUL``, its row count as uint64, and its columns in schema order;
* a batch is ``"meterbook batch v1\\0"``, the agent's name (uint16 length first), epoch and sequence as int64, the
  schema version as int32, the previous hash, and the SHA-256 of each section in wire order; ``charges`` and ``bills``
  are among them where they have rows (each hash is over a name, so none can be taken for another).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from meterbook.proof.leaf import batch_seal
from meterbook.wire.sections import ADDED, EMPTY, SCHEMA_VERSION, Sections

#: The hash before the first batch of an epoch.
GENESIS = bytes(32)


@dataclass(frozen=True)
class ChainPlace:
    """Where a batch stands: the agent's chain, and what it follows."""

    agent: str
    epoch: int
    sequence: int
    previous_hash: bytes


def batch_hash(place: ChainPlace, content: Sections) -> bytes:
    """The 32-byte hash that seals ``content`` at ``place``."""
    return seal(place, section_hashes(content))


def seal(place: ChainPlace, hashes: Iterable[bytes]) -> bytes:
    """As ``batch_hash``, from the hashes of the sections in wire order."""
    return batch_seal(place.agent, place.epoch, place.sequence, SCHEMA_VERSION, place.previous_hash, hashes)


def section_hashes(content: Sections) -> list[bytes]:
    """The hash of every section that is part of the seal, in wire order."""
    return [
        section_hash(section, table) if table.num_rows else _EMPTY[section]
        for section, table in content.tables().items()
        if table.num_rows or section not in ADDED
    ]


def section_hash(name: str, table: pa.Table) -> bytes:
    """SHA-256 of one section in canonical form."""
    hasher = hashlib.sha256(b"meterbook section v1\0" + name.encode() + b"\0")
    hasher.update(struct.pack("<Q", table.num_rows))
    for field, column in zip(table.schema, table.columns, strict=True):
        parts = _column_parts(_one_array(column), field.nullable)
        hasher.update(field.name.encode() + b"\0" + struct.pack("<Q", sum(part.nbytes for part in parts)))
        for part in parts:
            hasher.update(part.data)
    return hasher.digest()


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def _column_parts(array: pa.Array, nullable: bool) -> list[np.ndarray]:
    """The canonical bytes of a column as contiguous arrays, without copying where Arrow already has them so."""
    if pa.types.is_string(array.type):
        return _text_parts(array)
    parts: list[np.ndarray] = []
    if nullable:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        parts.append(valid.astype(np.uint8))
        if array.null_count:
            array = array.fill_null(pa.scalar(0, pa.int64()).cast(array.type))
    width = array.type.bit_width // 8
    values = np.frombuffer(array.buffers()[1] or b"", dtype=np.uint8)
    parts.append(values[array.offset * width : (array.offset + len(array)) * width])
    return parts


def _text_parts(array: pa.Array) -> list[np.ndarray]:
    if len(array) == 0:
        return []
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, dtype="<i4")[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    return [np.diff(offsets), data]


_EMPTY = {name: section_hash(name, table) for name, table in EMPTY.items()}

"""What an Arrow IPC stream says of its own size, read before Arrow sees a byte of it.

A few bytes of zstd can stand for gigabytes, and pyarrow decompresses a batch before it can be asked anything. The
sizes stand in the stream all the same: the rows in the FlatBuffers header of every message, and in front of every
compressed buffer the int64 of its length in memory, which Arrow allocates and never exceeds. This module reads those and
nothing else. ``Message.fbs`` of the Arrow format gives the positions.

Nobody has verified the headers by then. What a broken one is read as does not matter, as long as it is bounded: Arrow verifies
them before it allocates anything, and finds in a sound one what was found here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

SCHEMA, RECORD_BATCH = "schema", "record batch"

#: In front of every message, and of the length 0 that ends a stream.
_CONTINUATION = 0xFFFFFFFF
_KINDS = {1: SCHEMA, 2: "dictionary", 3: RECORD_BATCH}
# Fields of the FlatBuffers tables, counted as the format's Message.fbs declares them.
_MESSAGE_KIND, _MESSAGE_HEADER, _MESSAGE_BODY_LENGTH, _MESSAGE_CUSTOM_METADATA = 1, 2, 3, 4
_BATCH_LENGTH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3
#: In front of a buffer that was left uncompressed in a compressed batch.
_STORED = -1


class Declared(NamedTuple):
    """What a message is, and for a record batch its rows and their bytes in memory."""

    kind: str
    rows: int = 0
    bytes: int = 0


def declared(data: bytes) -> Iterator[Declared]:
    """The messages of a whole stream. Raises ValueError and struct.error where they make no sense."""
    view, at = memoryview(data), 0
    while at < len(data):
        marker, length = struct.unpack_from("<Ii", view, at)
        if marker != _CONTINUATION or length < 0:
            raise ValueError(f"no message begins at byte {at}")
        at += 8
        if length == 0:
            if at == len(data):
                return
            break
        header = view[at : at + length]
        root = _target(header, 0)
        body_at, body_length = at + length, _int64_field(header, root, _MESSAGE_BODY_LENGTH)
        if body_length < 0 or body_at + body_length > len(data):
            raise ValueError(f"the message at byte {at} has a body of {body_length} bytes")
        at = body_at + body_length
        yield _declared(header, root, view[body_at:at])
    raise ValueError("the stream does not end where the bytes do")


def _declared(header: memoryview, root: int, body: memoryview) -> Declared:
    at = _field(header, root, _MESSAGE_KIND)
    kind = _KINDS.get(struct.unpack_from("<B", header, at)[0] if at is not None else 0, "nameless")
    if kind != RECORD_BATCH:
        return Declared(kind)
    if _field(header, root, _MESSAGE_CUSTOM_METADATA) is not None:
        raise ValueError("a record batch has metadata of its own")
    at = _field(header, root, _MESSAGE_HEADER)
    batch = _target(header, at) if at is not None else root
    compressed = _field(header, batch, _BATCH_COMPRESSION) is not None
    sizes = [_buffer_size(body, *place, compressed) for place in _buffers(header, batch)]
    rows = _int64_field(header, batch, _BATCH_LENGTH)
    if rows < 0 or any(size < 0 for size in sizes):
        raise ValueError("a record batch states a negative size")
    return Declared(kind, rows, sum(sizes))


def _buffers(header: memoryview, batch: int) -> list[tuple[int, int]]:
    """Offset and length of every buffer in the body."""
    at = _field(header, batch, _BATCH_BUFFERS)
    if at is None:
        return []
    vector = _target(header, at)
    (count,) = struct.unpack_from("<I", header, vector)
    return [struct.unpack_from("<qq", header, vector + 4 + 16 * index) for index in range(count)]


def _buffer_size(body: memoryview, offset: int, length: int, compressed: bool) -> int:
    if not compressed or length <= 0:
        return length
    size = _int64(body, offset)
    return length if size == _STORED else size


def _field(header: memoryview, table: int, index: int) -> int | None:
    """Where a field of a table stands; None where it is absent."""
    vtable = table - struct.unpack_from("<i", header, table)[0]
    slot = 4 + 2 * index
    if slot >= struct.unpack_from("<H", header, vtable)[0]:
        return None
    (offset,) = struct.unpack_from("<H", header, vtable + slot)
    return table + offset if offset else None


def _target(header: memoryview, at: int) -> int:
    """Where the table or vector stands that the offset at ``at`` points to."""
    return at + int(struct.unpack_from("<I", header, at)[0])


def _int64_field(header: memoryview, table: int, index: int) -> int:
    at = _field(header, table, index)
    return 0 if at is None else _int64(header, at)


def _int64(data: memoryview, at: int) -> int:
    return int(struct.unpack_from("<q", data, at)[0])

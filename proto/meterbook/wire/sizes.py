"""What an Arrow record batch says of its own size, read before a single buffer is decompressed.

A few bytes of zstd can stand for gigabytes, and pyarrow decompresses a batch before it can be asked anything. The
sizes stand in the message all the same: the rows in its FlatBuffers header, and in front of every compressed
buffer the int64 of its length in memory, which Arrow allocates and never exceeds. This module reads those and
nothing else. ``Message.fbs`` of the Arrow format gives the positions; Arrow has verified the header by then.
"""

from __future__ import annotations

import struct

import pyarrow as pa

# Fields of the FlatBuffers tables, counted as the format's Message.fbs declares them.
_MESSAGE_HEADER, _MESSAGE_CUSTOM_METADATA = 2, 4
_BATCH_LENGTH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3
#: In front of a buffer that was left uncompressed in a compressed batch.
_STORED = -1


def declared_size(message: pa.ipc.Message) -> tuple[int, int]:
    """Rows and bytes in memory of a record batch message. Raises ValueError where they make no sense."""
    header, body = memoryview(message.metadata), memoryview(message.body)
    root = _target(header, 0)
    if _field(header, root, _MESSAGE_CUSTOM_METADATA) is not None:
        raise ValueError("a record batch has metadata of its own")
    at = _field(header, root, _MESSAGE_HEADER)
    batch = _target(header, at) if at is not None else root
    compressed = _field(header, batch, _BATCH_COMPRESSION) is not None
    sizes = [_buffer_size(body, *place, compressed) for place in _buffers(header, batch)]
    length = _field(header, batch, _BATCH_LENGTH)
    rows = _int64(header, length) if length is not None else 0
    if rows < 0 or any(size < 0 for size in sizes):
        raise ValueError("a record batch states a negative size")
    return rows, sum(sizes)


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


def _int64(data: memoryview, at: int) -> int:
    return int(struct.unpack_from("<q", data, at)[0])

"""What stands in a file, as it is or unpacked: bytes at an offset, and no others.

A compressed file can only be unpacked from its beginning. So one that is read on stays unpacked as far as it was read, with what was given
out last, and begins again only where somebody asks for what was before that: a collection that is repeated, or an agent that was started anew.
What it takes of memory is one read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from collector.datastore.inflate import Damaged, plain

#: The beginning of a compressed file is asked for again and again.
HEAD_BYTES = 64 << 10
#: What stays of what was given out before: who knows a file again looks a little behind where it was read to.
_KEPT_BYTES = 4 << 10
_PORTION_BYTES = 256 << 10


class Content(Protocol):
    """The bytes of one open file."""

    @property
    def size(self) -> int | None:
        """How many there are; None where that is not known yet."""
        ...

    @property
    def damage(self) -> str:
        """Why the rest cannot be read: half a sentence; nothing where all can."""
        ...

    def status(self) -> os.stat_result:
        """Of the file itself."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from an offset on; fewer than ``length`` only at the end. Raises OSError."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Plain:
    """A file as it is. It may grow."""

    damage = ""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @property
    def size(self) -> int:
        """See :class:`Content`."""
        return self.status().st_size

    def status(self) -> os.stat_result:
        """See :class:`Content`."""
        return os.fstat(self._file.fileno())

    def read(self, offset: int, length: int) -> bytes:
        """See :class:`Content`."""
        pieces = []
        while length > 0 and (piece := os.pread(self._file.fileno(), length, offset)):
            pieces.append(piece)
            length -= len(piece)
            offset += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """See :class:`Content`."""
        self._file.close()


class Unpacked:
    """What a compressed file unfolds into. It is taken to be whole: what it lacks is damage."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._begin()

    def _begin(self) -> None:
        status = self.status()
        self._stamp = status.st_size, status.st_mtime_ns
        self._pieces = plain(self._packed())
        self._head = b""
        #: What is held, and where it begins.
        self._held, self._base = bytearray(), 0
        self._is_over = False
        self.damage = ""

    @property
    def size(self) -> int | None:
        """See :class:`Content`."""
        return self._base + len(self._held) if self._is_over else None

    def status(self) -> os.stat_result:
        """See :class:`Content`."""
        return os.fstat(self._file.fileno())

    def read(self, offset: int, length: int) -> bytes:
        """See :class:`Content`."""
        status = self.status()
        if self._stamp != (status.st_size, status.st_mtime_ns):
            self._begin()
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        if offset < self._base:
            self._begin()
        self._let_go(offset - _KEPT_BYTES)
        while not self._is_over and self._base + len(self._held) < offset + length:
            self._unpack()
            self._let_go(offset - _KEPT_BYTES)
        start = max(offset - self._base, 0)
        return bytes(self._held[start : start + length])

    def close(self) -> None:
        """See :class:`Content`."""
        self._file.close()

    def _unpack(self) -> None:
        try:
            piece = next(self._pieces, None)
        except Damaged as error:
            self.damage, piece = str(error), None
        if piece is None:
            self._is_over = True
            return
        self._held += piece
        self._head += piece[: HEAD_BYTES - len(self._head)]

    def _let_go(self, until: int) -> None:
        beyond = min(until - self._base, len(self._held))
        if beyond > 0:
            del self._held[:beyond]
            self._base += beyond

    def _packed(self) -> Iterator[bytes]:
        offset = 0
        while portion := os.pread(self._file.fileno(), _PORTION_BYTES, offset):
            offset += len(portion)
            yield portion

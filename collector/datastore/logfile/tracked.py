"""What is remembered of a file: enough to know it again under any name, and to know when it is another one.

A file is known by device and inode, which renaming keeps. Inodes are given to new files once their file is gone,
truncation keeps the inode while the content goes, and compression makes another file of the same content; so what stands in it must
agree as well: the *fingerprint*, a hash of the first bytes, and the *tail*, a hash of the last bytes that were read. The fingerprint
covers only what was there when it was taken (at most 256 bytes), because appending must not change it; files that begin with the same header are told apart by
the tail. A copy that was cut short is known by *rungs*: hashes of the first 64 bytes, 128, and so on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from collector.datastore.logfile.contents import Content
from collector.readings import remembered

#: Bytes at the beginning of a file, and before where it was read to, that tell it from others; a line of a log is rarely longer.
FINGERPRINT_BYTES = TAIL_BYTES = 256
#: The first bytes of which there are hashes, as far as the file has so many; digits of SHA-256 that are kept of each.
_RUNGS_BYTES = (64, 128, 256, 512, 1024, 2048, 4096)
_RUNG_DIGITS = 16
#: So many different lines no two files begin with by chance; one of them may be a header.
_LINES_MIN = 3


@dataclass(frozen=True)
class Tracked:
    """A file that is, or was, followed. What is said of bytes is of unpacked ones.

    ``offset`` is where the next read begins, ``skipping`` whether that is inside a line too long to be read; ``header`` is the first line
    where that names the columns of the others. ``size`` and ``mtime_ns`` are as last seen. ``retired`` says that the file was read to its
    end after another had taken its place: then its removal loses nothing. ``gone`` says that it was removed: it is remembered because its
    content may come to light again, compressed. ``copy`` says that it had nothing but what another file begins with, which is
    followed: it is read only for what of that one is not found any more. ``key`` and ``ordinal`` are what its lines are called by (see ``places``).
    """

    device: int
    inode: int
    offset: int = 0
    skipping: bool = False
    fingerprint_bytes: int = 0
    fingerprint: str = ""
    tail: str = ""
    size: int = 0
    mtime_ns: int = 0
    packed: bool = False
    retired: bool = False
    gone: bool = False
    copy: bool = False
    header: str | None = None
    key: str = ""
    ordinal: int = 0
    rungs: str = ""

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was seen of it but that it is there."""
        return self.fingerprint_bytes == 0 and self.offset == 0

    @property
    def is_blank(self) -> bool:
        """Whether no line was seen of it but the header, so that another file may look like it."""
        begins = 0 if self.header is None else len(self.header.encode("utf-8", "surrogateescape")) + 1
        return self.size <= begins

    @property
    def is_faint(self) -> bool:
        """Whether so little of it was read that another file may well be taken for it."""
        return self.copy or (self.packed and self.is_fresh) or (self.retired and self.is_blank)

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint: all that is not as it is by itself."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {each.name: given[each.name] for each in fields(self) if given[each.name] != each.default}


def from_json(document: Mapping[str, Any]) -> Tracked:
    """Back from the checkpoint."""
    return remembered(Tracked, document)


def seen(tracked: Tracked, content: Content, size: int, mtime_ns: int) -> Tracked:
    """What is remembered of a file that was read to ``offset`` and has so many bytes. Raises OSError."""
    head = min(size, FINGERPRINT_BYTES)
    return replace(
        tracked,
        fingerprint_bytes=head,
        fingerprint=_hash(content, 0, head),
        tail=_tail(content, tracked.offset),
        rungs=_rungs(content.read(0, min(size, _RUNGS_BYTES[-1]))),
        size=size,
        mtime_ns=mtime_ns,
    )


def is_continued(known: Tracked, content: Content) -> bool:
    """Whether an open file still begins as the known one did, and goes on behind where that was read to. Raises OSError."""
    head = _hash(content, 0, known.fingerprint_bytes)
    if known.fingerprint_bytes and (not head or head != known.fingerprint):
        return False
    if known.offset and not content.read(known.offset - 1, 1):
        return False
    return not known.tail or _tail(content, known.offset) == known.tail


def is_whole(known: Tracked, content: Content) -> bool:
    """Whether an open file has what the known one had that was read to its end, and nothing more. Raises OSError."""
    if not known.fingerprint_bytes or not is_continued(known, content):
        return False
    return not content.read(known.offset, 1) and not content.damage


def is_outread(known: Tracked, content: Content) -> bool:
    """Whether an open file may be a part of what was read of the known one: no longer, and as it by its first bytes. Raises OSError.

    That is what becomes of a copy that was made while its original was written, and read on; but files may begin alike, and go on otherwise.
    """
    head = content.read(0, _RUNGS_BYTES[-1])
    rungs = _rungs(head)
    if not rungs or not known.rungs.startswith(rungs):
        return False
    compared = head[: _RUNGS_BYTES[len(rungs) // _RUNG_DIGITS - 1]]
    return tells(compared) and not content.read(known.offset, 1) and not content.damage


def tells(head: bytes) -> bool:
    """Whether a file begins as no other does by chance."""
    *lines, _ = head.split(b"\n")
    return len({line for line in lines if line.strip()}) >= _LINES_MIN


def _tail(content: Content, offset: int) -> str:
    start = max(0, offset - TAIL_BYTES)
    return _hash(content, start, offset - start)


def _rungs(head: bytes) -> str:
    """Hashes of the beginnings of a file."""
    reached = [length for length in _RUNGS_BYTES if length <= len(head)]
    return "".join(hashlib.sha256(head[:length]).hexdigest()[:_RUNG_DIGITS] for length in reached)


def _hash(content: Content, offset: int, length: int) -> str:
    """Hash of so many bytes; of fewer, nothing."""
    piece = content.read(offset, length)
    return hashlib.sha256(piece).hexdigest() if len(piece) == length else ""

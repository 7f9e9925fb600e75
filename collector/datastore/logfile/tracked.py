"""What is remembered of a file: enough to know it again under any name, and to know when it is another one.

A file is known by device and inode, which renaming keeps. Inodes are given to new files once their file is gone, and
truncation keeps the inode while the content goes; so the *fingerprint*, a hash of the first bytes, must agree as well.
It covers only what was there when it was taken (at most 256 bytes), because appending must not change it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

#: Bytes at the beginning of a file that tell it from others; a line of a log is rarely longer.
FINGERPRINT_BYTES = 256


@dataclass(frozen=True)
class Tracked:
    """A file that is, or was, followed.

    ``offset`` is where the next read begins, ``skipping`` whether that is inside a line too long to be read.
    ``size`` and ``mtime_ns`` are as last seen. ``retired`` says that the file was read to its end after another had
    taken its place: then its removal loses nothing.
    """

    device: int
    inode: int
    offset: int = 0
    skipping: bool = False
    fingerprint_bytes: int = 0
    fingerprint: str = ""
    size: int = 0
    mtime_ns: int = 0
    retired: bool = False

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return asdict(self)


def from_json(document: Mapping[str, Any]) -> Tracked:
    """Back from the checkpoint."""
    return Tracked(**document)


def fingerprint(file: BinaryIO, length: int) -> str:
    """Hash of the first ``length`` bytes of a file; of nothing for nothing."""
    head = os.pread(file.fileno(), length, 0)
    return hashlib.sha256(head).hexdigest() if len(head) == length else ""


def is_continued(known: Tracked, file: BinaryIO) -> bool:
    """Whether an open file still begins as the known one did, and reaches as far as that was read."""
    if os.fstat(file.fileno()).st_size < known.offset:
        return False
    return fingerprint(file, known.fingerprint_bytes) == known.fingerprint or known.fingerprint_bytes == 0

"""Open files of one source, by what they are and not by what they are called.

The file that is being written is kept open between collections. When it is rotated and compressed or removed before
the next one, its last lines can still be read through the open handle, which is what makes a rotation without
``delaycompress`` lose nothing while the agent runs. A handle is let go only when no checkpoint that may come back
refers to its file, since a collection that was not stored is asked for again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from collector.errors import PermanentError, TransientError
from collector.readonly import open_file

Identity = tuple[int, int]


@dataclass(frozen=True)
class Found:
    """A regular file as the directory shows it."""

    path: str
    identity: Identity
    mtime_ns: int


def look(path: str) -> Found | None:
    """The file at a path, None where there is none. Raises OSError, and PermanentError for what is no regular file."""
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        # Opening a pipe would wait for a writer, perhaps for ever.
        raise PermanentError(f"{path} is not a regular file")
    return Found(path, (status.st_dev, status.st_ino), status.st_mtime_ns)


def look_beside(path: str) -> list[Found]:
    """The regular files beside ``path`` whose names begin with its name; none where the directory hides them."""
    directory, name = os.path.split(path)
    found = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(name) and entry.name != name and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found.append(Found(entry.path, (status.st_dev, status.st_ino), status.st_mtime_ns))
    except OSError:
        return []
    return found


class RotatedMeanwhile(TransientError):
    """What was found is not there any more: whoever looks again at once finds what is there now."""


class Handles:
    """The files that are open."""

    def __init__(self) -> None:
        self._open: dict[Identity, BinaryIO] = {}

    def open(self, found: Found) -> BinaryIO:
        """The file that was found. Raises OSError, and RotatedMeanwhile where another has come in its place, or none."""
        if found.identity not in self._open:
            try:
                file = open_file(found.path)
            except FileNotFoundError as error:
                raise RotatedMeanwhile(f"{found.path} was renamed or removed while it was looked at") from error
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) != found.identity:
                file.close()
                raise RotatedMeanwhile(f"{found.path} was rotated while it was looked at")
            self._open[found.identity] = file
        return self._open[found.identity]

    def held(self, identity: Identity) -> BinaryIO | None:
        """The file if it is still open, wherever it may be now."""
        return self._open.get(identity)

    def keep(self, identities: Collection[Identity]) -> None:
        """Close all others."""
        for identity in self._open.keys() - set(identities):
            self._open.pop(identity).close()

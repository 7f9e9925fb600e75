"""Open files of one source, by what they are and not by what they are called.

The file that is being written is kept open between collections. When it is rotated and compressed or removed before
the next one, its last lines can still be read through the open handle, which is what makes a rotation without
``delaycompress`` lose nothing while the agent runs. A handle is let go only when no checkpoint that may come back
refers to its file, since a collection that was not stored is asked for again.

A file is compressed if its name says so: a line of a log may begin with any bytes.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collector.datastore.logfile.contents import Content, Plain, Unpacked
from collector.errors import PermanentError, TransientError
from collector.readonly import open_file

Identity = tuple[int, int]

#: Ends of names of files that are unpacked.
PACKED = (".gz", ".zst")
#: What rotation appends to a name: .1, -20260131, .2.gz.
ROTATED = re.compile(rf"[.\-_]?[0-9][0-9\-_.:TZ]*({'|'.join(map(re.escape, PACKED))})?")


@dataclass(frozen=True)
class Found:
    """A regular file as the directory shows it."""

    path: str
    identity: Identity
    mtime_ns: int
    size: int

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed."""
        return self.path.endswith(PACKED)


def look(path: str) -> Found | None:
    """The file at a path, None where there is none. Raises OSError, and PermanentError for what is no regular file."""
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        # Opening a pipe would wait for a writer, perhaps for ever.
        raise PermanentError(f"{path} is not a regular file")
    return _found(path, status)


def look_beside(path: str) -> list[Found]:
    """The regular files beside ``path`` whose names begin with its name; none where the directory hides them.

    A compressed one is left out as long as the one that it is made of is there: until then it is not whole. Raises OSError.
    """
    directory, name = os.path.split(path)
    found = {}
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(name) and entry.name != name and entry.is_file(follow_symlinks=False):
                    # One that was removed meanwhile is not there; the others are.
                    with suppress(FileNotFoundError):
                        found[entry.path] = _found(entry.path, entry.stat(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return [each for each in found.values() if not (each.is_packed and str(Path(each.path).with_suffix("")) in found)]


def _found(path: str, status: os.stat_result) -> Found:
    return Found(path, (status.st_dev, status.st_ino), status.st_mtime_ns, status.st_size)


class RotatedMeanwhile(TransientError):
    """What was found is not there any more: whoever looks again at once finds what is there now."""


class Handles:
    """The files that are open."""

    def __init__(self) -> None:
        self._open: dict[Identity, Content] = {}

    def open(self, found: Found) -> Content:
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
            self._open[found.identity] = Unpacked(file) if found.is_packed else Plain(file)
        return self._open[found.identity]

    def held(self, identity: Identity) -> Content | None:
        """The file if it is still open, wherever it may be now."""
        return self._open.get(identity)

    def keep(self, identities: Collection[Identity]) -> None:
        """Close all others."""
        for identity in self._open.keys() - set(identities):
            self._open.pop(identity).close()

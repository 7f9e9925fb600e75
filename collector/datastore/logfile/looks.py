"""What stands at a path and beside it, at one moment.

A folder is listed name by name, and its files are asked one by one, while whoever rotates goes on renaming them: one may be seen under two
names, or under none. So a look keeps which names there were, and whoever acts on it asks afterwards whether they stayed: where they did, it
was of one moment.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collector.errors import PermanentError

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


@dataclass(frozen=True)
class Look:
    """The file at ``path``, None where there is none, and the others whose names begin with its name, each once.

    A compressed one is left out as long as the one that it is made of is there: until then it is not whole. ``names`` has the inode of each
    name that rotation gives: others may come and go beside a log all the time.
    """

    path: str
    live: Found | None
    beside: tuple[Found, ...]
    names: Mapping[str, int]

    def stays(self, paths: Collection[str] | None = None) -> bool:
        """Whether the same names, or those of some paths alone, are of the same files now. Raises OSError."""
        now = _names(self.path, _entries(self.path))
        names = now.keys() | self.names.keys() if paths is None else {Path(path).name for path in paths}
        return all(now.get(name) == self.names.get(name) for name in names)


def look(path: str) -> Look:
    """What is there now; nothing beside where the directory hides it. Raises OSError, and PermanentError for what is no regular file."""
    entries = _entries(path)
    live = _at(path)
    files: dict[str, Found] = {}
    for entry in entries:
        if entry.name != Path(path).name and entry.is_file(follow_symlinks=False):
            # One that was removed meanwhile is not there; the others are.
            with suppress(FileNotFoundError):
                files[entry.path] = _found(entry.path, entry.stat(follow_symlinks=False))
    once: dict[Identity, Found] = {}
    # Of several names of a file the one counts that rotation gave it: it says what it is.
    for found in sorted(files.values(), key=lambda found: (not _is_rotated(found.path, path), found.path)):
        if not (found.is_packed and str(Path(found.path).with_suffix("")) in files):
            once.setdefault(found.identity, found)
    if live is not None:
        # A hard link, or the name that it has got since.
        once.pop(live.identity, None)
    return Look(path, live, tuple(once.values()), _names(path, entries))


def _names(path: str, entries: Iterable[os.DirEntry[str]]) -> dict[str, int]:
    name = Path(path).name
    return {entry.name: entry.inode() for entry in entries if entry.name == name or _is_rotated(entry.name, name)}


def _is_rotated(path: str, live: str) -> bool:
    return ROTATED.fullmatch(path.removeprefix(live)) is not None


def _entries(path: str) -> list[os.DirEntry[str]]:
    directory, name = os.path.split(path)
    try:
        with os.scandir(directory) as entries:
            return [entry for entry in entries if entry.name.startswith(name)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _at(path: str) -> Found | None:
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        # Opening a pipe would wait for a writer, perhaps for ever.
        raise PermanentError(f"{path} is not a regular file")
    return _found(path, status)


def _found(path: str, status: os.stat_result) -> Found:
    return Found(path, (status.st_dev, status.st_ino), status.st_mtime_ns, status.st_size)

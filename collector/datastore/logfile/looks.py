"""What stands at a path and beside it, at one moment.

A folder is listed name by name, and its files are asked one by one, while whoever rotates goes on renaming them: one may be seen under two
names, or under none. So a look keeps which names there were, and whoever acts on it asks afterwards whether they stayed: where they did, it
was of one moment.

Where the path is a link, files are rotated beside what it points at: names are looked for beside both. A folder that hides its names leaves
whoever asks unable to know what was rotated in it, which is said.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
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
    #: Whether it is called what rotation calls files.
    is_rotated: bool = False

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed."""
        return self.path.endswith(PACKED)


@dataclass(frozen=True)
class Look:
    """The file at ``path``, None where there is none, and the others whose names begin with its name, each once.

    A compressed one is left out as long as the one that it is made of is there: until then it is not whole. ``names`` has the inode of each
    path whose name rotation gives: others may come and go beside a log all the time. ``hidden`` is the folder where files would be rotated to,
    if it cannot be listed.
    """

    path: str
    live: Found | None
    beside: tuple[Found, ...]
    names: Mapping[str, int]
    hidden: str = ""

    def stays(self, paths: Collection[str] | None = None) -> bool:
        """Whether the same names, or those of some paths alone, are of the same files now. Raises OSError."""
        now = _listed(self.path).names
        asked = now.keys() | self.names.keys() if paths is None else paths
        return all(now.get(path) == self.names.get(path) for path in asked)


def look(path: str) -> Look:
    """What is there now; nothing beside where the directory hides it. Raises OSError, and PermanentError for what is no regular file."""
    listed = _listed(path)
    live = _at(path)
    files: dict[str, Found] = {}
    for entry in listed.entries:
        if entry.path != path and entry.is_file(follow_symlinks=False):
            # One that was removed meanwhile is not there; the others are.
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                files[entry.path] = _found(entry.path, status, is_rotated=entry.path in listed.rotated)
    once: dict[Identity, Found] = {}
    # Of several names of a file the one counts that rotation gave it: it says what it is.
    for found in sorted(files.values(), key=lambda found: (not found.is_rotated, found.path)):
        if not (found.is_packed and str(Path(found.path).with_suffix("")) in files):
            once.setdefault(found.identity, found)
    if live is not None:
        # A hard link, or the name that it has got since.
        once.pop(live.identity, None)
    return Look(path, live, tuple(once.values()), listed.names, listed.hidden)


@dataclass
class _Listed:
    """The entries whose names begin as that of a path, or of what it points at; which of them are called as rotation does, and the inodes of these and of the path."""

    entries: list[os.DirEntry[str]] = field(default_factory=list)
    rotated: set[str] = field(default_factory=set)
    names: dict[str, int] = field(default_factory=dict)
    hidden: str = ""


def _listed(path: str) -> _Listed:
    listed = _Listed()
    for base in dict.fromkeys([path, os.path.realpath(path)]) if Path(path).is_symlink() else [path]:
        # Rotation renames what a link points at, so it is there that nothing must be hidden.
        entries, listed.hidden = _entries(base)
        listed.entries += entries
        listed.rotated |= {entry.path for entry in entries if ROTATED.fullmatch(entry.path.removeprefix(base))}
        listed.names |= {entry.path: entry.inode() for entry in entries if entry.path in {base, *listed.rotated}}
    return listed


def _entries(path: str) -> tuple[list[os.DirEntry[str]], str]:
    directory, name = os.path.split(path)
    try:
        with os.scandir(directory) as entries:
            return [entry for entry in entries if entry.name.startswith(name)], ""
    except (FileNotFoundError, NotADirectoryError):
        return [], ""
    except PermissionError:
        return [], directory


def _at(path: str) -> Found | None:
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        # Opening a pipe would wait for a writer, perhaps for ever.
        raise PermanentError(f"{path} is not a regular file")
    return _found(path, status)


def _found(path: str, status: os.stat_result, *, is_rotated: bool = False) -> Found:
    return Found(path, (status.st_dev, status.st_ino), status.st_mtime_ns, status.st_size, is_rotated)

"""Which files a pattern matches, looked for again and again: folders that have not changed are not listed again.

In a part of the path ``*`` stands for any text, ``?`` for a character and ``[...]`` for one of several; as in a shell, none of them stands
for a dot at the beginning, nor for a slash.

What a file is rotated into is no file of its own, even where the pattern matches it. Names alone decide that, since a name may be missing for a moment while
files are renamed: a name that ends in ``.gz`` or the like, and one that is another name which the pattern matches with what rotation appends to it,
``.1`` or ``-20260131``. Where a date stands inside of names (``app.2026-01-31.log``), they have to be excluded.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

#: Ends of names of compressed files, also of those that nobody here can unpack.
_COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip", ".Z")
_APPENDED = re.compile(r"[.\-_][0-9][0-9\-_.:TZ]*")
_MAGIC = re.compile(r"[*?\[]")
#: Changes of a folder within so many nanoseconds may leave its time as it is.
_SETTLED_NS = 2_000_000_000


def is_pattern(path: str) -> bool:
    """Whether a path is one."""
    return _MAGIC.search(path) is not None


def originals(name: str, pattern: str) -> list[str]:
    """The names, among those that the last part of a pattern matches, of which a file may be a rotated copy by its own name."""
    ends = (end for end in range(1, len(name)) if _APPENDED.fullmatch(name, end))
    return [name[:end] for end in ends if fnmatchcase(name[:end], pattern)]


@dataclass
class _Folder:
    """What a folder had when it was listed."""

    mtime_ns: int
    listed_ns: int
    folders: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


class Matches:
    """The files that a pattern matches, but for excluded ones."""

    def __init__(self, pattern: str, exclude: Sequence[str], clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._parts = Path(pattern).parts
        self._exclude, self._clock_ns = exclude, clock_ns
        self._folders: dict[str, _Folder] = {}
        self._seen: dict[str, _Folder] = {}
        #: As of the last look: why folders cannot be listed, and files that are taken for rotated copies of what is not there.
        self.problems: list[str] = []
        self.orphans: list[str] = []

    def now(self) -> list[str]:
        """Their paths, sorted. Raises OSError where the folder cannot be listed at which the pattern begins."""
        first = next(place for place, part in enumerate(self._parts) if is_pattern(part))
        root = str(Path(*self._parts[:first]))
        self._seen, self.problems, self.orphans = {}, [], []
        found = self._below(root, first, is_needed=True)
        self._folders = self._seen
        self.orphans = [path for path in self.orphans if not self._is_excluded(path)]
        return sorted(path for path in found if not self._is_excluded(path))

    def _is_excluded(self, path: str) -> bool:
        return any(fnmatchcase(path, each) for each in self._exclude)

    def _below(self, folder: str, place: int, *, is_needed: bool = False) -> list[str]:
        part, is_last = self._parts[place], place == len(self._parts) - 1
        if not is_pattern(part):
            path = str(Path(folder, part))
            if is_last:
                return [path] if Path(path).is_file() else []
            return self._below(path, place + 1)
        try:
            listed = self._listed(folder)
        except OSError as error:
            if is_needed:
                raise
            if not isinstance(error, FileNotFoundError):
                self.problems.append(f"{folder} cannot be listed: {error.strerror or error}")
            return []
        if is_last:
            return self._files(folder, part, listed.others)
        names = [name for name in listed.folders if _is_match(name, part)]
        return [path for name in names for path in self._below(str(Path(folder, name)), place + 1)]

    def _files(self, folder: str, part: str, names: Sequence[str]) -> list[str]:
        """Those of a folder that are no rotated copies."""
        matching = [name for name in names if _is_match(name, part) and not name.endswith(_COMPRESSED)]
        found = []
        for name in matching:
            of = originals(name, part)
            if not of:
                found.append(str(Path(folder, name)))
            elif not any(each in names for each in of):
                self.orphans.append(str(Path(folder, name)))
        return found

    def _listed(self, folder: str) -> _Folder:
        mtime_ns = Path(folder).stat().st_mtime_ns
        known = self._folders.get(folder)
        if known is None or known.mtime_ns != mtime_ns or known.listed_ns - mtime_ns < _SETTLED_NS:
            known = _Folder(mtime_ns, self._clock_ns())
            with os.scandir(folder) as entries:
                for entry in entries:
                    # A link may lead round in circles, or to where nobody may look.
                    with suppress(OSError):
                        if entry.is_dir():
                            known.folders.append(entry.name)
                        elif entry.is_file():
                            known.others.append(entry.name)
        self._seen[folder] = known
        return known


def _is_match(name: str, part: str) -> bool:
    if not fnmatchcase(name, part) or (name.startswith(".") and not part.startswith(".")):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        # A source is told by its name, which is text.
        return False
    return True

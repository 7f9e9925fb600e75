"""Which file is which: finding again what was followed, and what has come since.

Between two collections, or while no agent ran, a file may have been

* *renamed*, once or several times: it is found by its inode among ``path*`` and read to its end, then every file
  that was begun and renamed since, oldest first, then the one that now has the name;
* *copied and truncated* (``copytruncate``): the inode stays, the content goes. The copy is found by its fingerprint
  and its rest is read from there. Without a copy nobody knows what stood after the last byte read: ``partial``;
* *removed*: if it is still open here, its rest is read; else what it had more is ``lost``.

All of these may follow each other. An inode that holds other content than before, because its file was truncated or
because it was given to a new file, counts as one that was never followed.

Files that were never followed are considered only when one of these has happened, and only if they look rotated (the
name goes on with digits, such as ``.1`` or ``-20260131``) and were written after the followed one was last seen.
Everything older was read before, or was there before the first collection. Of a file that was empty when it was last
seen nobody can say whether it was copied and truncated since: what was written beside it later is read, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from collector.datastore.logfile.handles import Found, Handles, Identity, RotatedMeanwhile, look, look_beside
from collector.datastore.logfile.tracked import Tracked, is_continued

#: How often it is looked at most. While files are renamed a directory may show one of them nowhere, or where it is not any more.
LOOKS_MAX = 5
_ROTATED = re.compile(r"[.\-_]?[0-9][0-9\-_.:TZ]*")


@dataclass(frozen=True)
class Step:
    """One file to be read on. ``live`` has the configured name; ``gone`` has no name, and no one will find it again."""

    tracked: Tracked
    file: BinaryIO
    live: bool
    gone: bool = False


@dataclass
class Plan:
    """Files to read, oldest first; what is known to be missing; whether nothing has the configured name now."""

    steps: list[Step] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    absent: bool = False


def plan(path: str, followed: Sequence[Tracked], handles: Handles) -> Plan:
    """What to read, given the files followed so far, oldest first. Raises OSError and SourceErrors."""
    for _ in range(LOOKS_MAX - 1):
        with suppress(RotatedMeanwhile):
            found = _Planner(path, followed, handles).plan()
            if not found.lost:
                return found
    return _Planner(path, followed, handles).plan()


class _Planner:
    def __init__(self, path: str, followed: Sequence[Tracked], handles: Handles) -> None:
        self._path = path
        self._followed = followed
        self._handles = handles
        self._live = look(path)
        self._beside = look_beside(path)
        self._plan = Plan()
        self._places: dict[Identity, Found] = {}
        for found in [*self._beside, *([self._live] if self._live is not None else [])]:
            self._places[found.identity] = found
        #: The followed files that are there under some name, with the content that was followed.
        self._continued = {known.identity for known in followed if self._is_continued(known)}

    def _is_continued(self, known: Tracked) -> bool:
        same = self._places.get(known.identity)
        return same is not None and is_continued(known, self._handles.open(same))

    def plan(self) -> Plan:
        for known in self._followed:
            self._find_again(known)
        live = self._live
        taken = {step.tracked.identity for step in self._plan.steps}
        if live is not None and live.identity in taken:
            return self._plan
        if self._followed:
            for found in self._begun_since(max(known.mtime_ns for known in self._followed)):
                self._begin(found)
        if live is not None:
            self._begin(live)
        # Between the renaming and the creation of the next file, nothing can be written anywhere else.
        rotating = any(not step.tracked.retired and not step.gone for step in self._plan.steps)
        self._plan.absent = live is None and not rotating
        return self._plan

    def _find_again(self, known: Tracked) -> None:
        same = self._places.get(known.identity)
        if same is not None and known.identity in self._continued:
            if known.fingerprint_bytes == 0 and same is self._live:
                for found in self._begun_since(known.mtime_ns + 1):
                    self._begin(found)
            self._add(known, self._handles.open(same))
        elif known.retired:
            return
        elif (held := self._handles.held(known.identity)) is not None and same is None:
            self._plan.steps.append(Step(known, held, live=False, gone=True))
        elif (copy := self._copy_of(known)) is not None:
            self._add(replace(known, device=copy.identity[0], inode=copy.identity[1]), self._handles.open(copy))
        elif same is not None:
            self._plan.partial.append(
                f"{self._path} was truncated or rewritten: what stood in it after byte {known.offset} may be lost"
            )
        else:
            unread = known.size - known.offset
            amount = f"at least {unread} bytes of it" if unread > 0 else "what was appended since, if anything,"
            self._plan.lost.append(
                f"a file rotated from {self._path} was removed before it was read to its end: "
                f"{amount} after byte {known.offset} cannot be read any more"
            )

    def _copy_of(self, known: Tracked) -> Found | None:
        if known.fingerprint_bytes == 0:
            return None  # nothing was seen of it, so anything would look like its copy
        candidates = (found for found in self._beside if found.identity not in self._continued)
        return next((found for found in candidates if is_continued(known, self._handles.open(found))), None)

    def _begun_since(self, since_ns: int) -> list[Found]:
        known = {step.tracked.identity for step in self._plan.steps} | self._continued
        return sorted(
            (
                found
                for found in self._beside
                if found.identity not in known
                and found.mtime_ns >= since_ns
                and _ROTATED.fullmatch(found.path.removeprefix(self._path))
            ),
            key=lambda found: (found.mtime_ns, found.path),
        )

    def _begin(self, found: Found) -> None:
        self._add(Tracked(*found.identity, mtime_ns=found.mtime_ns), self._handles.open(found))

    def _add(self, tracked: Tracked, file: BinaryIO) -> None:
        live = self._live is not None and tracked.identity == self._live.identity
        self._plan.steps.append(Step(tracked, file, live))

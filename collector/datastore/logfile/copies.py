"""Which files hold nothing but what another begins with: copies of it, whose lines must not count again.

Who copies a log and then truncates it has the same lines in two files for a while; for ever, where the truncation does not follow: somebody was killed, or made a
backup. Lines that have no id are known by their file, so whoever read both files would count them twice.

Times say little of that: a log is written while it is copied, and a copy may keep the time of the log. Content does: a copy is what its original begins with.
Only where lines are all the same it tells nothing, since then files that were renamed, one after the other, begin alike, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from collector.datastore.logfile.contents import Content
from collector.datastore.logfile.handles import Handles
from collector.datastore.logfile.looks import Found, Identity
from collector.datastore.logfile.places import HEAD_BYTES
from collector.datastore.logfile.tracked import TAIL_BYTES, tells

_PORTION_BYTES = 1 << 20


def begins_with(original: Content, copy: Content) -> bool:
    """Whether a file begins with all that stands in another, as far as the first bytes and the last ones tell. Raises OSError."""
    head = copy.read(0, HEAD_BYTES)
    if original.read(0, len(head)) != head:
        return False
    if original.size is not None and copy.read(original.size, 1):
        return False
    size = _size(copy)
    if size <= len(head):
        return True
    start = max(size - TAIL_BYTES, 0)
    return original.read(start, size - start) == copy.read(start, size - start)


def _size(content: Content) -> int:
    """How much can be read of a file; of a compressed one that is not known before all of it is unpacked."""
    offset = 0
    while (size := content.size) is None:
        offset += len(content.read(offset, _PORTION_BYTES))
    return size


class Copies:
    """Tells copies among the files beside a log."""

    def __init__(
        self, handles: Handles, live: Found | None, others: Iterable[Found], followed: Collection[Identity]
    ) -> None:
        """``others`` are those beside the live one that are read, or were; ``followed`` is which of them are known for what they are."""
        self._handles, self._live, self._followed = handles, live, followed
        self._files = [*others, *([live] if live is not None else [])]
        self._heads: dict[Identity, bytes] = {}
        self._told: dict[Identity, tuple[Found, tuple[bool, bytes]]] = {}

    def original(self, found: Found) -> Found | None:
        """The file that this one is a copy of, if it is one beyond doubt. Raises OSError and RotatedMeanwhile."""
        original = self._original(found)
        # What is done next rests on this answer, and not on one that is found a moment later.
        self._told[found.identity] = found, self._answer(found, original)
        return original

    def may_be_begun(self, found: Found) -> bool:
        """Whether this may be a copy of the live file, and be so for all one can tell. Raises OSError and RotatedMeanwhile."""
        return self._may_be_begun(found)

    def stay(self) -> bool:
        """Whether what was told of files is so still: they may have been written, or their originals truncated, meanwhile. Raises OSError."""
        self._heads.clear()
        return all(self._answer(found, self._original(found)) == answer for found, answer in self._told.values())

    def _answer(self, found: Found, original: Found | None) -> tuple[bool, bytes]:
        """Whether a file may be a copy; and what stands in it, where that is too little to tell."""
        head = self._head(found)
        return original is not None or self._may_be_begun(found), b"" if tells(head) else head + b"."

    def _original(self, found: Found) -> Found | None:
        if found is self._live or not tells(self._head(found)):
            return None
        return next((each for each in self._files if self._is_copy(found, each)), None)

    def _may_be_begun(self, found: Found) -> bool:
        live = self._live
        return live is not None and found is not live and bool(self._head(found)) and self._is_copy(found, live)

    def _is_copy(self, found: Found, of: Found) -> bool:
        if of.identity == found.identity or not self._head(of).startswith(self._head(found)):
            return False
        original, copy = self._handles.open(of), self._handles.open(found)
        if not begins_with(original, copy):
            return False
        return self._rank(of) > self._rank(found) or not begins_with(copy, original)

    def _rank(self, found: Found) -> tuple[bool, bool, bool, int, int, str]:
        """Which of two files that have the same is the original: the one that is read already, or else one that can be read at once."""
        is_followed, is_live = found.identity in self._followed, found is self._live
        return is_followed, is_live, not found.is_packed, found.size, found.mtime_ns, found.path

    def _head(self, found: Found) -> bytes:
        if found.identity not in self._heads:
            self._heads[found.identity] = self._handles.open(found).read(0, HEAD_BYTES)
        return self._heads[found.identity]

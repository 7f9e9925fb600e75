"""Bytes as lines: complete ones only, and none that is too long.

Where a read ends has nothing to do with where a line ends. A line that is not complete yet stays unread, and the next
read begins with it, so however the bytes are cut into reads, the same lines come out. The exception is a line longer
than the limit: as soon as it is known to be, its head is given out and the rest is *skipped*, over as many reads as it
takes, so that no more than one read is ever held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A line without its end. ``offset`` is where it begins in the file; of one too long ``text`` is the head."""

    offset: int
    text: bytes
    too_long: bool = False


@dataclass(frozen=True)
class Cut:
    """What a read holds: its lines, where the next read begins, and whether that is inside a line to be skipped."""

    lines: list[Line]
    offset: int
    skipping: bool


def cut(chunk: bytes, offset: int, *, skipping: bool, line_bytes_max: int, lines_max: int) -> Cut:
    """The lines in the bytes of a file that begin at ``offset``; no more than ``lines_max``."""
    lines: list[Line] = []
    start = 0
    if skipping:
        end = chunk.find(b"\n")
        if end < 0:
            return Cut([], offset + len(chunk), True)
        start = end + 1
    while len(lines) < lines_max:
        end = chunk.find(b"\n", start)
        length = (end if end >= 0 else len(chunk)) - start
        too_long = length > line_bytes_max
        if end < 0 and not too_long:
            break
        text = chunk[start : start + min(length, line_bytes_max)]
        lines.append(Line(offset + start, text, too_long))
        if end < 0:
            return Cut(lines, offset + len(chunk), True)
        start = end + 1
    return Cut(lines, offset + start, False)

"""Bytes as lines: complete ones only, and none that is too long.

Where a read ends has nothing to do with where a line ends. A line that is not complete yet stays unread, and the next
read begins with it, so however the bytes are cut into reads, the same lines come out. The exception is a line longer
than the limit: as soon as it is known to be, its head is given out and the rest is *skipped*, over as many reads as it
takes, so that no more than one read is ever held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collector.datastore.layouts import Places

_LF = ord("\n")


@dataclass(frozen=True)
class Head:
    """The beginning of a line that is too long, which ``start`` is the place of in the read."""

    start: int
    text: bytes


@dataclass(frozen=True, eq=False)
class Cut:
    """What a read holds: where its lines start and end in it, without their line feeds, and those that are too long;
    where the next read begins, and whether that is inside a line to be skipped.
    """

    starts: Places
    ends: Places
    heads: tuple[Head, ...]
    offset: int
    skipping: bool

    @property
    def lines(self) -> int:
        """How many there are."""
        return len(self.starts) + len(self.heads)


def cut(chunk: bytes, offset: int, *, skipping: bool, line_bytes_max: int, lines_max: int) -> Cut:
    """The lines in the bytes of a file that begin at ``offset``; no more than ``lines_max``."""
    ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == _LF)
    start = 0
    if skipping:
        if not len(ends):
            return Cut(ends, ends, (), offset + len(chunk), True)
        start, ends = int(ends[0]) + 1, ends[1:]
    ends = ends[:lines_max]
    starts = np.concatenate([[start], ends + 1])
    rest, starts = int(starts[-1]), starts[:-1]
    long = ends - starts > line_bytes_max
    heads = [Head(at, chunk[at : at + line_bytes_max]) for at in starts[long].tolist()]
    starts, ends = starts[~long], ends[~long]
    if len(long) < lines_max and len(chunk) - rest > line_bytes_max:
        heads.append(Head(rest, chunk[rest : rest + line_bytes_max]))
        return Cut(starts, ends, tuple(heads), offset + len(chunk), True)
    return Cut(starts, ends, tuple(heads), offset + rest, False)

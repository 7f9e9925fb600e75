"""Moving old segments of the log to an archive.

A segment may go when it is finished, when the tables hold all of its records, and when a signed checkpoint covers it: then
nobody needs it day to day, and nobody can put another in its place. It is copied, checked group by group on the
way, and only then removed from the log. The archive, a directory on cheaper storage, stays part of the book: verifying,
rebuilding and backing up read it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ledger.journal.backup import copy_segment
from ledger.journal.disk import Disk
from ledger.journal.segment import is_name, position_of
from ledger.journal.store import write_durably
from meterbook.proof.merkle import Frontier

CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Archived:
    """What was done: segments copied to the archive, and those removed from the log."""

    copied: int
    removed: int


def archive_segments(disk: Disk, until: int, checkpoint: str, keep_bytes: int) -> Archived:
    """Archive the finished segments of ``disk`` whose records have positions up to ``until``; ``checkpoint`` covers those.

    As much of them as fits in ``keep_bytes`` stays in the log as well, the newest. Raises StoreDamaged where a segment is
    not what was written, OSError where the archive cannot be written.
    """
    assert disk.archive is not None, "the store has an archive"
    archive = Disk(disk.archive)
    finished = _finished(disk, until)
    held = set(archive.names())
    fresh = [name for name in finished if name not in held or _size(archive, name) < _size(disk, name)]
    for name in fresh:
        copy_segment(disk, archive, name, Frontier())
    if fresh:
        archive.sync()
        write_durably(disk.archive / CHECKPOINT, checkpoint)
    spare = _beyond(disk, finished, keep_bytes)
    if spare:
        # Until now the log could make the tables anew after a power cut: from here on their own files have to last.
        os.sync()
    for name in spare:
        disk.remove(name)
    disk.sync()
    return Archived(len(fresh), len(spare))


def _finished(disk: Disk, until: int) -> list[str]:
    """The segments in the log's own directory after which another begins, at a position of at most ``until`` + 1."""
    names = sorted(path.name for path in disk.directory.iterdir() if is_name(path.name))
    return [name for name, following in pairwise(names) if position_of(following) <= until + 1]


def _beyond(disk: Disk, names: list[str], keep_bytes: int) -> list[str]:
    """The oldest of ``names``, without those that fit in ``keep_bytes``."""
    sizes = [_size(disk, name) for name in names]
    return [name for place, name in enumerate(names) if sum(sizes[place:]) > keep_bytes]


def _size(disk: Disk, name: str) -> int:
    path: Path = disk.directory / name
    return path.stat().st_size

"""Copying a log: a backup while the ledger runs, the same backup brought up to date, and the way back.

Segments only grow, so a copy is a matter of reading on from where the last one ended. Nothing is copied unseen: every
group is read and checked against the tree first, and what is on its way to the disk just now is left for the next time.
The tables are not copied; they follow from the log.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ledger.journal import segment
from ledger.journal.disk import Disk, DiskFile, sync_directory
from ledger.journal.errors import StoreDamaged, StoreRefused
from ledger.journal.frames import BadFrame
from ledger.journal.segment import Group, Header
from ledger.journal.store import StoreDirectory, check_version, log_of
from meterbook.proof.merkle import Frontier


def back_up(store: Path, target: Path, *, with_keys: bool = False) -> Frontier:
    """Copy the log of a store, which may be in use, to another directory; gives the tree over what was copied.

    Raises StoreRefused and its kinds, OSError.
    """
    check_version(store)
    copy = StoreDirectory(target)
    try:
        frontier = Frontier()
        for reached in copy_log(log_of(store), Disk(copy.log)):
            frontier = reached
        if with_keys:
            _copy_keys(store / "keys", target / "keys")
    finally:
        copy.close()
    return frontier


def _copy_keys(source: Path, target: Path) -> None:
    target.mkdir(mode=0o700, exist_ok=True)
    for file in source.iterdir():
        descriptor = os.open(target / file.name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as copy:
            copy.write(file.read_bytes())
            copy.flush()
            os.fsync(descriptor)
    sync_directory(target)


def copy_log(source: Disk, target: Disk) -> Iterator[Frontier]:
    """Bring ``target`` up to ``source``; gives the tree over what was copied, after every segment.

    The target is empty or an earlier copy. Raises StoreDamaged where the source is, StoreRefused where the target holds
    something else, OSError where it cannot be written.
    """
    finished = frontier = Frontier()
    done: set[str] = set()
    if (held := segment.names_in(target)) and segment.names_in(source)[:1] > held[:1]:
        raise StoreRefused(f"{source.directory}: begins after the copy in {target.directory}; use another folder")
    names: list[str] = []
    # The last segment may be finished and the next one begun while it is copied.
    while names != (names := segment.names_in(source)):
        for name in names:
            if name not in done:
                frontier = copy_segment(source, target, name, finished, is_last=name == names[-1])
                if name != names[-1]:
                    finished = frontier
                    done.add(name)
                yield frontier
    target.sync()


def copy_segment(source: Disk, target: Disk, name: str, before: Frontier, *, is_last: bool = False) -> Frontier:
    """Bring one segment of ``target`` up to that of ``source``; gives the tree after it.

    ``before`` is the tree before it, if known. Raises what :func:`copy_log` raises.
    """
    reading = source.open(name)
    try:
        header, offset = segment.read_header(reading)
        if before.size and header.frontier != before:
            raise StoreDamaged(
                f"{reading.path}: does not follow from the segment before it; restore both from a backup"
            )
        writing = _continued(target, name, reading.read(0, offset))
        try:
            frontier, offset = _copied_before(writing, reading, header, offset)
            for group in _groups(reading, header.seed, frontier, offset, is_last):
                writing.append(reading.read(offset, group.end - offset))
                frontier, offset = group.frontier, group.end
            writing.sync()
        finally:
            writing.close()
    finally:
        reading.close()
    return frontier


def _continued(target: Disk, name: str, header: bytes) -> DiskFile:
    """The copy of a segment, which begins with ``header``."""
    if name in target.names():
        file = target.open(name, to_write=True)
        if file.read(0, len(header)) == header:
            return file
        size = file.size
        file.close()
        if size > len(header):
            raise StoreRefused(f"{file.path}: is a segment of another log; use another folder")
    file = target.create(name)
    file.append(header)
    return file


def _copied_before(writing: DiskFile, reading: DiskFile, header: Header, offset: int) -> tuple[Frontier, int]:
    """Where an earlier copy of the segment ended; a group that was cut off then is copied again."""
    frontier = header.frontier
    while offset < writing.size:
        try:
            group = segment.read_group(writing, offset, header.seed, frontier)
        except BadFrame:
            writing.truncate(offset)
            break
        if reading.size < group.end:
            raise StoreRefused(f"{writing.path}: the copy has more than {reading.path}; use another folder")
        frontier, offset = group.frontier, group.end
    return frontier, offset


def _groups(file: DiskFile, seed: int, frontier: Frontier, offset: int, is_last: bool) -> Iterator[Group]:
    while offset < file.size:
        try:
            group = segment.read_group(file, offset, seed, frontier)
        except BadFrame as error:
            if is_last and segment.is_cut_off(file, offset, seed, frontier.size + 1):
                # It is being written at this moment.
                return
            raise segment.damaged(file, offset, frontier.size + 1, error) from None
        yield group
        frontier, offset = group.frontier, group.end

"""The log in files of one machine: segments in a directory, and the promise that what was acknowledged stays.

A group is one write and one ``fdatasync``; only then are its futures resolved. A write that fails (disk full) is taken
back by truncating to the last durable byte, and its futures raise LogUnavailable. If a sync itself fails nobody can say
what is on the disk any more, since the kernel may have dropped the pages: the log then refuses every append until it is
opened, and thereby checked, again.

The newest groups are also kept in memory for a while: the materialiser, a moment behind, need not read or decode them.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress

from ledger.journal import segment
from ledger.journal.disk import Disk, DiskFile
from ledger.journal.errors import LogUnavailable, Overtaken, StoreDamaged
from ledger.journal.fence import admit
from ledger.journal.frames import BadFrame
from ledger.journal.grouping import GroupCommit
from ledger.journal.log import Known
from ledger.journal.record import NO_HEAD, Draft, Head
from ledger.journal.segment import Group, Header
from ledger.journal.segmentreader import SegmentReader, Segments
from ledger.journal.tail import Tail
from meterbook.proof.merkle import Frontier
from meterbook.wire.instants import now_us

SEGMENT_BYTES = 64 << 20


class EmbeddedLog:
    """An opened log; see :class:`ledger.journal.log.Log`. Raises StoreDamaged where acknowledged bytes are not what they were."""

    def __init__(self, disk: Disk, known: Known | None = None, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._disk = disk
        self._place = str(disk.directory)
        self._segment_bytes = segment_bytes
        self._changed = threading.Condition()
        self._failed: str | None = None
        self._file: DiskFile | None = None
        self._heads: dict[str, Head] = {}
        self._frontier = Frontier()
        self._time_us = self._size = self._seed = 0
        self._tail = Tail()
        self._segments = Segments(disk)
        try:
            self._recover(known or Known())
        except BaseException:
            if self._file is not None:
                self._file.close()
            raise
        self._groups = GroupCommit(self._commit, self._place)

    @property
    def frontier(self) -> Frontier:
        """The tree over all durable records."""
        return self._frontier

    @property
    def end(self) -> int:
        """Position of the last durable record; 0 for none."""
        return self._frontier.size

    def append(self, draft: Draft) -> Future[int]:
        """A future that gives the record's position once it is durable, or raises Overtaken, LogUnavailable."""
        return self._groups.append(draft)

    def head(self, chain: str) -> Head:
        """The last durable record of a chain."""
        return self._heads.get(chain, NO_HEAD)

    def refresh(self) -> int:
        """The log's end: nobody else moves it."""
        return self.end

    def wait_past(self, position: int, timeout_s: float) -> int:
        """Wait until the log ends after ``position`` or the time is up; gives the end."""
        with self._changed:
            self._changed.wait_for(lambda: self.end > position, timeout_s)
        return self.end

    def reader(self, after: int = 0, *, stored: bool = False) -> SegmentReader:
        """A reader of what follows position ``after``; with ``stored`` only from the files. Raises StoreDamaged."""
        return SegmentReader(self._segments, Tail() if stored else self._tail, lambda: self.end, after)

    def applied(self, position: int) -> None:
        """The tables have everything up to ``position``: it need not be kept in memory."""
        self._tail.drop(position)

    def close(self) -> None:
        """Write what waits, then stop. Safe to call twice."""
        self._groups.close()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _recover(self, known: Known) -> None:
        """Read what the tables have not seen, cut off what a crash left, and stand at the end."""
        self._heads = dict(known.heads)
        if not self._segments.found():
            if known.position:
                raise self._lost(known)
            self._open_segment()
            return
        first = self._segments.first
        if first > known.position + 1:
            raise StoreDamaged(
                f"{self._place}: records {known.position + 1} to {first - 1} are missing; restore their segments from "
                "the archive or a backup"
            )
        # From the segment before the last at least: it must be whole, since a later one was begun.
        for name in self._segments.since(min(known.position + 1, self._segments.last)):
            self._recover_segment(name, known)
        if self.end < known.position:
            raise self._lost(known)
        # What a killed process wrote may still be only in memory: make it durable before anybody relies on it.
        assert self._file is not None
        self._file.sync()

    def _recover_segment(self, name: str, known: Known) -> None:
        is_last = name == self._segments.names[-1]
        file = self._disk.open(name, to_append=is_last)
        if is_last:
            self._file = file
        header, offset = segment.read_header(file)
        if self._frontier.size and header.frontier != self._frontier:
            raise StoreDamaged(f"{file.path}: does not follow from the segment before it; restore both from a backup")
        self._frontier, self._time_us, self._seed, self._size = header.frontier, header.time_us, header.seed, offset
        try:
            while self._size < file.size:
                self._advance(segment.read_group(file, self._size, self._seed, self._frontier), known.position)
        except BadFrame as error:
            if not is_last or not segment.is_cut_off(file, self._size, self._seed, self.end + 1):
                raise StoreDamaged(
                    f"{file.path}: the group at byte {self._size}, position {self.end + 1}, is damaged ({error}); "
                    "restore the file from a backup"
                ) from None
            if self.end < known.position:
                raise self._lost(known) from None
            file.truncate(self._size)
        finally:
            if not is_last:
                file.close()

    def _advance(self, group: Group, known_position: int) -> None:
        for record in group.records:
            if record.position > known_position:
                draft = record.draft
                self._heads[draft.chain] = Head(draft.sequence, draft.hash, record.position)
        self._frontier, self._time_us, self._size = group.frontier, group.time_us, group.end

    def _lost(self, known: Known) -> StoreDamaged:
        return StoreDamaged(
            f"{self._place}: the log ends at position {self.end}, but the tables have seen {known.position}; records "
            "that were acknowledged are missing: restore the log from a backup"
        )

    def _open_segment(self) -> None:
        # The seed is never to be guessed by those whose payloads stand in the segment.
        header = Header(self._frontier, self._time_us, secrets.randbits(32))
        name, data = segment.name_of(header.position), segment.pack_header(header)
        file = self._disk.create(name)
        try:
            file.append(data)
            file.sync()
            self._disk.sync()
        except BaseException:
            file.close()
            with suppress(OSError):
                self._disk.remove(name)
            raise
        if self._file is not None:
            self._file.close()
        self._file, self._size, self._seed = file, len(data), header.seed
        self._segments.begin(name)

    def _commit(self, offered: Sequence[Draft]) -> Sequence[int | Overtaken]:
        admitted = admit(offered, self._heads, self.end + 1)
        if admitted.drafts:
            try:
                group = self._write(admitted.drafts)
            except OSError as error:
                raise LogUnavailable(
                    f"{self._place}: cannot be written ({error.strerror}); free space or repair the disk"
                ) from error
            self._heads.update(admitted.heads)
            self._tail.add(self._segments.names[-1], group)
            with self._changed:
                self._frontier, self._time_us, self._size = group.frontier, group.time_us, group.end
                self._changed.notify_all()
        return admitted.outcomes

    def _write(self, drafts: list[Draft]) -> Group:
        assert self._file is not None
        if self._failed is None and not self._file.has_name:
            # Written bytes would go with this process: a file without a name is nobody's book.
            self._failed = "its files were deleted; restore them from a backup and restart the ledger"
        if self._failed is not None:
            raise OSError(0, self._failed)
        if self._size >= self._segment_bytes:
            self._open_segment()
        group = segment.group_of(drafts, self._frontier, max(self._time_us, now_us()))
        data = segment.pack_group(group, self._seed)
        try:
            self._file.append(data)
        except BaseException:
            self._take_back()
            raise
        try:
            self._file.sync()
        except OSError as error:
            self._failed = f"a sync failed earlier: {error.strerror}; restart the ledger"
            raise
        return Group(group.records, group.frontier, self._size + len(data))

    def _take_back(self) -> None:
        assert self._file is not None
        try:
            self._file.truncate(self._size)
        except OSError as error:
            self._failed = f"a failed write could not be taken back: {error.strerror}; restart the ledger"

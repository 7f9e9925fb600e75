"""The log in files of one machine: segments in a directory, and the promise that what was acknowledged stays.

A group is one write and one ``fdatasync``; only then are its futures resolved. A write that fails (disk full) is taken
back by truncating to the last durable byte, and its futures raise LogUnavailable. If a sync itself fails nobody can say
what is on the disk any more, since the kernel may have dropped the pages: the log then refuses every append until it is
opened, and thereby checked, again. Opening writes the last group once more, since the kernel may still show it though
the disk does not have it.
"""

from __future__ import annotations

import errno
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

from ledger.journal import segment
from ledger.journal.disk import Disk, DiskFile
from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.fence import admit
from ledger.journal.frames import BadFrame
from ledger.journal.grouping import GROUP_BYTES_MAX, GroupCommit, Outcomes
from ledger.journal.log import Known
from ledger.journal.record import NO_HEAD, Draft, Head
from ledger.journal.segment import Group, Header
from ledger.journal.segmentreader import SegmentReader, Segments
from meterbook.proof.merkle import Frontier
from meterbook.wire.instants import now_us

SEGMENT_BYTES = 64 << 20

Gather = Callable[[Callable[[Sequence[Draft]], Outcomes], str], GroupCommit]


class EmbeddedLog:
    """An opened log; see :class:`ledger.journal.log.Log`. Raises StoreDamaged where acknowledged bytes are not what they were.

    ``gather`` makes what puts drafts into groups, ``clock`` tells the time in microseconds.
    """

    def __init__(
        self,
        disk: Disk,
        known: Known | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        gather: Gather = GroupCommit,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._disk = disk
        self._clock = clock
        self._place = str(disk.directory)
        self._segment_bytes = segment_bytes
        self._changed = threading.Condition()
        self._failed: str | None = None
        self._file: DiskFile | None = None
        self._heads: dict[str, Head] = {}
        self._frontier = Frontier()
        self._time_us = self._size = self._seed = 0
        self._segments = Segments(disk)
        try:
            self._recover(known or Known())
        except BaseException:
            self._close_file()
            raise
        self._groups = gather(self._commit, self._place)

    @property
    def frontier(self) -> Frontier:
        """The tree over all durable records."""
        return self._frontier

    @property
    def end(self) -> int:
        """Position of the last durable record; 0 for none."""
        return self._frontier.size

    @property
    def files(self) -> Disk:
        """The disk, which others may read up to the log's end."""
        return self._disk

    def append(self, draft: Draft) -> Future[int]:
        """A future that gives the record's position once it is durable, or raises Overtaken, LogUnavailable."""
        return self._groups.append(draft)

    def head(self, chain: str) -> Head:
        """The last durable record of a chain."""
        return self._heads.get(chain, NO_HEAD)

    def refresh(self) -> int:
        """The log's end: nobody else moves it."""
        return self.end

    def check(self) -> None:
        """That a group can be written just now. Raises LogUnavailable."""
        try:
            if self._failed is not None:
                raise OSError(0, self._failed)
            self._disk.check(GROUP_BYTES_MAX)
        except OSError as error:
            raise self._unwritable(error) from error

    def wait_past(self, position: int, timeout_s: float) -> int:
        """Wait until the log ends after ``position`` or the time is up; gives the end."""
        with self._changed:
            self._changed.wait_for(lambda: self.end > position, timeout_s)
        return self.end

    def reader(self, after: int = 0, *, stored: bool = False) -> SegmentReader:
        """A reader of what follows position ``after``, always from the files. Raises StoreDamaged."""
        return SegmentReader(self._segments, lambda: self.end, after)

    def applied(self, position: int) -> None:
        """Nothing is kept for the tables: what was written just now is still in the kernel's cache."""

    def close(self) -> None:
        """Write what waits, then stop. Safe to call twice."""
        self._groups.close()
        with self._changed:
            self._close_file()

    def _recover(self, known: Known) -> None:
        """Read what the tables have not seen, cut off what a crash left, and stand at the end."""
        self._heads = dict(known.heads)
        self._segments.find()
        if self._segments.names:
            self._read(known)
        if self.end < known.position:
            raise self._lost(known)
        if self._segments.unfinished not in (None, segment.name_of(self.end + 1)):
            raise StoreDamaged(
                f"{self._place}: the log ends at position {self.end}, but {self._segments.unfinished} was begun; "
                "restore the log from a backup"
            )
        if self._file is None or self._segments.unfinished:
            self._open_segment()

    def _read(self, known: Known) -> None:
        first = self._segments.first
        if first > known.position + 1:
            raise StoreDamaged(
                f"{self._place}: records {known.position + 1} to {first - 1} are missing; restore their segments from "
                "the archive or a backup"
            )
        # What stands in earlier segments was durable before the next one was begun.
        *whole, last = self._segments.since(min(known.position + 1, self._segments.last))
        for name in whole:
            file = self._disk.open(name)
            try:
                self._begin_reading(file, is_first=name == whole[0])
                self._read_groups(file, known, is_last=False)
            finally:
                file.close()
        self._file = self._disk.open(last, to_write=True)
        doubtful = self._begin_reading(self._file, is_first=not whole)
        doubtful = self._read_groups(self._file, known, is_last=not self._segments.unfinished) or doubtful
        # It may be on the disk, or only in memory, from where no sync would write it: not after one that failed.
        self._file.rewrite(self._size - len(doubtful), doubtful)
        self._file.sync()
        self._disk.sync()

    def _begin_reading(self, file: DiskFile, *, is_first: bool) -> bytes:
        """Stand behind the header of a segment; gives its bytes."""
        header, offset = segment.read_header(file)
        if not is_first and header.frontier != self._frontier:
            raise StoreDamaged(f"{file.path}: does not follow from the segment before it; restore both from a backup")
        self._frontier, self._time_us, self._seed, self._size = header.frontier, header.time_us, header.seed, offset
        return segment.pack_header(header)

    def _read_groups(self, file: DiskFile, known: Known, *, is_last: bool) -> bytes:
        """Read a segment to its end, cut off what a crash left there; gives the bytes of the last group."""
        group: Group | None = None
        try:
            while self._size < file.size:
                group = segment.read_group(file, self._size, self._seed, self._frontier)
                self._advance(group, known.position)
        except BadFrame as error:
            if not is_last or not segment.is_cut_off(file, self._size, self._seed, self.end + 1):
                raise segment.damaged(file, self._size, self.end + 1, error) from None
            if self.end < known.position:
                raise self._lost(known) from None
            file.truncate(self._size)
        return segment.pack_group(group, self._seed) if group else b""

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
        before, self._file, self._size, self._seed = self._file, file, len(data), header.seed
        self._segments.begin(name)
        if before is not None:
            before.close()

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _commit(self, offered: Sequence[Draft]) -> Outcomes:
        admitted = admit(offered, self._heads, self.end + 1)
        if admitted.drafts:
            try:
                group = self._write(admitted.drafts)
            except OSError as error:
                raise self._unwritable(error) from error
            self._heads.update(admitted.heads)
            with self._changed:
                self._frontier, self._time_us, self._size = group.frontier, group.time_us, group.end
                self._changed.notify_all()
        return admitted.outcomes

    def _unwritable(self, error: OSError) -> LogUnavailable:
        crowded = error.errno in (errno.EMFILE, errno.ENFILE)
        advice = "raise the limit of open files" if crowded else "free space or repair the disk"
        return LogUnavailable(f"{self._place}: cannot be written ({error.strerror}); {advice}")

    def _write(self, drafts: list[Draft]) -> Group:
        assert self._file is not None
        if self._failed is None and not self._file.has_name:
            # Written bytes would go with this process: a file without a name is nobody's book.
            self._failed = "its files were deleted; restore them from a backup and restart the ledger"
        if self._failed is not None:
            raise OSError(0, self._failed)
        # Never in place of one that has no record yet, and would have the same name.
        if self._size >= self._segment_bytes and self.end >= self._segments.last:
            self._open_segment()
        group = segment.group_of(drafts, self._frontier, max(self._time_us, self._clock()))
        data = segment.pack_group(group, self._seed)
        try:
            self._file.append(data)
        except BaseException:
            self._take_back()
            raise
        try:
            self._file.sync()
        except BaseException as error:
            self._failed = f"a sync failed earlier ({error}); restart the ledger"
            raise
        return Group(group.records, group.frontier, self._size + len(data))

    def _take_back(self) -> None:
        assert self._file is not None
        try:
            self._file.truncate(self._size)
        except OSError as error:
            self._failed = f"a failed write could not be taken back: {error.strerror}; restart the ledger"

"""The log: segments of records in commit order, and the promise that what was acknowledged stays.

Appends from all threads queue up; one thread writes whatever has gathered as a group, calls ``fdatasync`` once, and
only then resolves their futures. Under load the group grows by itself while the disk is busy, so thousands of
appends share one sync without any waiting on purpose.

A write that fails (disk full) is taken back by truncating to the last durable byte, and its futures raise
LogUnavailable. If a sync itself fails nobody can say what is on the disk any more, since the kernel may have dropped
the pages: the log then refuses every append until it is opened, and thereby checked, again. Whatever else goes wrong,
every future is settled: somebody waits for each of them.
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from ledger.journal import frames, segment
from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.frames import Kind, Record
from ledger.journal.segment import Header, Start
from ledger.journal.store import sync_directory
from meterbook.wire.instants import now_us

SEGMENT_BYTES = 64 << 20
GROUP_BYTES_MAX = 16 << 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cursor:
    """A place to read on from: a byte of a segment, and what is expected there."""

    path: Path
    offset: int
    start: Start


@dataclass(frozen=True)
class Committed:
    """Where and when a record was made durable. Without the payload, which nobody should keep alive by keeping this."""

    position: int
    time_us: int


@dataclass
class _Append:
    kind: Kind
    payload: bytes
    after: Future[Committed] | None
    future: Future[Committed]


class Log:
    """An opened log. Raises StoreDamaged where acknowledged bytes are not what they were.

    ``settled`` is a position that others know to have been durable: a log that ends before it is refused, untouched.
    """

    def __init__(self, directory: Path, segment_bytes: int = SEGMENT_BYTES, settled: int = 0) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._failed: str | None = None
        self._closed = False
        self._closing = threading.Lock()
        self._time_us = 0
        self._changed = threading.Condition()
        self._fd = -1
        self._segments = _segments(directory)
        try:
            self._open_last(settled)
        except BaseException:
            if self._fd >= 0:
                os.close(self._fd)
            raise
        self._thread = threading.Thread(target=self._commit_groups, name="log", daemon=True)
        self._thread.start()

    @property
    def end(self) -> int:
        """Position of the last durable record; 0 for none."""
        return self._next.position - 1

    @property
    def head(self) -> bytes:
        """Head of the log after its last durable record."""
        return self._next.head

    def append(self, kind: Kind, payload: bytes, after: Future[Committed] | None = None) -> Future[Committed]:
        """A future that gives the record's position once it is durable, or raises LogUnavailable. It cannot be cancelled.

        ``after`` is an earlier append without which this one makes no sense: where that failed, this one does too.
        """
        future: Future[Committed] = Future()
        # Whoever stops waiting cancels the future it awaits. The record is written all the same.
        future.set_running_or_notify_cancel()
        if len(payload) > frames.PAYLOAD_BYTES_MAX:
            raise ValueError(f"payload of {len(payload)} bytes is over {frames.PAYLOAD_BYTES_MAX}")
        with self._closing:
            if self._closed:
                future.set_exception(LogUnavailable(f"{self._directory}: the log is closed; start the ledger again"))
            else:
                self._queue.put(_Append(kind, payload, after, future))
        return future

    def wait_past(self, position: int, timeout_s: float) -> int:
        """Wait until the log ends after ``position`` or the time is up; gives the end."""
        with self._changed:
            self._changed.wait_for(lambda: self.end > position, timeout_s)
        return self.end

    def cursor(self, after: int) -> Cursor:
        """Where the record after position ``after`` begins or will begin."""
        path, start = next(
            (place for place in reversed(self._segments) if place[1].position <= after + 1), self._segments[0]
        )
        cursor = Cursor(path, segment.HEADER_BYTES, start)
        for _, cursor_after in self.read(cursor, after):
            cursor = cursor_after
        return cursor

    def read(self, since: Cursor, until: int | None = None) -> Iterator[tuple[Record, Cursor]]:
        """Durable records from ``since`` to position ``until``, each with the cursor that follows it."""
        until = self.end if until is None else min(until, self.end)
        cursor = since
        while cursor.start.position <= until:
            for place in segment.read(cursor.path, cursor.start, cursor.offset):
                record = place.record
                cursor = Cursor(cursor.path, place.end, Start(record.position + 1, record.head))
                yield record, cursor
                if record.position >= until:
                    return
            cursor = self._next_segment(cursor)

    def close(self) -> None:
        """Write what is queued, then stop. Safe to call twice."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        os.close(self._fd)

    def _next_segment(self, cursor: Cursor) -> Cursor:
        for path, start in self._segments:
            if start.position == cursor.start.position and path != cursor.path:
                if start.head != cursor.start.head:
                    raise StoreDamaged(f"{path}: does not follow from {cursor.path.name}; restore both from a backup")
                return Cursor(path, segment.HEADER_BYTES, start)
        raise StoreDamaged(
            f"{cursor.path}: ends before position {cursor.start.position}, which the log holds; restore it from a backup"
        )

    def _open_last(self, settled: int) -> None:
        self._next, end = Start(1, frames.GENESIS_HEAD), 0
        if self._segments:
            end, self._next = segment.sound_end(*self._segments[-1])
        if self.end < settled:
            raise StoreDamaged(
                f"{self._directory}: the log ends at position {self.end}, but the tables have seen {settled}; records "
                "that were acknowledged are missing: restore the log from a backup"
            )
        if not self._segments:
            self._open_segment()
            return
        path = self._segments[-1][0]
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._size, self._seed = end, segment.read_header(path).seed
        if os.fstat(self._fd).st_size > end:
            os.ftruncate(self._fd, end)
        # What a killed process wrote may still be only in memory: make it durable before anybody relies on it.
        os.fsync(self._fd)
        # From the segment before, since the last may have no record yet and time must not fall.
        path, start = self._segments[-2:][0]
        for record, _ in self.read(Cursor(path, segment.HEADER_BYTES, start)):
            self._time_us = record.time_us

    def _open_segment(self) -> None:
        path = segment.path_of(self._directory, self._next.position)
        # Never to be guessed by those whose payloads stand in the segment: see "After a crash" in FORMAT.md.
        seed = secrets.randbits(32)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, segment.pack_header(Header(self._next, seed)))
            os.fsync(descriptor)
            sync_directory(self._directory)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._seed = descriptor, segment.HEADER_BYTES, seed
        self._segments = [*self._segments, (path, self._next)]

    def _commit_groups(self) -> None:
        while (first := self._queue.get()) is not None:
            group, size, stop = [first], len(first.payload), False
            while size < GROUP_BYTES_MAX and not self._queue.empty():
                item = self._queue.get()
                if item is None:
                    stop = True
                    break
                group.append(item)
                size += len(item.payload)
            self._commit(group)
            if stop:
                return

    def _commit(self, queued: list[_Append]) -> None:
        group = []
        for item in queued:
            # The queue keeps order, so what an append depends on is settled by now or stands in this very group.
            if item.after is not None and item.after.done() and (fault := item.after.exception()):
                item.future.set_exception(fault)
            else:
                group.append(item)
        if not group:
            return
        try:
            records = self._write(group)
        except Exception as error:
            logger.exception("a group of %d records could not be written", len(group))
            unavailable = LogUnavailable(
                f"{self._directory}: cannot be written ({_reason(error)}); free space or repair the disk"
            )
            for item in group:
                item.future.set_exception(unavailable)
            return
        for item, record in zip(group, records, strict=True):
            item.future.set_result(Committed(record.position, record.time_us))

    def _write(self, group: list[_Append]) -> list[Record]:
        if self._failed is not None:
            raise OSError(0, self._failed)
        if os.fstat(self._fd).st_nlink == 0:
            # Written bytes would go with this process: a file without a name is nobody's book.
            self._failed = "its files were deleted; restore them from a backup and restart the ledger"
            raise OSError(0, self._failed)
        if self._size >= self._segment_bytes and self._size > segment.HEADER_BYTES:
            self._open_segment()
        records, following = self._number(group)
        data = b"".join(frames.pack(record, self._seed) for record in records)
        try:
            _write_all(self._fd, data)
        except BaseException:
            self._take_back()
            raise
        try:
            os.fdatasync(self._fd)
        except BaseException as error:
            self._failed = f"a sync failed earlier: {_reason(error)}; restart the ledger"
            raise
        self._size += len(data)
        with self._changed:
            self._time_us, self._next = records[-1].time_us, following
            self._changed.notify_all()
        return records

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._fd, self._size)
        except OSError as error:
            self._failed = f"a failed write could not be taken back: {error.strerror}; restart the ledger"

    def _number(self, group: list[_Append]) -> tuple[list[Record], Start]:
        position, head, settled = self._next.position, self._next.head, self.end
        records = []
        for item in group:
            time_us = self._time_us = max(self._time_us, now_us())
            head = frames.next_head(head, item.kind, position, time_us, item.payload)
            records.append(Record(item.kind, position, time_us, settled, head, item.payload))
            position += 1
        return records, Start(position, head)


def _write_all(descriptor: int, data: bytes) -> None:
    """Write everything: a disk that fills up may take only a part, and say so by a smaller number."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _reason(error: BaseException) -> str:
    return (isinstance(error, OSError) and error.strerror) or repr(error)


def _segments(directory: Path) -> list[tuple[Path, Start]]:
    paths = sorted(directory.glob(f"*{segment.SUFFIX}"))
    if paths and _is_unfinished(paths[-1]):
        paths.pop().unlink()
    found = [(path, segment.read_header(path).start) for path in paths]
    if found and found[0][1].position != 1:
        raise StoreDamaged(f"{directory}: the first segment, position 1, is missing; restore it from a backup")
    return found


def _is_unfinished(path: Path) -> bool:
    """Whether the crash came while this segment, the last, was made, so that no record was ever written to it."""
    if path.stat().st_size > segment.HEADER_BYTES:
        return False
    try:
        segment.read_header(path)
    except StoreDamaged:
        return True
    return False

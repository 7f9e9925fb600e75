"""The log: segments of records in commit order, and the promise that what was acknowledged stays.

Appends from all threads queue up; one thread writes whatever has gathered as a group, calls ``fdatasync`` once, and
only then resolves their futures. Under load the group grows by itself while the disk is busy, so thousands of
appends share one sync without any waiting on purpose.

A write that fails (disk full) is taken back by truncating to the last durable byte, and its futures raise
LogUnavailable. If ``fdatasync`` itself fails nobody can say what is on the disk any more, since the kernel may have dropped
the pages: the log then refuses every append until it is opened, and thereby checked, again.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from ledger.journal import frames, segment
from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.frames import Kind, Record
from ledger.journal.segment import Start
from ledger.journal.store import sync_directory
from meterbook.wire.instants import now_us

SEGMENT_BYTES = 64 << 20
GROUP_BYTES_MAX = 16 << 20


@dataclass(frozen=True)
class Cursor:
    """A place to read on from: a byte of a segment, and what is expected there."""

    path: Path
    offset: int
    start: Start


@dataclass
class _Append:
    kind: Kind
    payload: bytes
    after: Future[Record] | None
    future: Future[Record]


class Log:
    """An opened log. Raises StoreDamaged where acknowledged bytes are not what they were."""

    def __init__(self, directory: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._failed: str | None = None
        self._time_us = 0
        self._changed = threading.Condition()
        self._segments = _segments(directory)
        if self._segments:
            self._open_last()
        else:
            self._next = Start(1, frames.GENESIS_HEAD)
            self._open_segment()
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

    def append(self, kind: Kind, payload: bytes, after: Future[Record] | None = None) -> Future[Record]:
        """A future that gives the record once it is durable, or raises LogUnavailable.

        ``after`` is an earlier append without which this one makes no sense: where that failed, this one does too.
        """
        future: Future[Record] = Future()
        if len(payload) > frames.PAYLOAD_BYTES_MAX:
            raise ValueError(f"payload of {len(payload)} bytes is over {frames.PAYLOAD_BYTES_MAX}")
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
        if self._thread.is_alive():
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

    def _open_last(self) -> None:
        path, start = self._segments[-1]
        end, self._next = segment.sound_end(path, start)
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        if os.fstat(self._fd).st_size > end:
            os.ftruncate(self._fd, end)
        # What a killed process wrote may still be only in memory: make it durable before anybody relies on it.
        os.fsync(self._fd)
        self._size = end
        for record, _ in self.read(Cursor(path, segment.HEADER_BYTES, start)):
            self._time_us = record.time_us

    def _open_segment(self) -> None:
        path = segment.path_of(self._directory, self._next.position)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, segment.pack_header(self._next))
            os.fsync(descriptor)
            sync_directory(self._directory)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        if self._segments:
            os.close(self._fd)
        self._fd, self._size = descriptor, segment.HEADER_BYTES
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
        except OSError as error:
            unavailable = LogUnavailable(
                f"{self._directory}: cannot be written ({error.strerror}); free space or repair the disk"
            )
            for item in group:
                item.future.set_exception(unavailable)
            return
        for item, record in zip(group, records, strict=True):
            item.future.set_result(record)

    def _write(self, group: list[_Append]) -> list[Record]:
        if self._failed is not None:
            raise OSError(0, self._failed)
        if self._size >= self._segment_bytes:
            self._open_segment()
        records, following = self._number(group)
        data = b"".join(map(frames.pack, records))
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            self._take_back()
            raise
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._failed = f"a sync failed earlier: {error.strerror}; restart the ledger"
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


def _segments(directory: Path) -> list[tuple[Path, Start]]:
    paths = sorted(directory.glob(f"*{segment.SUFFIX}"))
    if paths and paths[-1].stat().st_size < segment.HEADER_BYTES:
        # The crash came while this segment was made: its first record was never written.
        paths.pop().unlink()
    found = [(path, segment.read_start(path)) for path in paths]
    if found and found[0][1].position != 1:
        raise StoreDamaged(f"{directory}: the first segment, position 1, is missing; restore it from a backup")
    return found

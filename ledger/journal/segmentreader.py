"""Reading the segments of a directory in order, and the list of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ledger.journal import segment
from ledger.journal.disk import Disk, DiskFile
from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.frames import BadFrame
from ledger.journal.record import Record
from ledger.journal.segment import Group, position_of
from meterbook.proof.merkle import Frontier


class Segments:
    """The segments of a log by name, which is the order of their positions. Replaced whole, never changed in place."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.names: list[str] = []
        #: The one that a crash left half made; it holds nothing, but says that the one before it is whole.
        self.unfinished: str | None = None

    def find(self) -> None:
        """Look what there is."""
        self.names = segment.names_in(self.disk)
        if self.names:
            file = self.disk.open(self.names[-1])
            try:
                if segment.is_unfinished(file):
                    self.unfinished = self.names.pop()
            finally:
                file.close()

    @property
    def first(self) -> int:
        """Position of the first record that is kept."""
        return position_of(self.names[0])

    @property
    def last(self) -> int:
        """Position with which the last segment begins."""
        return position_of(self.names[-1])

    def since(self, position: int) -> list[str]:
        """The segment with a position, and those after it."""
        return self.names[max(0, bisect_right(self.names, segment.name_of(position)) - 1) :]

    def begin(self, name: str) -> None:
        """One more at the end."""
        self.names = [*self.names, name]


class SegmentReader:
    """A place in the log that moves forward; see :class:`ledger.journal.log.Reader`. For one thread."""

    def __init__(self, segments: Segments, end: Callable[[], int], after: int) -> None:
        self._segments, self._end = segments, end
        self._file: DiskFile | None = None
        self._name = ""
        self._left: list[Record] = []
        with _readable(segments.disk):
            self._edge, self._offset = self._open(segments.since(after + 1)[0])
        self.frontier = self._edge
        try:
            self._skip(after)
        except BaseException:
            self.close()
            raise

    def read(self, bytes_max: int) -> list[Record]:
        """The records that follow, whole groups until their payloads have ``bytes_max``.

        Raises StoreDamaged, LogUnavailable; what was read until then is read again the next time.
        """
        records, self._left = self._left, []
        size = sum(len(record.payload) for record in records)
        try:
            while size < bytes_max and self._edge.size < self._end():
                found = self._next()
                records += found
                size += sum(len(record.payload) for record in found)
        except BaseException:
            self._left = records
            raise
        self.frontier = self._edge
        return records

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _skip(self, after: int) -> None:
        if self._edge.size > after:
            raise StoreDamaged(
                f"{self._segments.disk.directory}: records {after + 1} to {self._edge.size} are missing; restore their "
                "segments from the archive or a backup"
            )
        while self._edge.size < after:
            before, records = self._edge, self._next()
            skipped = [record.leaf for record in records if record.position <= after]
            self._left = records[len(skipped) :]
            self.frontier = before.appended(skipped)

    def _next(self) -> list[Record]:
        with _readable(self._segments.disk):
            group = self._next_group()
        self._edge, self._offset = group.frontier, group.end
        return list(group.records)

    def _next_group(self) -> Group:
        if self._file is None:
            self._open(self._name)
        assert self._file is not None
        if self._offset >= self._file.size:
            self._next_segment()
        try:
            return segment.read_group(self._file, self._offset, self._seed, self._edge)
        except BadFrame as error:
            raise segment.damaged(self._file, self._offset, self._edge.size + 1, error) from None

    def _next_segment(self) -> None:
        assert self._file is not None
        path = self._file.path
        name = segment.name_of(self._edge.size + 1)
        if name not in self._segments.names:
            # Where another process writes the log, it may have begun it since.
            self._segments.find()
        if name not in self._segments.names:
            raise StoreDamaged(
                f"{path}: ends before position {self._edge.size + 1}, which the log holds; restore it from a backup"
            )
        edge, offset = self._open(name)
        if edge != self._edge:
            raise StoreDamaged(f"{self._file.path}: does not follow from {path.name}; restore both from a backup")
        self._offset = offset

    def _open(self, name: str) -> tuple[Frontier, int]:
        """Open a segment in place of the one that is open; gives the edge before it and where its first group is."""
        try:
            file = self._segments.disk.open(name)
        except FileNotFoundError:
            raise StoreDamaged(
                f"{self._segments.disk.directory / name}: the segment is gone; restore the file from a backup"
            ) from None
        try:
            header, offset = segment.read_header(file)
        except BaseException:
            file.close()
            raise
        self.close()
        self._file, self._name, self._seed = file, name, header.seed
        return header.frontier, offset


def reader_of(disk: Disk, end: Callable[[], int], after: int) -> SegmentReader:
    """A reader of a log that another process writes and says the end of. Raises StoreDamaged, LogUnavailable."""
    segments = Segments(disk)
    with _readable(disk):
        segments.find()
    return SegmentReader(segments, end, after)


@contextmanager
def _readable(disk: Disk) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LogUnavailable(
            f"{disk.directory}: cannot be read ({error.strerror}); try again, and repair the disk if that stays so"
        ) from error

"""Reading the segments of a directory in order, and the list of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from ledger.journal import segment
from ledger.journal.disk import Disk, DiskFile
from ledger.journal.errors import StoreDamaged
from ledger.journal.frames import BadFrame
from ledger.journal.record import Record
from ledger.journal.segment import SUFFIX, Group
from ledger.journal.tail import Tail
from meterbook.proof.merkle import Frontier


class Segments:
    """The segments of a log by name, which is the order of their positions. Replaced whole, never changed in place."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.names: list[str] = []

    def found(self) -> bool:
        """Look what there is. The last one goes if the crash came while it was made, before anything was in it."""
        names = [name for name in self.disk.names() if name.endswith(SUFFIX)]
        if names and self._is_unfinished(names[-1]):
            self.disk.remove(names.pop())
        self.names = names
        return bool(names)

    @property
    def first(self) -> int:
        """Position of the first record that is kept."""
        return _position(self.names[0])

    @property
    def last(self) -> int:
        """Position with which the last segment begins."""
        return _position(self.names[-1])

    def since(self, position: int) -> list[str]:
        """The segment with a position, and those after it."""
        return self.names[max(0, bisect_right(self.names, segment.name_of(position)) - 1) :]

    def begin(self, name: str) -> None:
        """One more at the end."""
        self.names = [*self.names, name]

    def remove(self, names: list[str]) -> None:
        """Delete segments."""
        self.names = [name for name in self.names if name not in names]
        for name in names:
            self.disk.remove(name)
        self.disk.sync()

    def _is_unfinished(self, name: str) -> bool:
        file = self.disk.open(name)
        try:
            segment.read_header(file)
        except StoreDamaged:
            # A header is one small write: where more follows it, it was whole once.
            return file.size <= segment.HEADER_BYTES_MAX
        finally:
            file.close()
        return False


class SegmentReader:
    """A place in the log that moves forward; see :class:`ledger.journal.log.Reader`. For one thread."""

    def __init__(self, segments: Segments, tail: Tail, end: Callable[[], int], after: int) -> None:
        self._segments, self._tail, self._end = segments, tail, end
        self._file: DiskFile | None = None
        self._left: list[Record] = []
        self._edge = Frontier()
        self._open(segments.since(after + 1)[0])
        self.frontier = self._edge
        while self._edge.size < after:
            before, records = self._edge, self._next()
            skipped = [record.leaf for record in records if record.position <= after]
            self._left = records[len(skipped) :]
            self.frontier = before.appended(skipped)

    def read(self, bytes_max: int) -> list[Record]:
        """The records that follow, whole groups until their payloads have ``bytes_max``. Raises StoreDamaged."""
        records, self._left = self._left, []
        size = sum(len(record.payload) for record in records)
        while size < bytes_max and self._edge.size < self._end():
            found = self._next()
            records += found
            size += sum(len(record.payload) for record in found)
        self.frontier = self._edge
        return records

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next(self) -> list[Record]:
        """The next group, from memory if it is still there."""
        kept = self._tail.after(self._edge.size)
        if kept is not None and kept.segment != self._name:
            self._leave(kept.segment)
        group = self._from_file() if kept is None else kept.group
        self._edge, self._offset = group.frontier, group.end
        return list(group.records)

    def _from_file(self) -> Group:
        if self._file is None:
            offset, edge = self._offset, self._edge
            self._open(self._name)
            self._offset, self._edge = offset, edge
        assert self._file is not None
        if self._offset >= self._file.size:
            self._next_segment()
        try:
            return segment.read_group(self._file, self._offset, self._seed, self._edge)
        except BadFrame as error:
            raise StoreDamaged(
                f"{self._file.path}: the group at byte {self._offset}, position {self._edge.size + 1}, is damaged "
                f"({error}); restore the file from a backup"
            ) from None

    def _next_segment(self) -> None:
        assert self._file is not None
        path, edge = self._file.path, self._edge
        name = segment.name_of(edge.size + 1)
        if name not in self._segments.names:
            raise StoreDamaged(
                f"{path}: ends before position {edge.size + 1}, which the log holds; restore it from a backup"
            )
        self._open(name)
        if self._edge != edge:
            raise StoreDamaged(f"{self._file.path}: does not follow from {path.name}; restore both from a backup")

    def _open(self, name: str) -> None:
        self._leave(name)
        try:
            self._file = self._segments.disk.open(name)
        except OSError as error:
            raise StoreDamaged(
                f"{self._segments.disk.directory / name}: the segment cannot be opened ({error.strerror}); restore the "
                "file from a backup"
            ) from error
        header, self._offset = segment.read_header(self._file)
        self._edge, self._seed = header.frontier, header.seed

    def _leave(self, name: str) -> None:
        self.close()
        self._name = name


def _position(name: str) -> int:
    return int(name.removesuffix(SUFFIX))

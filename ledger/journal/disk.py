"""The files of a log: the few calls to the operating system on which its promises rest, all in one place.

Everything else about the log is arithmetic. Tests put a disk under it that fails, tears writes and loses what was
not synced.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

#: What is written to see whether something can be: no segment has such a name.
_TRIED, _TRIED_BYTES = "written-to-try", 4 << 10


class DiskFile:
    """An open file, appended to and read at any offset. Methods raise OSError."""

    def __init__(self, path: Path, flags: int) -> None:
        self.path = path
        self._fd = os.open(path, flags | os.O_CLOEXEC, 0o600)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._fd).st_size

    @property
    def has_name(self) -> bool:
        """Whether the file can still be found in a directory: one that was deleted goes with this process."""
        return os.fstat(self._fd).st_nlink > 0

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from an offset on; fewer only where the file ends."""
        data = os.pread(self._fd, length, offset)
        while len(data) < length and (more := os.pread(self._fd, length - len(data), offset + len(data))):
            data += more
        return data

    def append(self, data: bytes) -> None:
        """Write everything at the end: a disk that fills up may take only a part, and say so by a smaller number."""
        os.lseek(self._fd, 0, os.SEEK_END)
        self._write(data)

    def rewrite(self, offset: int, data: bytes) -> None:
        """Write bytes again that stand there already, so that the next sync is about them too."""
        os.lseek(self._fd, offset, os.SEEK_SET)
        self._write(data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def truncate(self, size: int) -> None:
        """Cut the file off."""
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        """Make the bytes survive a power loss."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class Disk:
    """The directory of a log; behind it, to be read only, the one where what is old was moved to."""

    def __init__(self, directory: Path, archive: Path | None = None) -> None:
        self.directory, self.archive = directory, archive

    def names(self) -> list[str]:
        """Names of the files, sorted."""
        found = {entry.name for entry in self.directory.iterdir()}
        if self.archive is not None and self.archive.exists():
            found.update(entry.name for entry in self.archive.iterdir())
        return sorted(found)

    def create(self, name: str) -> DiskFile:
        """A new, empty file, in place of one that may be there."""
        return DiskFile(self.directory / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    def open(self, name: str, *, to_write: bool = False) -> DiskFile:
        """A file that is there."""
        path = self.directory / name
        if self.archive is not None and not to_write and not path.exists():
            path = self.archive / name
        return DiskFile(path, os.O_RDWR if to_write else os.O_RDONLY)

    def check(self, room_bytes: int) -> None:
        """That files can be written here, and that so many bytes fit. Raises OSError."""
        there = os.statvfs(self.directory)
        if there.f_bavail * there.f_frsize < room_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file = self._nameless()
        try:
            file.append(bytes(_TRIED_BYTES))
            file.sync()
        finally:
            file.close()

    def _nameless(self) -> DiskFile:
        """A file that nobody else sees and that goes with its last descriptor."""
        try:
            return DiskFile(self.directory, os.O_RDWR | os.O_TMPFILE)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
        # Some file systems know none: it has a name for a moment.
        path = self.directory / _TRIED
        file = DiskFile(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        path.unlink(missing_ok=True)
        return file

    def remove(self, name: str) -> None:
        """Delete a file, but never in the archive."""
        (self.directory / name).unlink(missing_ok=True)

    def sync(self) -> None:
        """Make the names durable: a file that was synced can still lose its name without this."""
        sync_directory(self.directory)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    _sync(directory, os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Make what somebody wrote to a file durable."""
    _sync(path)


def _sync(path: Path, flags: int = 0) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

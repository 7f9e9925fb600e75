"""A process that writes a log, and the ways in which logs are rotated under it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


class Log:
    """A log file in the hands of the process that writes it. Each write is a second later than the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock_s = 1_767_000_000

    def write(self, *ids: str, path: Path | None = None) -> None:
        lines = [f'{{"id":"{name}","source":"s","type":"t","time":"2026-01-01T00:00:00Z"}}\n' for name in ids]
        self.append("".join(lines).encode(), path)

    def append(self, content: bytes, path: Path | None = None) -> None:
        with (path or self.path).open("ab") as file:
            file.write(content)
        self.touch(path or self.path)

    def rotate(self) -> Path:
        """Rename as logrotate does: usage.log.1 becomes usage.log.2, usage.log becomes usage.log.1."""
        for number in range(8, 0, -1):
            if (old := self.numbered(number)).exists():
                old.rename(self.numbered(number + 1))
        return self.path.rename(self.numbered(1))

    def copy_and_truncate(self) -> Path:
        """The other way of logrotate."""
        for number in range(8, 0, -1):
            if (old := self.numbered(number)).exists():
                old.rename(self.numbered(number + 1))
        shutil.copyfile(self.path, self.numbered(1))
        self.touch(self.numbered(1))
        self.truncate()
        return self.numbered(1)

    def truncate(self) -> None:
        os.truncate(self.path, 0)
        self.touch(self.path)

    def numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def touch(self, path: Path) -> None:
        self._clock_s += 1
        os.utime(path, (self._clock_s, self._clock_s))

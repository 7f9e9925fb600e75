"""A process that writes a log, and the ways in which logs are rotated under it."""

from __future__ import annotations

import gzip
import os
import re
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
        self.copy(self.numbered(1))
        self.truncate()
        return self.numbered(1)

    def copy(self, to: Path, share: float = 1.0, *, keeps_time: bool = False) -> None:
        """As ``cp`` or ``cp -p`` does it, or has done so far."""
        content = self.path.read_bytes()
        with to.open("wb") as file:
            file.write(content[: int(len(content) * share)])
        self.touch(to)
        if keeps_time:
            shutil.copystat(self.path, to)

    def truncate(self) -> None:
        os.truncate(self.path, 0)
        self.touch(self.path)

    def numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def touch(self, path: Path) -> None:
        self._clock_s += 1
        os.utime(path, (self._clock_s, self._clock_s))


def rotate_numbered(log: Path, *, copy: bool) -> None:
    """As logrotate does: usage.log.1 becomes usage.log.2, and usage.log becomes usage.log.1, itself or a copy."""
    numbered = re.compile(re.escape(log.name) + r"\.(\d+)")
    found = [match for path in log.parent.iterdir() if (match := numbered.fullmatch(path.name))]
    for match in sorted(found, key=lambda match: -int(match[1])):
        log.with_name(match[0]).rename(log.with_name(f"{log.name}.{int(match[1]) + 1}"))
    newest = log.with_name(f"{log.name}.1")
    if copy:
        shutil.copyfile(log, newest)
        os.truncate(log, 0)
    else:
        log.rename(newest)


def rotate_packed(log: Path) -> int:
    """As logrotate does with ``delaycompress``: all but the newest of the rotated files are compressed. How many of those there are now."""
    number = re.compile(re.escape(log.name) + r"\.(\d+)\.gz")
    packed = {int(match[1]): path for path in log.parent.iterdir() if (match := number.fullmatch(path.name))}
    for at in sorted(packed, reverse=True):
        packed[at].rename(log.with_name(f"{log.name}.{at + 1}.gz"))
    before = log.with_name(f"{log.name}.1")
    if before.exists():
        part = log.with_name(f"{log.name}.2.part")
        part.write_bytes(gzip.compress(before.read_bytes()))
        part.rename(log.with_name(f"{log.name}.2.gz"))
        before.unlink()
    log.rename(before)
    return len(packed) + 1

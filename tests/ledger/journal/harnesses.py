"""One harness per kind of log: how to open one, how to kill whoever has it open, how to damage what it keeps.

A new kind adds a class here and the contract suite holds it to ``ledger.journal.log``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ledger.journal import segment
from ledger.journal.disk import Disk
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.log import Known, Log
from tests.ledger.journal.shared.harness import SharedHarness


class Harness(Protocol):
    """One log and those who open it."""

    def open(self, known: Known | None = None) -> Log:
        """Open it, as a new process does."""
        ...

    def kill(self, log: Log) -> None:
        """As ``kill -9`` of the process that has it open."""
        ...

    def damage(self, position: int) -> None:
        """Change a byte of the payload of a record; nobody has the log open."""
        ...

    def stop(self) -> None:
        """Put everything away."""
        ...


class EmbeddedHarness:
    """The log in files; segments are small, so that there are many."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: list[EmbeddedLog] = []
        self._lives = 0
        self._directory().mkdir()

    def open(self, known: Known | None = None) -> Log:
        log = EmbeddedLog(Disk(self._directory()), known, segment_bytes=2_000)
        self._opened.append(log)
        return log

    def kill(self, log: Log) -> None:
        # Whatever the old process may still write, it does not write it to the copy.
        before = self._directory()
        self._lives += 1
        shutil.copytree(before, self._directory())

    def damage(self, position: int) -> None:
        path = max(path for path in self._directory().iterdir() if path.name <= segment.name_of(position))
        disk = Disk(self._directory())
        file = disk.open(path.name)
        header, offset = segment.read_header(file)
        frontier = header.frontier
        while True:
            group = segment.read_group(file, offset, header.seed, frontier)
            if group.records[-1].position >= position:
                break
            offset, frontier = group.end, group.frontier
        file.close()
        payload = group.records[position - frontier.size - 1].payload
        data = bytearray(path.read_bytes())
        data[data.index(payload, offset)] ^= 1
        path.write_bytes(data)

    def stop(self) -> None:
        for log in self._opened:
            log.close()

    def _directory(self) -> Path:
        return self._folder / f"life-{self._lives}"


HARNESSES: dict[str, Callable[[Path], Harness]] = {"embedded": EmbeddedHarness, "shared": SharedHarness}

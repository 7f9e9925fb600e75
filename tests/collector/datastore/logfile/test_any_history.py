"""Whatever happens to a log, and from wherever it is read again, the book has each line once: known by its place alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector.readings import Checkpoint
from tests.collector.conftest import WINDOW, Reader
from tests.collector.datastore.logfile.conftest import gzipped, zstd
from tests.fakes.log_writer import Log

#: The writer keeps no more; what goes unread is lost then, and said to be.
ROTATIONS_MAX = 7
HEADER = b"time,who\n"
DAY = "2026-01-31T09:30:00Z"
MAPPING = {
    "records": {"format": "csv"},
    "time": "time",
    "type": {"const": "request"},
    "source": {"const": "/gateway"},
    "subject": "who",
}


class History:
    """A log with its reader, and a book that takes each event once; every collection is also made a second time."""

    def __init__(self, log: Log, reader: Callable[..., Reader], **given: Any) -> None:
        self._log, self._reader = log, reader
        self._given = {"mapping": MAPPING, "path": str(log.path), "start_at": "oldest", "packed_after_s": 0.0, **given}
        self.written: list[str] = []
        #: What events were about, by what they are known by.
        self.book: dict[str, str] = {}
        self._checkpoints: list[Checkpoint] = [{}]
        self._rotations = 0
        self._one = reader("logfile", **self._given)
        log.append(HEADER)

    def act(self, act: str, number: int) -> None:
        match act:
            case "write":
                self.write(f"{len(self.written)}")
            case "same":
                self.write("same")
            case "read":
                self.read()
            case "restart":
                self.restart(number)
            case "rename" | "copy" if self._rotations < ROTATIONS_MAX:
                self._rotate(act)
            case "gzip" | "zstd":
                self._compress(gzipped if act == "gzip" else zstd, 1 + number % ROTATIONS_MAX)

    def write(self, who: str) -> None:
        self.written.append(who)
        self._log.append(f"{DAY},{who}\n".encode())

    def read(self) -> None:
        more = True
        while more:
            before = self._one.checkpoint
            readings = self._one.read()
            again = self._one.collector.collect(WINDOW, before)
            assert again.events.equals(readings.events)
            assert [record.status for record in readings.coverage] == ["complete"], readings.coverage
            assert readings.dead_letters == ()
            for row in readings.events.to_pylist():
                assert self.book.setdefault(row["id"], row["subject"]) == row["subject"]
            self._checkpoints.append(readings.checkpoint)
            more = readings.more

    def restart(self, number: int) -> None:
        """From any checkpoint that there was, the first one too."""
        self._one.collector.close()
        self._one = self._reader("logfile", **self._given)
        self._checkpoints = self._checkpoints[: 1 + number % len(self._checkpoints)]
        self._one.checkpoint = self._checkpoints[-1]

    def end(self) -> None:
        self.write("last")
        self.read()
        self._one.collector.close()
        assert sorted(self.book.values()) == sorted(self.written)

    def _rotate(self, act: str) -> None:
        self._rotations += 1
        for number in range(ROTATIONS_MAX, 0, -1):
            for end in (".gz", ".zst"):
                if (old := self._packed(number, end)).exists():
                    old.rename(self._packed(number + 1, end))
        self._log.rotate() if act == "rename" else self._log.copy_and_truncate()
        self._log.append(HEADER)

    def _packed(self, number: int, end: str) -> Path:
        return self._log.path.with_name(f"{self._log.path.name}.{number}{end}")

    def _compress(self, compress: Callable[[Path], Path], number: int) -> None:
        if (path := self._log.numbered(number)).exists():
            compress(path)


def played(
    folder: pytest.TempPathFactory, reader: Callable[..., Reader], acts: Sequence[tuple[str, int]], **given: Any
) -> None:
    history = History(Log(folder.mktemp("log") / "usage.log"), reader, **given)
    for act, number in acts:
        history.act(act, number)
    history.end()


def acts(*names: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(names), st.integers(0, 20)), max_size=24)


@given(
    acts=acts("write", "write", "read", "read", "restart", "rename", "copy", "gzip", "zstd"),
    lines_max=st.sampled_from([1, 2, 50_000]),
)
# A file of nothing but its header goes, and its inode is given to the copy of another.
@example(acts=[("rename", 0), ("write", 0), ("read", 0), ("gzip", 0), ("copy", 0)], lines_max=50_000)
# ... or to what another is compressed into.
@example(
    acts=[("write", 0), ("read", 0), *[("rename", 0)] * 3, ("read", 0), ("gzip", 0), ("gzip", 9)], lines_max=50_000
)
# A file that is still open has other content than when it was read, and no name.
@example(acts=[("write", 0), ("read", 0), ("copy", 0), ("rename", 0), ("gzip", 0)], lines_max=50_000)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_that_differ(
    tmp_path_factory: pytest.TempPathFactory,
    reader: Callable[..., Reader],
    acts: list[tuple[str, int]],
    lines_max: int,
) -> None:
    played(tmp_path_factory, reader, acts, lines_max=lines_max)


@given(acts=acts("write", "same", "same", "read", "read", "restart", "rename"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_that_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, reader: Callable[..., Reader], acts: list[tuple[str, int]]
) -> None:
    played(tmp_path_factory, reader, acts)

"""Logs that are copied, truncated, compressed and backed up a step at a time, with looks between any two steps: each row counts once.

Rows that the writer adds between the copying and the truncation are in neither file; they count only if somebody read them before.
"""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.readings import Window
from tests.collector.conftest import Reader
from tests.fakes.log_writer import Log

Step = Callable[[], object]
DAY = "2026-01-31T09:30:00Z"
MAPPING = {
    "records": {"format": "csv"},
    "time": "time",
    "type": {"const": "request"},
    "source": {"const": "/gateway"},
    "subject": "who",
}
ROTATIONS, GREETS = 9, "hello"


class Story:
    """A log with its writer, who rotates it, and its reader, all drawn from one seed."""

    def __init__(self, seed: int, folder: Path, reader: Callable[..., Reader], greeting: int) -> None:
        self._random, self._log = random.Random(seed), Log(folder / "usage.log")
        #: Rows with which each file begins, the same in all of them.
        self._greeting = "".join(f"{DAY},{GREETS}{number}\n" for number in range(greeting))
        self._number, self._copied, self._under_way = 0, 0, None
        self._steps: list[Step] = []
        lines_max = self._random.choice([2, 5, 50_000])
        given = {"path": str(self._log.path), "mapping": MAPPING, "start_at": "oldest", "lines_max": lines_max}
        self._new: Callable[[], Reader] = lambda: reader("logfile", packed_after_s=1.0, **given)
        self._reader = self._new()
        self.written: list[str] = []
        #: What rows were about, by what they are known by.
        self.book: dict[str, str] = {}
        self._begin()

    def play(self, acts: int) -> None:
        for _ in range(acts):
            act = self._random.choice([self._write, self._read, self._step, self._step, self._restart])
            act()
        while self._steps:
            self._step()
        self._write()
        for _ in range(6):
            self._read(rest_s=100.0)
        self._reader.collector.close()

    def _begin(self) -> None:
        self._log.append(f"time,who\n{self._greeting}".encode())
        self._rows(12)

    def _write(self) -> None:
        # Between renaming and creation nobody can write.
        if self._log.path.exists():
            self._rows(self._random.choice([1, 3, 200]))

    def _rows(self, count: int) -> None:
        names = [f"{number:06d}" for number in range(self._number, self._number + count)]
        self._number += count
        self.written += names
        self._log.append("".join(f"{DAY},{name}\n" for name in names).encode())

    def _read(self, rest_s: float = 0.0) -> None:
        if self._under_way is not None:
            self._log.touch(self._under_way)
        now_us = self._now_us()
        more = True
        while more:
            window = Window(now_us - 60_000_000, now_us + int(rest_s * 1e6))
            readings = self._reader.collector.collect(window, self._reader.checkpoint)
            self._reader.checkpoint = readings.checkpoint
            for row in readings.events.to_pylist():
                assert self.book.setdefault(row["id"], row["subject"]) == row["subject"]
            more = readings.more and (rest_s > 0 or self._random.random() < 0.7)

    def _now_us(self) -> int:
        newest = max(path.stat().st_mtime_ns for path in self._log.path.parent.iterdir())
        return newest // 1_000 + 500_000

    def _restart(self) -> None:
        checkpoint = self._reader.checkpoint
        self._reader.collector.close()
        self._reader = self._new()
        self._reader.checkpoint = checkpoint

    def _step(self) -> None:
        """The next one of a rotation, or the first."""
        self._steps = self._steps or [self._shift, *self._rotation()]
        self._steps.pop(0)()

    def _shift(self) -> None:
        for number in range(ROTATIONS, 0, -1):
            for end in ("", ".gz"):
                if (old := Path(f"{self._log.numbered(number)}{end}")).exists():
                    old.rename(f"{self._log.numbered(number + 1)}{end}")

    def _rotation(self) -> Iterator[Step]:
        one = self._log.numbered(1)
        match self._random.choice(["copy", "copy", "compress", "rename"]):
            case "rename":
                yield lambda: self._log.path.rename(one)
                yield self._begin
                yield from self._compressed(one, keeps=False)
                return
            case "copy":
                if self._random.random() < 0.5:
                    yield lambda: self._log.copy(one, 0.9)
                yield self._copy
                later = list(self._compressed(one, keeps=False)) if self._random.random() < 0.7 else []
            case _:
                yield from self._compressed(self._log.path, keeps=True)
                later = []
        if self._random.random() < 0.9:
            yield self._truncate
        yield from later

    def _copy(self) -> None:
        self._copied = self._number
        self._log.copy(self._log.numbered(1))

    def _truncate(self) -> None:
        late = {f"{number:06d}" for number in range(self._copied, self._number)} - set(self.book.values())
        self.written = [name for name in self.written if name not in late]
        self._log.truncate()
        self._begin()

    def _compressed(self, path: Path, *, keeps: bool) -> Iterator[Step]:
        """As gzip does it, which writes for a while."""
        made, packed = Path(f"{self._log.numbered(1)}.gz"), bytearray()

        def begin() -> None:
            self._copied = self._number if keeps else self._copied
            packed.extend(gzip.compress(path.read_bytes()))
            made.write_bytes(packed[: len(packed) // 2])
            self._log.touch(made)
            self._under_way = made

        def end() -> None:
            made.write_bytes(packed)
            time_ns = path.stat().st_mtime_ns
            os.utime(made, ns=(time_ns, time_ns))
            self._under_way = None

        yield begin
        yield end
        if not keeps:
            yield path.unlink


@pytest.mark.parametrize("greeting", [0, 4])
@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 120))])
def test_each_row_counts_once(seed: int, greeting: int, tmp_path: Path, reader: Callable[..., Reader]) -> None:
    story = Story(seed, tmp_path, reader, greeting)
    story.play(10 + seed % 40)
    counted = [who for who in story.book.values() if not who.startswith(GREETS)]
    assert sorted(counted) == sorted(story.written)

"""A log that is copied, and not truncated yet, or never: its rows, which are known by their place alone, are counted once."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable

import pytest

from collector.datastore.logfile.contents import Plain
from collector.readings import Readings, Window
from tests.collector.conftest import WINDOW, Reader
from tests.fakes.log_writer import Log

Follow = Callable[..., Reader]
HEADER = "time,who\n"
DAY = "2026-01-31T09:30:00Z"


def write(log: Log, *rows: str) -> None:
    begins = HEADER if not log.path.exists() or log.path.stat().st_size == 0 else ""
    log.append((begins + "".join(f"{DAY},{row}\n" for row in rows)).encode())


class Book:
    """What an agent counts that has read the rotated files, too."""

    def __init__(self, follow: Follow, again: Follow, **given: object) -> None:
        mapping = {
            "records": {"format": "csv"},
            "time": "time",
            "type": {"const": "request"},
            "source": {"const": "/gateway"},
            "subject": "who",
        }
        self._given = {"mapping": mapping, "start_at": "oldest", **given}
        self._again = again
        self._reader = follow(**self._given)
        self._rows: dict[str, str] = {}

    def read(self, window: Window = WINDOW) -> Readings:
        readings = self._reader.collector.collect(window, self._reader.checkpoint)
        self._reader.checkpoint = readings.checkpoint
        self._rows |= zip(readings.events["id"].to_pylist(), readings.events["subject"].to_pylist(), strict=True)
        return readings

    def restart(self) -> None:
        self._reader = self._again(self._reader, **self._given)

    @property
    def rows(self) -> str:
        return "".join(sorted(row[0] for row in self._rows.values()))


@pytest.fixture
def book(follow: Follow, again: Follow) -> Callable[..., Book]:
    return lambda **given: Book(follow, again, **given)


def said(readings: Readings) -> tuple[str, str]:
    (record,) = readings.coverage
    return record.status, record.reason


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("keeps_time", [False, True])
@pytest.mark.parametrize("share", [0, 0.8, 1], ids=["begun", "under way", "done"])
@pytest.mark.parametrize("is_known", [False, True], ids=["first start", "after an outage"])
def test_it_is_found_while_it_is_copied(
    log: Log, book: Callable[..., Book], is_known: bool, share: float, keeps_time: bool, is_busy: bool, down: bool
) -> None:
    write(log, "a")
    reads = book()
    if is_known:
        reads.read()
        write(log, "b")
    log.copy_and_truncate()
    write(log, *"cdefgh")
    log.numbered(1).rename(log.numbered(2))
    log.copy(log.numbered(1), share, keeps_time=keeps_time)
    if is_busy:
        write(log, "i")
    reads.restart()
    for _ in range(2):
        reads.read()
        assert reads.rows == "a" + "b" * is_known + "cdefgh" + "i" * is_busy
    if down:
        reads.restart()
    if share == 1:
        reads.read()
    log.copy(log.numbered(1), keeps_time=keeps_time)
    log.truncate()
    write(log, "j")
    reads.read()
    reads.read()
    assert reads.rows == "a" + "b" * is_known + "cdefgh" + "i" * is_busy + "j"


def test_a_copy_is_told_once(log: Log, book: Callable[..., Book]) -> None:
    write(log, *"abc")
    log.copy(log.numbered(1))
    reads = book()
    reason = f"{log.numbered(1)} is a copy of what {log.path} begins with: the lines of both are counted once"
    assert said(reads.read()) == ("partial", reason)
    assert said(reads.read()) == ("complete", "")


@pytest.mark.parametrize("is_renamed", [False, True], ids=["truncated", "renamed"])
@pytest.mark.parametrize("is_seen", [False, True])
def test_a_log_that_is_not_truncated_after_it_was_copied(
    log: Log, book: Callable[..., Book], is_seen: bool, is_renamed: bool
) -> None:
    reads = book()
    for rows in ("abc", "def", "ghi"):
        write(log, *rows)
        if rows == "ghi" and is_seen:
            reads.read()
        log.numbered(1).exists() and log.numbered(1).rename(log.numbered(2))
        log.copy(log.numbered(1))
    if is_seen:
        reads.read()
        reads.restart()
    for number in (2, 1):
        log.numbered(number).rename(log.numbered(number + 1))
    if is_renamed:
        log.rotate()
    else:
        log.copy(log.numbered(1))
        log.truncate()
    write(log, *"jkl")
    reads.read()
    assert reads.rows == "abcdefghijkl"
    write(log, "m")
    reads.read()
    assert reads.rows == "abcdefghijklm"


def test_a_log_that_was_not_read_before_it_is_truncated_is_read_in_its_copy(
    log: Log, book: Callable[..., Book]
) -> None:
    write(log, *"abc")
    log.rotate()
    write(log, *"defg")
    log.copy(log.numbered(1).with_suffix(".0"))
    reads = book(lines_max=2)
    assert reads.read().more
    log.truncate()
    write(log, *"hij")
    reads.restart()
    for _ in range(8):
        reads.read()
    assert reads.rows == "abcdefghij"


def test_the_rest_of_a_log_that_was_written_after_it_was_copied_is_read_in_its_copy(
    log: Log, book: Callable[..., Book]
) -> None:
    write(log, *(name + "-" * 99 for name in "abcdef"))
    log.copy(log.numbered(1))
    write(log, "g")
    reads = book(lines_max=2)
    reads.read()
    log.truncate()
    write(log, *"hij")
    for _ in range(8):
        reads.read()
    # The writer's last row was in neither file.
    assert reads.rows == "abcdefhij"


def test_a_compressed_copy(log: Log, book: Callable[..., Book]) -> None:
    write(log, *"abc")
    log.append(gzip.compress(log.path.read_bytes()), log.path.with_name("usage.log.1.gz"))
    write(log, "d")
    reads = book()
    reads.read()
    reads.read()
    assert reads.rows == "abcd"
    log.truncate()
    write(log, "e")
    reads.read()
    assert reads.rows == "abcde"


def test_a_copy_that_is_used_again_for_other_rows(log: Log, book: Callable[..., Book]) -> None:
    write(log, *"abc")
    log.copy(log.numbered(1))
    reads = book()
    reads.read()
    log.truncate()
    write(log, *"def")
    log.copy(log.numbered(1))
    log.truncate()
    write(log, *"ghi")
    reads.read()
    assert reads.rows == "abcdefghi"


@pytest.mark.parametrize("after", range(1, 12))
def test_it_is_copied_while_it_is_looked_at(
    log: Log, book: Callable[..., Book], monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    write(log, *"abc")
    log.numbered(1).touch()
    reads = book()
    really, count = Plain.read, itertools.count(1)

    def read_and_copy(content: Plain, offset: int, length: int) -> bytes:
        if next(count) == after:
            log.copy(log.numbered(1))
        return really(content, offset, length)

    with monkeypatch.context() as patched:
        patched.setattr(Plain, "read", read_and_copy)
        reads.read()
    reads.read()
    assert reads.rows == "abc"


@pytest.mark.parametrize("after", range(1, 12))
def test_it_is_truncated_while_its_copy_is_looked_at(
    log: Log, book: Callable[..., Book], monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    write(log, *"abc")
    log.copy(log.numbered(1))
    reads = book()
    really, count = Plain.read, itertools.count(1)

    def read_and_truncate(content: Plain, offset: int, length: int) -> bytes:
        if next(count) == after:
            log.truncate()
            write(log, *"def")
        return really(content, offset, length)

    with monkeypatch.context() as patched:
        patched.setattr(Plain, "read", read_and_truncate)
        reads.read()
    reads.read()
    assert reads.rows == "abc" + "def" * (next(count) > after)


def test_files_of_equal_rows_are_no_copies(log: Log, book: Callable[..., Book]) -> None:
    write(log, *"xxx")
    log.rotate()
    write(log, *"xxxx")
    written_us = log.path.stat().st_mtime_ns // 1_000
    reads = book()
    # Whether they are is not known as long as somebody may be about to truncate the log.
    status, reason = said(reads.read(Window(0, written_us)))
    assert (reads.rows, status) == ("xxxx", "partial")
    assert reason == f"{log.numbered(1)} was written just now: it is read once it is whole"
    assert said(reads.read(Window(0, written_us + 100_000_000))) == ("complete", "")
    assert reads.rows == "xxxxxxx"


def test_a_copy_takes_the_place_of_its_log(log: Log, book: Callable[..., Book]) -> None:
    write(log, *"abc")
    log.copy(log.numbered(1))
    reads = book()
    reads.read()
    log.numbered(1).replace(log.path)
    write(log, "d")
    reads.read()
    assert reads.rows.endswith("d")

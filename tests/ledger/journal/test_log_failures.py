"""A disk that fails: what was acknowledged stays, what was not leaves nothing, and nobody waits for ever."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.journal import log
from ledger.journal.errors import LogUnavailable
from ledger.journal.frames import Kind
from ledger.journal.log import Log
from tests.ledger.journal.logs import opened_log, records_of

WAIT_S = 30.0
FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")
_write = os.write


class Disk:
    """Takes a number of bytes, and then none until it has room again."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        if self.room <= 0:
            raise FULL
        written = _write(descriptor, bytes(data[: self.room]))
        self.room -= written
        return written


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Log]:
    with opened_log(tmp_path, segment_bytes=1_000) as found:
        found.append(Kind.BATCH, b"before").result()
        yield found


def fail(error: Exception) -> Callable[..., None]:
    def failing(*_: object) -> None:
        raise error

    return failing


def payloads(found: Log) -> list[bytes]:
    return [record.payload for record in records_of(found)]


@pytest.mark.parametrize("room", [0, 1, 71, 72, 73, 75])
def test_a_full_disk(room: int, opened: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(room)
    monkeypatch.setattr(os, "write", disk.write)
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=r"No space left on device.*free space"):
            opened.append(Kind.BATCH, b"lost").result(WAIT_S)
        assert payloads(opened) == [b"before"]
        disk.room = min(room, 10)
    disk.room = 10_000
    assert opened.append(Kind.BATCH, b"after").result(WAIT_S).position == 2
    opened.close()
    with opened_log(tmp_path) as again:
        assert payloads(again) == [b"before", b"after"]


def test_a_disk_that_takes_a_little_at_a_time(opened: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda descriptor, data: _write(descriptor, bytes(data[:7])))
    for number in range(30):
        opened.append(Kind.BATCH, b"%d" % number * 50).result(WAIT_S)
    assert len(payloads(opened)) == 31


@pytest.mark.parametrize("room", [0, 1, 63, 64, 100])
def test_a_disk_that_fills_up_while_a_segment_is_made(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(100_000)
    monkeypatch.setattr(os, "write", disk.write)
    with opened_log(tmp_path, segment_bytes=64) as opened:
        opened.append(Kind.BATCH, b"before").result()
        disk.room = room
        for _ in range(3):
            with pytest.raises(LogUnavailable):
                opened.append(Kind.BATCH, b"lost").result(WAIT_S)
        disk.room = 100_000
        assert opened.append(Kind.BATCH, b"after").result(WAIT_S).position == 2
        assert payloads(opened) == [b"before", b"after"]
    with opened_log(tmp_path) as again:
        assert payloads(again) == [b"before", b"after"]


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_segment_that_cannot_be_made(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with opened_log(tmp_path, segment_bytes=64) as opened:
        opened.append(Kind.BATCH, b"before").result()
        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail(BROKEN))
            for _ in range(10):
                with pytest.raises(LogUnavailable, match="Input/output error"):
                    opened.append(Kind.BATCH, b"lost").result(WAIT_S)
        assert opened.append(Kind.BATCH, b"after").result(WAIT_S).position == 2
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    with opened_log(tmp_path) as again:
        assert payloads(again) == [b"before", b"after"]


@pytest.mark.parametrize("error", [BROKEN, FULL, RuntimeError("a bug")])
def test_after_a_failed_sync_nothing_is_accepted_until_the_log_is_opened_again(
    error: Exception, opened: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail(error))
        with pytest.raises(LogUnavailable, match="cannot be written"):
            opened.append(Kind.BATCH, b"doubtful").result(WAIT_S)
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=r"a sync failed earlier.*restart the ledger"):
            opened.append(Kind.BATCH, b"refused").result(WAIT_S)
    assert payloads(opened) == [b"before"]
    opened.close()
    with opened_log(tmp_path) as again:
        # Whether the doubtful one is there nobody promised; here it is.
        assert payloads(again) == [b"before", b"doubtful"]
        assert again.append(Kind.BATCH, b"after").result(WAIT_S).position == 3


def test_a_write_that_cannot_be_taken_back(opened: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(5)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", disk.write)
        patched.setattr(os, "ftruncate", fail(BROKEN))
        with pytest.raises(LogUnavailable, match="No space left"):
            opened.append(Kind.BATCH, b"lost").result(WAIT_S)
    with pytest.raises(LogUnavailable, match="could not be taken back"):
        opened.append(Kind.BATCH, b"refused").result(WAIT_S)
    opened.close()
    with opened_log(tmp_path) as again:
        assert payloads(again) == [b"before"]


@pytest.mark.parametrize("error", [MemoryError("no memory"), RuntimeError("a bug")])
def test_an_error_that_nobody_expected_is_told_and_the_log_goes_on(
    error: Exception, opened: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(log.frames, "pack", lambda *_: (_ for _ in ()).throw(error))
        with pytest.raises(LogUnavailable, match=str(error)):
            opened.append(Kind.BATCH, b"lost").result(WAIT_S)
    assert opened.append(Kind.BATCH, b"after").result(WAIT_S).position == 2
    assert payloads(opened) == [b"before", b"after"]


def test_what_depends_on_a_failed_append_fails_too(opened: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """One chain loses its first append; the next ones, queued long before that was known, must leave no hole."""
    writing, may_fail = threading.Event(), threading.Event()

    def fail_once(descriptor: int, data: bytes | memoryview) -> int:
        if may_fail.is_set():
            return _write(descriptor, data)
        writing.set()
        assert may_fail.wait(WAIT_S)
        raise FULL

    monkeypatch.setattr(os, "write", fail_once)
    first = opened.append(Kind.BATCH, b"first")
    assert writing.wait(WAIT_S)
    second = opened.append(Kind.BATCH, b"second", first)
    other = opened.append(Kind.BATCH, b"other")
    third = opened.append(Kind.BATCH, b"third", second)
    may_fail.set()
    assert other.result(WAIT_S).position == 2
    for future in (first, second, third):
        assert isinstance(future.exception(WAIT_S), LogUnavailable)
    late = opened.append(Kind.BATCH, b"late", third)
    assert isinstance(late.exception(WAIT_S), LogUnavailable)
    assert payloads(opened) == [b"before", b"other"]


def test_what_depends_on_an_append_of_the_same_group_goes_with_it(opened: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    syncing, may_sync = threading.Event(), threading.Event()

    def slow_sync(_: int) -> None:
        syncing.set()
        assert may_sync.wait(WAIT_S)

    monkeypatch.setattr(os, "fdatasync", slow_sync)
    opened.append(Kind.BATCH, b"1")
    assert syncing.wait(WAIT_S)
    one = opened.append(Kind.BATCH, b"2")
    two = opened.append(Kind.BATCH, b"3", one)
    may_sync.set()
    assert (one.result(WAIT_S).position, two.result(WAIT_S).position) == (3, 4)


def test_a_log_that_cannot_be_opened_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail(BROKEN))
    with pytest.raises(OSError, match="Input/output error"), opened_log(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_log_whose_files_were_deleted_takes_nothing_more(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.append(Kind.BATCH, b"one").result()
    for path in tmp_path.glob("*.seg"):
        path.unlink()
    with pytest.raises(LogUnavailable, match="deleted"):
        log.append(Kind.BATCH, b"two").result()
    log.close()

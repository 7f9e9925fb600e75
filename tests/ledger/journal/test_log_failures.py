"""A disk that fails under the log: what was acknowledged stays, what was not leaves nothing, and nobody waits for ever.

``tests.faults`` tries all of it at random; here are the messages, and the calls to the operating system themselves.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.journal import segment
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.errors import LogUnavailable
from tests.ledger.journal.logs import WAIT_S, append, check_whole, drafts, opened_log, payloads

FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")
_write = os.write


class Room:
    """Takes a number of bytes, and then none until there is room again."""

    def __init__(self, bytes_left: int) -> None:
        self.bytes_left = bytes_left

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        if self.bytes_left <= 0:
            raise FULL
        written = _write(descriptor, bytes(data[: self.bytes_left]))
        self.bytes_left -= written
        return written


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with opened_log(tmp_path, segment_bytes=4_000) as found:
        append(found, b"before")
        yield found


def fail(error: Exception) -> Callable[..., None]:
    def failing(*_: object) -> None:
        raise error

    return failing


@pytest.mark.parametrize("room", [0, 1, 119, 120, 130, 198, 199])
def test_a_full_disk(room: int, log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Room(room)
    monkeypatch.setattr(os, "write", disk.write)
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=r"No space left on device.*free space"):
            append(log, b"lost")
        assert payloads(log) == [b"before"]
        disk.bytes_left = min(room, 10)
    disk.bytes_left = 10_000
    assert append(log, b"after") == 2
    log.close()
    with opened_log(tmp_path) as again:
        assert payloads(again) == [b"before", b"after"]


def test_a_disk_that_takes_a_little_at_a_time(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", lambda descriptor, data: _write(descriptor, bytes(data[:7])))
    append(log, *(b"%d" % number * 50 for number in range(30)))
    assert len(check_whole(log)) == 31
    log.close()
    with opened_log(tmp_path, segment_bytes=4_000) as again:
        assert len(check_whole(again)) == 31


@pytest.mark.parametrize("room", [0, 1, 39, 71, 72, 100])
def test_a_disk_that_fills_up_while_a_segment_is_made(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Room(100_000)
    monkeypatch.setattr(os, "write", disk.write)
    with opened_log(tmp_path, segment_bytes=1) as log:
        append(log, b"before")
        for _ in range(3):
            disk.bytes_left = room
            with pytest.raises(LogUnavailable):
                append(log, b"lost")
        disk.bytes_left = 100_000
        assert append(log, b"after") == 2
        assert payloads(log) == [b"before", b"after"]
    with opened_log(tmp_path) as again:
        assert payloads(again) == [b"before", b"after"]


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_segment_that_cannot_be_made(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with opened_log(tmp_path, segment_bytes=1) as log:
        append(log, b"before")
        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail(BROKEN))
            for _ in range(10):
                with pytest.raises(LogUnavailable, match="Input/output error"):
                    append(log, b"lost")
        assert [path.name for path in tmp_path.iterdir()] == [segment.name_of(1)]
        assert append(log, b"after") == 2
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    with opened_log(tmp_path) as again:
        assert payloads(again) == [b"before", b"after"]


@pytest.mark.parametrize("error", [BROKEN, FULL, RuntimeError("a bug")])
def test_after_a_failed_sync_nothing_is_accepted_until_the_log_is_opened_again(
    error: Exception, log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail(error))
        with pytest.raises(LogUnavailable):
            append(log, b"doubtful")
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=r"a sync failed earlier.*restart the ledger"):
            append(log, b"refused")
    assert payloads(log) == [b"before"]
    log.close()
    with opened_log(tmp_path) as again:
        # Whether the doubtful one is there nobody promised; here it is.
        assert payloads(again) == [b"before", b"doubtful"]
        assert append(again, b"after") == 3


def test_a_write_that_cannot_be_taken_back(log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", Room(5).write)
        patched.setattr(os, "ftruncate", fail(BROKEN))
        with pytest.raises(LogUnavailable, match="No space left"):
            append(log, b"lost")
    with pytest.raises(LogUnavailable, match=r"could not be taken back: Input/output error; restart"):
        append(log, b"refused")
    log.close()
    with opened_log(tmp_path) as again:
        assert payloads(again) == [b"before"]


@pytest.mark.parametrize("error", [MemoryError("no memory"), RuntimeError("a bug")])
def test_an_error_that_nobody_expected_is_told_and_the_log_goes_on(
    error: Exception, log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(segment, "pack_group", fail(error))
        with pytest.raises(LogUnavailable, match=str(error)):
            append(log, b"lost")
    assert append(log, b"after") == 2
    assert payloads(log) == [b"before", b"after"]


def test_what_follows_a_failed_append_is_overtaken(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """One chain loses an append; what was sent after it, long before that was known, must leave no hole."""
    disk = Room(0)
    one, two = drafts(b"one", b"two", chain="runs/m")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", disk.write)
        assert isinstance(log.append(one).exception(WAIT_S), LogUnavailable)
    with pytest.raises(Exception, match="record 2 does not follow 0"):
        log.append(two).result(WAIT_S)
    assert append(log, b"other") == 2
    assert log.append(one).result(WAIT_S) == 3
    assert log.append(two).result(WAIT_S) == 4
    check_whole(log)


@pytest.mark.parametrize("call", ["fsync", "fdatasync", "write"])
def test_a_log_that_cannot_be_made_leaves_nothing(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, call, fail(BROKEN))
    with pytest.raises(OSError, match="Input/output error"), opened_log(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["fsync", "fdatasync", "write", "ftruncate"])
def test_a_log_that_cannot_be_opened_can_be_opened_later(
    call: str, log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.close()
    with (tmp_path / segment.name_of(1)).open("ab") as file:
        file.write(b"torn")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail(BROKEN))
        with pytest.raises(OSError, match="Input/output error"), opened_log(tmp_path):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    with opened_log(tmp_path) as again:
        assert payloads(again) == [b"before"]


def test_a_log_whose_files_were_deleted_takes_nothing_more(log: EmbeddedLog, tmp_path: Path) -> None:
    for path in tmp_path.glob("*.seg"):
        path.unlink()
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="its files were deleted; restore them"):
            append(log, b"two")

"""What happens around a log while it is looked at, and files that never come to an end: neither loses a line, nor keeps others from theirs."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from collector.datastore.logfile import rotation
from collector.datastore.logfile.contents import Plain
from collector.datastore.logfile.handles import Found, look_beside
from collector.readings import Readings
from tests.collector.conftest import Reader
from tests.fakes.log_writer import Log

Follow = Callable[..., Reader]
Ids = Callable[[Readings], list[str]]

ROWS = {
    "records": {"format": "csv"},
    "time": "time",
    "type": {"const": "request"},
    "source": {"const": "/gateway"},
    "subject": "who",
}
ROW = b"2026-01-31T09:30:00Z,%s\n"


def status(readings: Readings) -> str:
    (record,) = readings.coverage
    return record.status


def are_open(folder: Path) -> int:
    """How many files of a folder this process has open, removed ones too."""
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists the folder
            names.append(str(descriptor.readlink()))
    return sum(name.startswith(f"{folder}/") for name in names)


def test_it_is_copied_and_truncated_while_it_is_looked_at(
    log: Log, follow: Follow, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write("a")
    reader = follow()
    assert ids(reader.read()) == ["a"]
    log.write("b")

    def look_and_copy(path: str) -> list[Found]:
        found = look_beside(path)
        if not log.numbered(1).exists():
            log.copy_and_truncate()
            log.write("c")
        return found

    monkeypatch.setattr(rotation, "look_beside", look_and_copy)
    readings = reader.read()
    assert (ids(readings), status(readings)) == (["b", "c"], "complete")


@pytest.mark.parametrize("grown", [False, True], ids=["nothing new", "grown"])
@pytest.mark.parametrize("after", range(2, 9))
def test_it_is_copied_and_truncated_while_it_is_read(
    log: Log, follow: Follow, ids: Ids, monkeypatch: pytest.MonkeyPatch, grown: bool, after: int
) -> None:
    log.write("a", "b")
    reader = follow()
    assert ids(reader.read()) == ["a", "b"]
    if grown:
        log.write("c")
    really, reads = Plain.read, itertools.count(1)

    def read_and_truncate(content: Plain, offset: int, length: int) -> bytes:
        if next(reads) == after:
            log.write("d")
            log.copy_and_truncate()
            log.write("e")
        return really(content, offset, length)

    monkeypatch.setattr(Plain, "read", read_and_truncate)
    readings = reader.read()
    later = reader.read()
    assert ids(readings) + ids(later) == ["c"] * grown + ["d", "e"]
    assert (status(readings), status(later)) == ("complete", "complete")


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
def test_it_is_looked_at_between_the_copy_and_the_truncation(
    log: Log, follow: Follow, again: Callable[..., Reader], ids: Ids, down: bool
) -> None:
    log.write()
    reader = follow()
    assert ids(reader.read()) == []
    log.write("a")
    # Whoever saw nothing of a file takes what was written beside it since for another: here both hold the same.
    shutil.copyfile(log.path, log.numbered(1))
    log.touch(log.numbered(1))
    assert set(ids(reader.read())) == {"a"}
    log.truncate()
    log.write("b")
    reader = again(reader) if down else reader
    readings = reader.read()
    assert (ids(readings), status(readings)) == (["b"], "complete")


def test_an_old_file_is_removed_while_the_folder_is_listed(
    log: Log, follow: Follow, again: Follow, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write("a")
    reader = follow()
    assert ids(reader.read()) == ["a"]
    log.write("b")
    log.copy_and_truncate()
    log.write("c")
    oldest = log.numbered(9)
    oldest.touch()
    really = os.scandir

    class Listing:
        """The entries of a folder; before they are looked at, one of them is removed."""

        def __init__(self, folder: str) -> None:
            with really(folder) as entries:
                self._entries = list(entries)
            oldest.unlink(missing_ok=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self._entries

        def __exit__(self, *_: object) -> None:
            oldest.touch()

    monkeypatch.setattr(os, "scandir", Listing)
    readings = again(reader).read()
    assert (ids(readings), status(readings)) == (["b", "c"], "complete")


def test_a_folder_that_cannot_be_listed_just_now_is_not_an_empty_one(
    log: Log, follow: Follow, again: Follow, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write("a")
    reader = follow()
    assert ids(reader.read()) == ["a"]
    log.write("b")
    log.rotate()
    log.write("c")
    reader = again(reader)

    def refused(folder: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files", folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refused)
        (record,) = reader.read().coverage
    assert (record.status, record.reason) == ("failed", f"{log.path.parent} cannot be read: Too many open files")
    readings = reader.read()
    assert (ids(readings), status(readings)) == (["b", "c"], "complete")


def test_a_line_may_leave_its_file_the_time_of_the_line_before(log: Log, follow: Follow, ids: Ids) -> None:
    log.write("a")
    reader = follow()
    assert ids(reader.read()) == ["a"]
    rotated = log.rotate()
    log.append(b"")
    assert ids(reader.read()) == []
    before = rotated.stat()
    log.write("b", path=rotated)
    os.utime(rotated, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ids(reader.read()) == ["b"]


def test_lines_that_wait_for_their_ends_keep_nobody_waiting(log: Log, follow: Follow, ids: Ids) -> None:
    limits = {"start_at": "oldest", "line_bytes_max": 500, "read_bytes_max": 501}
    for _ in range(3):
        log.append(b"x" * 500)
        log.rotate()
    log.write("a", "b", "c")
    reader = follow(**limits)
    found = []
    for _ in range(4):
        found += ids(reader.read())
    assert found == ["a", "b", "c"]


def test_files_with_headers_of_no_use_are_let_go_once_they_are_removed(log: Log, follow: Follow) -> None:
    reader = follow(mapping=ROWS)
    for _ in range(3):
        log.append(b"at,who\n" + ROW % b"a")
        assert "its header cannot be used" in reader.read().coverage[0].reason
        log.rotate().unlink()
    log.append(b"time,who\n" + ROW % b"b")
    readings = reader.read()
    assert (readings.events["subject"].to_pylist(), status(readings)) == (["b"], "lost")
    assert "was removed before it was read: its header cannot be used" in readings.coverage[0].reason
    assert status(reader.read()) == "complete"
    reader.read()
    assert are_open(log.path.parent) == 1


def test_a_collection_that_fails_leaves_nothing_open(log: Log, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcdefgh":
        log.write(name)
        log.rotate()
    log.write("i")
    reader = follow(start_at="oldest")
    really = os.open
    left = iter(range(4))

    def short_of_files(path: str, flags: int) -> int:
        if next(left, None) is None:
            raise OSError(errno.EMFILE, "Too many open files", path)
        return really(path, flags)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", short_of_files)
        assert status(reader.read()) == "failed"
    assert are_open(log.path.parent) == 0
    assert reader.read().events["id"].to_pylist() == list("abcdefghi")

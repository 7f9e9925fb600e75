"""What happens around a log while it is looked at, and files that never come to an end: neither loses a line, nor keeps others from theirs."""

from __future__ import annotations

import errno
import gzip
import itertools
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from collector.datastore.logfile import looks as looks_at
from collector.datastore.logfile import rotation
from collector.datastore.logfile.contents import Plain
from collector.datastore.logfile.handles import Handles
from collector.datastore.logfile.looks import Found, Look, look
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
ROW_HEADER = b"time,who\n"
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

    def look_and_copy(path: str) -> Look:
        found = look(path)
        if not log.numbered(1).exists():
            log.copy_and_truncate()
            log.write("c")
        return found

    monkeypatch.setattr(rotation, "look", look_and_copy)
    readings = reader.read()
    assert (ids(readings), status(readings)) == (["b", "c"], "complete")


@pytest.mark.parametrize("grown", [False, True], ids=["nothing new", "grown"])
@pytest.mark.parametrize("before", [["a", "b"], []], ids=["known", "blank"])
@pytest.mark.parametrize("after", range(1, 9))
def test_it_is_copied_and_truncated_while_it_is_read(
    log: Log, follow: Follow, ids: Ids, monkeypatch: pytest.MonkeyPatch, grown: bool, before: list[str], after: int
) -> None:
    log.write(*before)
    reader = follow()
    assert ids(reader.read()) == before
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
@pytest.mark.parametrize("is_made_anew", [False, True])
@pytest.mark.parametrize("before", [False, True], ids=["after it was asked for", "before"])
def test_it_is_rotated_between_its_name_and_the_others(
    log: Log,
    follow: Follow,
    again: Follow,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
    is_made_anew: bool,
    down: bool,
) -> None:
    log.append(ROW_HEADER + ROW % b"a")
    reader = follow(mapping=ROWS, start_at="oldest")
    rows = reader.read().events["id"].to_pylist()
    log.append(ROW % b"b")
    log.rotate()
    log.append(ROW_HEADER + ROW % b"c")
    really, looks = looks_at.__dict__["_at"], itertools.count()

    def ask_and_rotate(path: str) -> Found | None:
        is_first = next(looks) == 0
        found = None if is_first and before else really(path)
        if is_first:
            log.rotate()
            if is_made_anew:
                log.append(ROW_HEADER + ROW % b"d")
            found = really(path) if before else found
        return found

    monkeypatch.setattr(looks_at, "_at", ask_and_rotate)
    reader = again(reader, mapping=ROWS, start_at="oldest") if down else reader
    readings = [reader.read(), reader.read()]
    rows += [name for each in readings for name in each.events["id"].to_pylist()]
    assert len(rows) == len(set(rows)) == 3 + is_made_anew
    # Without a new file the next reading finds none of the name.
    assert [status(each) for each in readings] == ["complete", "complete" if is_made_anew else "failed"]


def test_what_comes_and_goes_beside_it_keeps_nobody_from_reading(
    log: Log, follow: Follow, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write("a")
    reader, names = follow(), itertools.count()

    def look_and_make(path: str) -> Look:
        found = look(path)
        log.path.with_name(f"{log.path.name}-{next(names)}.tmp").touch()
        return found

    monkeypatch.setattr(rotation, "look", look_and_make)
    readings = reader.read()
    assert (ids(readings), status(readings)) == (["a"], "complete")


@pytest.mark.parametrize("name", ["usage.log-keep", "usage.log.keep", "usage.log.0old"])
def test_another_name_of_a_rotated_file_hides_it_from_nobody(
    log: Log, follow: Follow, again: Callable[..., Reader], ids: Ids, name: str
) -> None:
    log.write("a")
    reader = follow()
    assert ids(reader.read()) == ["a"]
    log.rotate()
    log.write("b")
    log.path.with_name(name).hardlink_to(log.rotate())
    log.write("c")
    readings = again(reader).read()
    assert (ids(readings), status(readings)) == (["b", "c"], "complete")


def test_where_what_looks_rotated_comes_and_goes_all_the_time_it_is_read_nonetheless(
    log: Log, follow: Follow, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write("a")
    reader, names = follow(), itertools.count(100)

    def look_and_make(path: str) -> Look:
        found = look(path)
        log.numbered(next(names)).touch()
        return found

    monkeypatch.setattr(rotation, "look", look_and_make)
    readings = reader.read()
    assert (ids(readings), status(readings)) == (["a"], "complete")


def test_a_file_with_two_names_is_read_once(log: Log, follow: Follow) -> None:
    log.append(ROW_HEADER + ROW % b"a")
    rotated = log.rotate()
    log.numbered(2).hardlink_to(rotated)
    log.append(ROW_HEADER + ROW % b"b")
    log.numbered(3).hardlink_to(log.path)
    reader = follow(mapping=ROWS, start_at="oldest")
    assert [reader.read().events["subject"].to_pylist() for _ in range(2)] == [["a", "b"], []]


def test_what_was_seen_before_it_was_whole_is_unpacked_once_it_is(tmp_path: Path) -> None:
    part, packed = tmp_path / "usage.log.2.part", tmp_path / "usage.log.2.gz"
    part.write_bytes(gzip.compress(b"a line"))
    handles = Handles()
    (seen,) = looks_at.look(str(tmp_path / "usage.log")).beside
    assert handles.open(seen).read(0, 2) == b"\x1f\x8b"
    part.rename(packed)
    (seen,) = looks_at.look(str(tmp_path / "usage.log")).beside
    assert handles.open(seen).read(0, 9) == b"a line"
    handles.keep(())
    assert are_open(tmp_path) == 0


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

"""A log file that grows, is rotated, truncated, removed and brought back, with and without an agent to see it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from collector.datastore.logfile import rotation
from collector.datastore.logfile.looks import Look, look
from collector.readings import Coverage, DeadLetter, Readings
from tests.collector.conftest import WINDOW, Reader
from tests.fakes.log_writer import Log

PAD = "x" * 300


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "usage.log")


@pytest.fixture
def follow(log: Log, reader: Callable[..., Reader]) -> Callable[..., Reader]:
    def make(**given: Any) -> Reader:
        return reader("logfile", path=str(log.path), **given)

    return make


def restarted(old: Reader, follow: Callable[..., Reader], **given: Any) -> Reader:
    """A new agent with the checkpoint of the old one, and none of its open files."""
    old.collector.close()
    new = follow(**given)
    new.checkpoint = old.checkpoint
    return new


def ids(readings: Readings) -> list[str]:
    assert readings.dead_letters == ()
    return list(readings.events["id"].to_pylist())


def only(readings: Readings) -> Coverage:
    (record,) = readings.coverage
    assert (record.start_us, record.end_us) == (WINDOW.start_us, WINDOW.end_us)
    return record


Follow = Callable[..., Reader]


def test_what_is_appended_is_read_once(log: Log, follow: Follow) -> None:
    log.write("a", "b")
    reader = follow()
    assert ids(reader.read()) == ["a", "b"]
    assert ids(reader.read()) == []
    log.write("c")
    assert ids(reader.read()) == ["c"]
    assert reader.collector.source == f"logfile/{log.path}"


def test_an_incomplete_line_waits(log: Log, follow: Follow) -> None:
    reader = follow()
    log.write("a")
    log.append(b'{"id":"b","source":"s","type":"t",')
    assert ids(reader.read()) == ["a"]
    log.append(b'"time":"2026-01-01T00:00:00Z"}')
    assert ids(reader.read()) == []
    log.append(b"\n")
    assert ids(reader.read()) == ["b"]


@pytest.mark.parametrize("is_made_anew", [True, False])
@pytest.mark.parametrize("rotations", [1, rotation.LOOKS_MAX - 1, rotation.LOOKS_MAX])
def test_it_is_rotated_while_it_is_looked_at(
    log: Log, follow: Follow, monkeypatch: pytest.MonkeyPatch, rotations: int, is_made_anew: bool
) -> None:
    log.write("a")
    reader = follow()
    assert ids(reader.read()) == ["a"]
    log.write("b")
    written = ["b"]

    def look_and_rotate(path: str) -> Look:
        found = look(path)
        if len(written) <= rotations:
            written.append(f"b{len(written)}")
            log.write(written[-1])
            log.rotate()
            if is_made_anew:
                log.append(b"")
        return found

    monkeypatch.setattr(rotation, "look", look_and_rotate)
    reader = restarted(reader, follow)
    readings = reader.read()
    if rotations < rotation.LOOKS_MAX and is_made_anew:
        assert only(readings).status == "complete"
    elif rotations == rotation.LOOKS_MAX:
        assert re.search("while (it was looked at|they were read)", only(readings).reason)
        assert ids(readings) == []
        readings = reader.read()
    assert ids(readings) == written


def test_a_file_that_is_not_there_yet(log: Log, follow: Follow) -> None:
    for start_at in ("beginning", "end"):
        reader = follow(start_at=start_at)
        coverage = only(reader.read())
        assert (coverage.status, coverage.reason) == ("failed", f"{log.path} does not exist")
        log.write("a")
        assert ids(reader.read()) == ["a"]
        log.path.unlink()


def test_starting_at_the_end(log: Log, follow: Follow) -> None:
    log.write("a")
    log.append(b"half a line")
    reader = follow(start_at="end")
    assert ids(reader.read()) == []
    log.append(b", and the other half\n")
    log.write("b")
    assert ids(reader.read()) == ["b"]


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
def test_a_renamed_file_is_read_to_its_end_first(log: Log, follow: Follow, down: bool) -> None:
    log.write("a")
    reader = follow()
    reader.read()
    log.write("b")
    rotated = log.rotate()
    log.write("d")
    log.write("c", path=rotated)  # the writer still had it open
    reader = restarted(reader, follow) if down else reader
    readings = reader.read()
    assert ids(readings) == ["b", "c", "d"]
    assert only(readings).status == "complete"
    log.write("late", path=rotated)
    log.write("e")
    assert ids(reader.read()) == ["late", "e"]


def test_between_renaming_and_creation(log: Log, follow: Follow) -> None:
    log.write("a")
    reader = follow()
    reader.read()
    log.write("b")
    log.rotate()
    readings = reader.read()
    assert (ids(readings), only(readings).status) == (["b"], "complete")
    assert only(reader.read()).reason.endswith("usage.log does not exist")
    log.write("c")
    readings = reader.read()
    assert (ids(readings), only(readings).status) == (["c"], "complete")


def test_several_rotations_while_down(log: Log, follow: Follow) -> None:
    log.write("ancient")
    log.rotate()
    log.write("a")
    reader = follow()
    assert ids(reader.read()) == ["a"]
    log.write("b")
    for name in ("c", "d", "e"):
        log.rotate()
        log.write(name)
    log.append(b"not ours\n", log.path.with_name("usage.log.bak"))
    reader = restarted(reader, follow)
    readings = reader.read()
    assert ids(readings) == ["b", "c", "d", "e"]
    assert only(readings).status == "complete"
    assert ids(reader.read()) == []
    for number in range(1, 6):
        log.numbered(number).unlink(missing_ok=True)
    log.write("f")
    readings = reader.read()
    assert (ids(readings), only(readings).status) == (["f"], "complete")


def test_a_file_that_vanished_unread_is_lost(log: Log, follow: Follow) -> None:
    log.write("a", "b", "c")
    reader = follow(lines_max=1)
    assert reader.read().more
    size, offset = log.path.stat().st_size, log.path.stat().st_size // 3
    log.rotate().unlink()
    log.write("d")
    reader = restarted(reader, follow, lines_max=1)
    readings = reader.read()
    assert ids(readings) == ["d"]
    assert only(readings).status == "lost"
    assert f"at least {size - offset} bytes of it after byte {offset}" in only(readings).reason
    assert only(reader.read()).status == "complete"


def test_a_removed_file_is_read_as_long_as_it_is_open(log: Log, follow: Follow) -> None:
    log.write("a")
    reader = follow()
    reader.read()
    log.write("b")
    log.path.unlink()
    log.write("c")
    before = reader.checkpoint
    for _ in range(2):  # the second time as if the first could not be stored
        reader.checkpoint = before
        readings = reader.read()
        assert (ids(readings), only(readings).status) == (["b", "c"], "complete")
    assert ids(reader.read()) == []


@pytest.mark.parametrize("grown", [0, 1, 3])
def test_a_truncated_file_begins_anew(log: Log, follow: Follow, grown: int) -> None:
    log.write("a" + PAD, "b" + PAD)
    reader = follow()
    reader.read()
    log.truncate()
    log.write(*[f"new{number}{PAD}" for number in range(grown)])
    reader = restarted(reader, follow)
    readings = reader.read()
    assert ids(readings) == [f"new{number}{PAD}" for number in range(grown)]
    assert only(readings).status == "partial"
    assert "was truncated or rewritten: what stood in it after byte" in only(readings).reason
    assert only(reader.read()).status == "complete"


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
def test_copy_and_truncate_loses_nothing_that_was_copied(log: Log, follow: Follow, down: bool) -> None:
    log.write("a" + PAD)
    reader = follow()
    reader.read()
    log.write("b" + PAD)
    log.copy_and_truncate()
    log.write("c" + PAD)
    if down:
        log.copy_and_truncate()
        log.write("d" + PAD)
        reader = restarted(reader, follow)
    readings = reader.read()
    assert [name[0] for name in ids(readings)] == ["b", "c", "d"][: 2 + down]
    assert only(readings).status == "complete"
    log.copy_and_truncate()
    log.write("e" + PAD)
    assert [name[0] for name in ids(reader.read())] == ["e"]


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
def test_what_came_into_an_empty_file_and_was_copied_is_read(log: Log, follow: Follow, down: bool) -> None:
    log.write("a")
    reader = follow()
    reader.read()
    log.copy_and_truncate()
    assert ids(reader.read()) == []
    log.write("b")
    log.copy_and_truncate()
    log.write("c")
    reader = restarted(reader, follow) if down else reader
    readings = reader.read()
    assert (ids(readings), only(readings).status) == (["b", "c"], "complete")
    assert ids(reader.read()) == []


def test_rotated_files_from_before_an_empty_one_are_left_alone(log: Log, follow: Follow) -> None:
    log.write("ancient")
    log.copy_and_truncate()
    reader = follow()
    assert ids(reader.read()) == []
    log.write("a")
    assert ids(reader.read()) == ["a"]


def test_a_file_that_was_copied_and_truncated_and_then_renamed(log: Log, follow: Follow) -> None:
    log.write("a" + PAD)
    reader = follow()
    reader.read()
    log.copy_and_truncate()
    log.write("b" + PAD)
    log.rotate()
    log.write("c" + PAD)
    readings = restarted(reader, follow).read()
    assert ([name[0] for name in ids(readings)], only(readings).status) == (["b", "c"], "complete")


def test_a_rotated_file_may_have_the_inode_of_one_that_was_read(log: Log, follow: Follow) -> None:
    log.write("a" + PAD)
    reader = follow()
    reader.read()
    log.rotate()
    log.write("b" + PAD)
    reader.read()
    old, present = reader.checkpoint["files"]
    log.numbered(1).unlink()
    log.rotate()
    log.write("c" + PAD)
    log.rotate()
    log.write("d" + PAD)
    reader.checkpoint = {"files": [{**old, "inode": log.numbered(1).stat().st_ino}, present]}
    readings = restarted(reader, follow).read()
    assert ([name[0] for name in ids(readings)], only(readings).status) == (["c", "d"], "complete")


def test_an_inode_that_was_given_again(log: Log, follow: Follow) -> None:
    log.write("a" + PAD)
    reader = follow()
    reader.read()
    reader.checkpoint = {
        "files": [{**one, "fingerprint": "0" * 64, "offset": 10} for one in reader.checkpoint["files"]]
    }
    readings = restarted(reader, follow).read()
    assert (ids(readings), only(readings).status) == (["a" + PAD], "partial")


def test_a_line_too_long_is_a_dead_letter(log: Log, follow: Follow) -> None:
    reader = follow(line_bytes_max=100, read_bytes_max=150)
    log.write("a")
    log.append(b"y" * 5000 + b"\n")
    log.write("b")
    found: list[str] = []
    letters: list[DeadLetter] = []
    for _ in range(100):
        readings = reader.read()
        found += readings.events["id"].to_pylist()
        letters += readings.dead_letters
        if not readings.more:
            break
    assert found == ["a", "b"]
    (letter,) = letters
    assert letter.reason == "the line is longer than line_bytes_max 100"
    assert letter.document == "y" * 100
    assert letter.place.startswith(f"{log.path}:")


def test_dead_letters_say_where(log: Log, follow: Follow) -> None:
    log.write("a")
    offset = log.path.stat().st_size
    log.append(b"not JSON\n")
    log.write("b")
    readings = follow(name="gateway").read()
    assert readings.events["id"].to_pylist() == ["a", "b"]
    (letter,) = readings.dead_letters
    assert (letter.source, letter.place, letter.document) == ("gateway", f"{log.path}:{offset}", "not JSON")


def test_what_is_no_readable_file(log: Log, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = follow()
    os.mkfifo(log.path)
    assert only(reader.read()).reason == f"{log.path} is not a regular file"
    log.path.unlink()
    log.write("a")

    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:  # chmod would not stop root
        patched.setattr(os, "open", refused)
        coverage = only(reader.read())
    assert (coverage.status, coverage.reason) == ("failed", f"{log.path} cannot be read: Permission denied")
    assert ids(reader.read()) == ["a"]


def open_files(log: Log) -> set[str]:
    """The files of the log that this process has open, by the names they have now."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists the folder
            found.add(str(descriptor.readlink()))
    return {name for name in found if name.startswith(str(log.path))}


def test_files_are_closed(log: Log, follow: Follow) -> None:
    reader = follow()
    for name in "abcdef":
        log.write(name)
        reader.read()
        log.rotate()
    assert len(open_files(log)) <= 2
    reader.collector.close()
    assert open_files(log) == set()


def test_what_is_remembered_is_bounded(log: Log, follow: Follow) -> None:
    reader = follow()
    for number in range(40):
        log.write(f"e{number}")
        assert ids(reader.read()) == [f"e{number}"]
        log.path.rename(log.path.with_name(f"usage.log.{1000 + number}"))
    assert len(reader.checkpoint["files"]) == 32


def test_settings(follow: Follow, reader: Callable[..., Reader]) -> None:
    with pytest.raises(ValueError, match="is not absolute"):
        reader("logfile", path="relative.log")
    with pytest.raises(ValueError, match="line_bytes_max 10 must be below read_bytes_max 10"):
        follow(line_bytes_max=10, read_bytes_max=10)

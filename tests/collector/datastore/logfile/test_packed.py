"""Rotated files that are compressed: their rest is read, nothing is read twice, and what is damaged is told."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.readings import Coverage, Readings, Window
from tests.collector.conftest import WINDOW, Reader
from tests.fakes.log_writer import Log

Follow = Callable[..., Reader]
Compress = Callable[[Path], Path]
Ids = Callable[[Readings], list[str]]
PAD = "x" * 300


def only(readings: Readings) -> Coverage:
    (record,) = readings.coverage
    return record


def rotate(log: Log) -> Path:
    """Rename as logrotate does, also what is compressed."""
    for number in range(8, 0, -1):
        for end in ("", ".gz", ".zst"):
            old = log.path.with_name(f"{log.path.name}.{number}{end}")
            if old.exists():
                old.rename(log.path.with_name(f"{log.path.name}.{number + 1}{end}"))
    return log.path.rename(log.numbered(1))


def copy_and_truncate(log: Log) -> Path:
    copied = log.path.read_bytes()
    rotate(log).rename(log.path)
    log.append(copied, log.numbered(1))
    log.truncate()
    return log.numbered(1)


def test_the_rest_of_what_was_rotated_and_compressed_while_down(
    log: Log, follow: Follow, again: Follow, compress: Compress, ids: Ids
) -> None:
    log.write("a" + PAD)
    reader = follow()
    assert len(ids(reader.read())) == 1
    log.write("b" + PAD)
    compress(rotate(log))
    log.write("c" + PAD)
    compress(rotate(log))
    log.write("d" + PAD)
    reader = again(reader)
    readings = reader.read()
    assert ([name[0] for name in ids(readings)], only(readings).status) == (["b", "c", "d"], "complete")
    assert ids(reader.read()) == []
    rotate(log)
    log.write("e")
    assert ids(again(reader).read()) == ["e"]


def test_what_was_copied_truncated_and_compressed(
    log: Log, follow: Follow, again: Follow, compress: Compress, ids: Ids
) -> None:
    log.write("a" + PAD)
    reader = follow()
    reader.read()
    log.write("b" + PAD)
    compress(copy_and_truncate(log))
    log.write("c" + PAD)
    readings = again(reader).read()
    assert ([name[0] for name in ids(readings)], only(readings).status) == (["b", "c"], "complete")


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "down"])
@pytest.mark.parametrize("keeps_time", [False, True])
def test_what_was_read_is_not_read_again_when_it_is_compressed(
    log: Log, follow: Follow, again: Follow, compress: Compress, ids: Ids, restarts: bool, keeps_time: bool
) -> None:
    log.write("a" + PAD)
    reader = follow()
    reader.read()
    log.write("b" + PAD)
    rotate(log)
    log.write("c" + PAD)
    assert [name[0] for name in ids(reader.read())] == ["b", "c"]
    rotate(log)
    packed = compress(log.numbered(2))
    if not keeps_time:
        log.touch(packed)
    log.write("d" + PAD)
    if restarts:
        reader = again(reader)
    for _ in range(2):
        before = reader.checkpoint
        readings = reader.read()
        assert ([name[0] for name in ids(readings)], only(readings).status) == (["d"], "complete")
        reader.checkpoint = before
    reader.read()
    rotate(log)
    log.write("e")
    assert ids(again(reader).read()) == ["e"]


def test_compressed_at_once_while_the_agent_runs(log: Log, follow: Follow, compress: Compress, ids: Ids) -> None:
    log.write("a" + PAD)
    reader = follow()
    reader.read()
    for name in "bcd":
        log.write(name + PAD)
        log.touch(compress(rotate(log)))
        log.write(name.upper() + PAD)
        readings = reader.read()
        assert ([found[0] for found in ids(readings)], only(readings).status) == ([name, name.upper()], "complete")
        assert ids(reader.read()) == []


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
def test_compressed_while_it_is_not_read_to_its_end(
    log: Log, follow: Follow, again: Callable[..., Reader], compress: Compress, ids: Ids, down: bool
) -> None:
    names = [f"{number:02}" + PAD for number in range(20)]
    log.write(names[0])
    reader = follow(lines_max=5)
    found = ids(reader.read())
    log.write(*names[1:])
    log.touch(compress(rotate(log)))
    log.write("last")
    found += ids(reader.read())
    reader = again(reader, lines_max=5) if down else reader
    for _ in range(8):
        readings = reader.read()
        found += ids(readings)
    assert (found, only(readings).status) == ([*names, "last"], "complete")


def test_files_that_begin_alike_are_told_apart(log: Log, follow: Follow, again: Follow, ids: Ids) -> None:
    header = b"# " + b"=" * 400 + b"\n"
    log.append(header)
    log.write("a1", "a2")
    reader = follow()
    readings = reader.read()
    assert readings.events["id"].to_pylist() == ["a1", "a2"]
    gzipped = {}
    for name in "bc":
        rotate(log)
        log.append(header)
        log.write(f"{name}1", f"{name}2")
        gzipped[name] = log.path.read_bytes()
    for number in (1, 2):
        path = log.numbered(number)
        content, status = path.read_bytes(), path.stat()
        path.unlink()
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(content))
        os.utime(packed, ns=(status.st_mtime_ns, status.st_mtime_ns))
    reader = again(reader)
    assert reader.read().events["id"].to_pylist() == ["b1", "b2", "c1", "c2"]
    assert ids(reader.read()) == []


@pytest.mark.parametrize("start_at", ["oldest", "beginning", "end"])
def test_rotated_files_at_the_first_start(
    log: Log, follow: Follow, compress: Compress, ids: Ids, start_at: str
) -> None:
    for name in "abc":
        log.write(name)
        rotate(log)
    compress(log.numbered(3))
    compress(log.numbered(2))
    log.write("d")
    readings = follow(start_at=start_at).read()
    assert ids(readings) == {"oldest": ["a", "b", "c", "d"], "beginning": ["d"], "end": []}[start_at]


def test_reading_one_goes_on_over_many_collections(
    log: Log, follow: Follow, again: Follow, compress: Compress, ids: Ids
) -> None:
    log.write("a" + PAD)
    reader = follow()
    reader.read()
    names = [f"{number:05}{PAD}" for number in range(300)]
    log.write(*names)
    compress(rotate(log))
    log.write("z")
    found: list[str] = []
    for turn in range(1000):
        reader = again(reader, read_bytes_max=5000, line_bytes_max=1000) if turn % 10 == 0 else reader
        readings = reader.read()
        found += ids(readings)
        if not readings.more:
            break
    assert found == [*names, "z"]


def cut_short(path: Path) -> Path:
    """A compressed file with no end, the last that was written of it."""
    packed = path.with_name(path.name + ".gz")
    lines = path.read_bytes().splitlines(keepends=True)
    half = gzip.compress(b"".join(lines[:2]))[:-8]
    packed.write_bytes(half)
    os.utime(packed, ns=(path.stat().st_mtime_ns,) * 2)
    path.unlink()
    return packed


def test_what_is_cut_short_is_lost_and_named(log: Log, follow: Follow, again: Follow, ids: Ids) -> None:
    log.write("a")
    reader = follow()
    reader.read()
    log.write("b", "c")
    packed = cut_short(rotate(log))
    log.write("d")
    reader = again(reader)
    readings = reader.read()
    assert ids(readings) == ["b", "d"]
    assert only(readings).status == "lost"
    assert f"{packed}: it ends within its gzip data: what stood in it after byte" in only(readings).reason
    assert only(reader.read()).status == "complete"


def test_what_is_being_compressed_is_waited_for(log: Log, follow: Follow, again: Follow, ids: Ids) -> None:
    log.write("a")
    reader = follow()
    reader.read()
    log.write("b", "c")
    rotated = rotate(log)
    whole, written = rotated.read_bytes(), rotated.stat().st_mtime_ns
    packed = cut_short(rotated)
    log.write("d")
    reader = again(reader)

    def read(after_s: int) -> Readings:
        window = Window(WINDOW.start_us, written // 1000 + after_s * 1_000_000)
        readings = reader.collector.collect(window, reader.checkpoint)
        reader.checkpoint = readings.checkpoint
        return readings

    os.utime(packed, ns=(written, written))
    readings = read(30)
    assert (ids(readings), only(readings).status) == (["b", "d"], "partial")
    assert f"{packed}: it ends within its gzip data: it was written just now" in only(readings).reason
    packed.write_bytes(gzip.compress(whole))
    os.utime(packed, ns=(written + 10**9, written + 10**9))
    readings = read(45)
    assert (ids(readings), only(readings).status) == (["c"], "complete")
    assert ids(read(300)) == []


def test_a_new_one_is_read_when_it_rests(log: Log, follow: Follow, again: Follow, ids: Ids) -> None:
    log.write("a")
    reader = follow()
    reader.read()
    rotate(log)
    log.write("b")
    rotated = rotate(log)
    log.write("c")
    written = rotated.stat().st_mtime_ns
    packed = rotated.with_name(rotated.name + ".gz")
    packed.write_bytes(gzip.compress(rotated.read_bytes()))
    rotated.unlink()
    os.utime(packed, ns=(written, written))
    reader = again(reader)
    found = []
    for after_s in (10, 59, 60, 90):
        readings = reader.collector.collect(Window(0, written // 1000 + after_s * 1_000_000), reader.checkpoint)
        reader.checkpoint = readings.checkpoint
        found.append((ids(readings), only(readings).status, only(readings).reason))
    reason = f"{packed} was written just now: it is read once it is whole"
    assert found == [(["c"], "partial", reason), ([], "partial", reason), (["b"], "complete", ""), ([], "complete", "")]


def test_a_last_line_without_end_is_a_dead_letter(log: Log, follow: Follow, again: Follow, compress: Compress) -> None:
    log.write("a")
    reader = follow()
    reader.read()
    offset = log.path.stat().st_size
    log.append(b'{"id":"half')
    compress(rotate(log))
    log.write("c")
    reader = again(reader)
    readings = reader.read()
    assert readings.events["id"].to_pylist() == ["c"]
    (letter,) = readings.dead_letters
    assert (letter.place, letter.reason) == (f"{log.path}:{offset}", "the file ends within the line")
    assert letter.document == '{"id":"half'
    assert reader.read().dead_letters == ()


def test_a_compressed_file_beside_its_original_is_left_alone(log: Log, follow: Follow, again: Follow, ids: Ids) -> None:
    log.write("a")
    reader = follow()
    reader.read()
    for name in "bc":
        rotate(log)
        log.write(name)
    log.append(gzip.compress(log.numbered(1).read_bytes()), log.path.with_name("usage.log.1.gz"))
    assert ids(again(reader).read()) == ["b", "c"]


def test_a_path_that_is_compressed_is_refused(reader: Callable[..., Reader]) -> None:
    with pytest.raises(ValueError, match="is compressed: name the file that is written"):
        reader("logfile", path="/var/log/usage.log.gz")

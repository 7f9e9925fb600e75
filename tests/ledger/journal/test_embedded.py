"""The log in files: segments, what a crash leaves of them, and what is refused. The rest is the contract of every log."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import segment
from ledger.journal.disk import Disk
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.grouping import GROUP_BYTES_MAX
from ledger.journal.log import Known
from ledger.journal.record import Head
from meterbook.proof.merkle import Frontier
from tests.ledger.journal.logs import (
    WAIT_S,
    append,
    check_whole,
    drafts,
    file_of,
    groups_of,
    opened_log,
    payloads,
    put,
    records_of,
)


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def written(directory: Path, count: int = 4, segment_bytes: int = 300) -> list[Path]:
    """A log of some segments."""
    with opened_log(directory, segment_bytes) as log:
        append(log, *(b"%d" % number * 100 for number in range(count)))
    return segments(directory)


@given(lives=st.lists(st.lists(st.binary(max_size=300), max_size=5), max_size=6), segment_bytes=st.integers(1, 1_500))
def test_what_is_appended_is_read_over_restarts_and_segments(
    lives: list[list[bytes]], segment_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("log")
    expected: list[bytes] = []
    for life in lives:
        with opened_log(directory, segment_bytes) as log:
            for payload in life:
                expected.append(payload)
                assert append(log, payload) == len(expected)
    with opened_log(directory, segment_bytes) as log:
        found = check_whole(log)
        assert [record.payload for record in found] == expected
        for after in range(len(expected) + 1):
            assert records_of(log, after, stored=True, bytes_max=1) == found[after:]


def test_segments_roll_over_and_each_begins_where_the_one_before_ends(tmp_path: Path) -> None:
    with opened_log(tmp_path, segment_bytes=500) as log:
        append(log, *(bytes([number]) * 100 for number in range(10)))
        found = check_whole(log)
    headers = []
    for path in segments(tmp_path):
        file = Disk(tmp_path).open(path.name)
        headers.append(segment.read_header(file)[0])
        file.close()
    assert [header.position for header in headers] == [1, 3, 5, 7, 9]
    for header in headers:
        before = found[: header.position - 1]
        assert header.frontier == Frontier().appended(record.leaf for record in before)
        assert header.time_us == (before[-1].time_us if before else 0)
    assert len({header.seed for header in headers}) == len(headers)


def test_a_segment_without_a_record_is_never_replaced(tmp_path: Path) -> None:
    with opened_log(tmp_path, segment_bytes=1) as log:
        append(log, b"one", b"two")
    assert [path.name for path in segments(tmp_path)] == [segment.name_of(1), segment.name_of(2)]


def test_many_appends_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_sync, syncs = threading.Event(), []

    def slow_sync(descriptor: int) -> None:
        syncs.append(descriptor)
        assert may_sync.wait(WAIT_S)

    with opened_log(tmp_path) as log:
        monkeypatch.setattr(os, "fdatasync", slow_sync)
        sent = drafts(*[b"x"] * 100)
        futures = [log.append(draft) for draft in sent]
        may_sync.set()
        assert [future.result(WAIT_S) for future in futures] == list(range(1, 101))
        assert len(syncs) <= 3


def test_nothing_is_visible_before_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncing, may_sync = threading.Event(), threading.Event()

    def slow_sync(_: int) -> None:
        syncing.set()
        assert may_sync.wait(WAIT_S)

    with opened_log(tmp_path) as log:
        one, two = drafts(b"one", b"two")
        log.append(one).result(WAIT_S)
        standing = log.frontier, log.head("acts")
        monkeypatch.setattr(os, "fdatasync", slow_sync)
        future = log.append(two)
        assert syncing.wait(WAIT_S)
        assert not future.done()
        assert (log.frontier, log.head("acts"), log.end) == (*standing, 1)
        for stored in (False, True):
            assert [record.draft for record in records_of(log, stored=stored)] == [one]
        assert log.wait_past(1, timeout_s=0.01) == 1
        may_sync.set()
        assert log.wait_past(1, WAIT_S) == 2
        assert future.result(WAIT_S) == 2


def test_a_segment_is_durable_with_its_name_before_anything_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("write", "fdatasync", "fsync"):
        call = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, call=call: [calls.append(name), call(*a)][1])
    with opened_log(tmp_path, segment_bytes=1) as log:
        assert calls == ["write", "fdatasync", "fsync"]
        append(log, b"one")
        assert calls[3:] == ["write", "fdatasync"]
        append(log, b"two")
        assert calls[5:] == ["write", "fdatasync", "fsync", "write", "fdatasync"]
    calls.clear()
    with opened_log(tmp_path):
        # The last group, of which a sync may have failed, and names that may be in memory only.
        assert calls == ["write", "fdatasync", "fsync"]


def test_opening_writes_the_last_group_again_and_changes_nothing(tmp_path: Path) -> None:
    last = written(tmp_path)[-1]
    kept = last.read_bytes()
    with opened_log(tmp_path):
        assert last.read_bytes() == kept


def test_time_never_falls(tmp_path: Path) -> None:
    clock = iter([500, 400, 600, 100])

    def commit() -> int:
        append(log, b"")
        return records_of(log)[-1].time_us

    with opened_log(tmp_path, segment_bytes=1, clock=clock) as log:
        assert [commit(), commit()] == [500, 500]
    with opened_log(tmp_path, clock=clock) as log:
        assert commit() == 600
    with opened_log(tmp_path, clock=clock) as log:
        assert commit() == 600


def test_time_does_not_fall_where_the_last_segment_is_still_empty(tmp_path: Path) -> None:
    with opened_log(tmp_path, segment_bytes=1, clock=iter([500, 501])) as log:
        append(log, b"", b"")
    last = segments(tmp_path)[-1]
    file = Disk(tmp_path).open(last.name)
    _, offset = segment.read_header(file)
    file.close()
    os.truncate(last, offset)
    with opened_log(tmp_path, clock=iter([100])) as log:
        append(log, b"")
        assert [record.time_us for record in check_whole(log)] == [500, 500]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_missing_segment_is_refused(gone: int, tmp_path: Path) -> None:
    written(tmp_path)[gone].unlink()
    with pytest.raises(StoreDamaged), opened_log(tmp_path):
        pass


def test_a_missing_segment_that_the_tables_have_is_noticed_by_who_reads_it(tmp_path: Path) -> None:
    paths = written(tmp_path)
    with opened_log(tmp_path) as log:
        known = Known(4, {"acts": log.head("acts")})
    kept = paths[1].read_bytes()
    paths[1].unlink()
    with opened_log(tmp_path, known=known) as log, pytest.raises(StoreDamaged, match="ends before position 2"):
        records_of(log)
    paths[1].write_bytes(kept)
    with opened_log(tmp_path, known=known) as log:
        assert len(records_of(log)) == 4
        paths[1].unlink()
        with pytest.raises(StoreDamaged, match=r"0002.seg: the segment is gone"):
            records_of(log)


def test_the_first_segment_emptied_is_not_an_empty_beginning(tmp_path: Path) -> None:
    """A tree of no records is no reason to believe the next segment whatever it says."""
    first = written(tmp_path)[0]
    os.truncate(first, 40)
    with pytest.raises(StoreDamaged, match="does not follow from the segment before it"), opened_log(tmp_path):
        pass


def test_segments_in_the_archive_are_missed_only_where_somebody_needs_them(tmp_path: Path) -> None:
    paths = written(tmp_path, count=6)
    with opened_log(tmp_path) as log:
        known = Known(4, {"acts": log.head("acts")})
        found = records_of(log)
    for path in paths[:2]:
        path.unlink()
    with pytest.raises(StoreDamaged, match="records 1 to 2 are missing; restore their segments"), opened_log(tmp_path):
        pass
    with opened_log(tmp_path, known=known) as log:
        assert records_of(log, 2) == found[2:]
        for after in (0, 1):
            with pytest.raises(StoreDamaged, match=f"records {after + 1} to 2 are missing"):
                log.reader(after)


def test_a_segment_of_another_log_is_refused(tmp_path: Path) -> None:
    one, other = groups_of([[b"a"], [b"b"]]), groups_of([[b"A"], [b"B"]])
    put(tmp_path, file_of(one[:1]))
    put(tmp_path, file_of(other[1:], other[0].frontier), position=2)
    with pytest.raises(StoreDamaged, match="does not follow from the segment before it"), opened_log(tmp_path):
        pass


@pytest.mark.parametrize("header", [b"", b"MBKSEG02", bytes(68), b"\xff" * 71])
def test_a_segment_whose_making_was_cut_off_is_made_again(header: bytes, tmp_path: Path) -> None:
    with opened_log(tmp_path, segment_bytes=1) as log:
        append(log, b"one")
    put(tmp_path, header, position=2)
    with opened_log(tmp_path, segment_bytes=1) as log:
        assert append(log, b"two") == 2
    with opened_log(tmp_path) as log:
        assert payloads(log) == [b"one", b"two"]


def test_a_damaged_header_with_groups_behind_it_is_damage_however_short_the_file(tmp_path: Path) -> None:
    path = put(tmp_path, file_of(groups_of([[b"a"]])))
    for place in range(40):
        data = bytearray(file_of(groups_of([[b"a"]])))
        data[place] ^= 1
        path.write_bytes(data)
        with pytest.raises(StoreDamaged), opened_log(tmp_path):
            pass
        assert path.read_bytes() == data


def test_what_stands_before_a_segment_that_was_begun_was_durable(tmp_path: Path) -> None:
    """A group is not taken for one that a crash cut off where the next segment was begun already."""
    data = bytearray(file_of(groups_of([[b"a"], [b"b"]])))
    data[-1] ^= 1
    path = put(tmp_path, bytes(data))
    put(tmp_path, b"", position=3)
    with pytest.raises(StoreDamaged, match="position 2, is damaged"), opened_log(tmp_path):
        pass
    assert path.read_bytes() == data
    put(tmp_path, file_of(groups_of([[b"a"]])))
    with pytest.raises(StoreDamaged, match=r"ends at position 1, but 0+3.seg was begun"), opened_log(tmp_path):
        pass


def test_a_log_that_is_gone_but_known_is_refused_untouched(tmp_path: Path) -> None:
    for path in (None, put(tmp_path / "torn", b"")):
        directory = path.parent if path else tmp_path / "empty"
        with (
            pytest.raises(StoreDamaged, match="the log ends at position 0, but the tables have seen 3"),
            opened_log(directory, known=Known(3)),
        ):
            pass
        assert segments(directory) == ([path] if path else [])


def test_the_tables_may_stand_in_the_middle_of_a_group(tmp_path: Path) -> None:
    put(tmp_path, file_of(groups_of([[b"a", b"b", b"c"], [b"d"]])))
    with opened_log(tmp_path) as log:
        found = check_whole(log)
    for position in range(5):
        last = found[position - 1] if position else None
        heads = {"acts": Head(last.draft.sequence, last.draft.hash, position)} if last else {}
        with opened_log(tmp_path, known=Known(position, heads)) as log:
            assert check_whole(log) == found
            assert records_of(log, position) == found[position:]


def test_a_log_that_is_refused_leaves_no_file_open(tmp_path: Path) -> None:
    before = open_files()
    for path, known in zip(written(tmp_path)[-2:], (Known(), Known(4)), strict=True):
        data = path.read_bytes()
        for place in (0, -90):
            damaged = bytearray(data)
            damaged[place] ^= 1
            path.write_bytes(damaged)
            for _ in range(3):
                with pytest.raises(StoreDamaged):
                    EmbeddedLog(Disk(tmp_path), known)
        path.write_bytes(data)
    assert open_files() <= before


def test_a_log_that_is_tried_says_whether_a_group_would_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened_log(tmp_path) as log:
        log.check()
        assert [path.suffix for path in tmp_path.iterdir()] == [".seg"], "nothing of it is left"
        there = os.statvfs(tmp_path)
        full = os.statvfs_result((*there[:4], GROUP_BYTES_MAX // there.f_frsize - 1, *there[5:]))
        with monkeypatch.context() as patch:
            patch.setattr("os.statvfs", lambda _: full)
            with pytest.raises(LogUnavailable, match=rf"{tmp_path}: cannot be written \(No space left on device\)"):
                log.check()
        log.check()


def test_a_log_is_tried_where_every_file_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def without(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return opened(path, flags, mode)

    with opened_log(tmp_path) as log:
        monkeypatch.setattr("os.open", without)
        before = open_files()
        log.check()
        assert [path.suffix for path in tmp_path.iterdir()] == [".seg"] and open_files() == before


def test_a_log_whose_sync_failed_is_not_well_until_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    with opened_log(tmp_path) as log:
        with monkeypatch.context() as patch:
            patch.setattr("os.fdatasync", fails)
            with pytest.raises(LogUnavailable):
                append(log, b"lost")
        with pytest.raises(LogUnavailable, match="a sync failed earlier"):
            log.check()
    with opened_log(tmp_path) as log:
        log.check()


def test_a_reader_that_fails_leaves_no_file_open_and_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = written(tmp_path)
    with opened_log(tmp_path) as log:
        before = open_files()
        moved = paths[1].with_suffix(".away")
        paths[1].rename(moved)
        with pytest.raises(StoreDamaged):
            log.reader(1, stored=True)
        reader = log.reader(stored=True)
        for _ in range(2):
            with pytest.raises(StoreDamaged):
                reader.read(1 << 20)
        moved.rename(paths[1])
        with monkeypatch.context() as patched:
            patched.setattr(os, "pread", fail)
            with pytest.raises(LogUnavailable, match=r"cannot be read.*Input/output error"):
                reader.read(1 << 20)
            with pytest.raises(LogUnavailable, match=r"cannot be read.*Input/output error"):
                log.reader(stored=True)
        assert [record.position for record in reader.read(1 << 20)] == [1, 2, 3, 4]
        reader.close()
        assert open_files() <= before


def fail(*_: object) -> None:
    raise OSError(5, "Input/output error")


def test_a_copy_of_the_files_is_the_log(tmp_path: Path) -> None:
    written(tmp_path / "log")
    shutil.copytree(tmp_path / "log", tmp_path / "copy")
    with opened_log(tmp_path / "log") as log, opened_log(tmp_path / "copy") as copy:
        assert check_whole(copy) == check_whole(log)

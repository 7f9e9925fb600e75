"""Appends from anywhere become one gap-free order that is durable, and is read back as it was."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import frames, log, segment
from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.frames import Kind, Record
from ledger.journal.log import Committed, Log
from tests.ledger.journal.logs import chain, file_of, opened_log, put, records_of

WAIT_S = 30.0


def check_chain(records: list[Record]) -> None:
    """Positions without gaps, heads that follow, time that never falls, nothing settled before it was written."""
    head = frames.GENESIS_HEAD
    for number, record in enumerate(records, 1):
        frames.check_follows(record, number, head)
        head = record.head
        assert record.settled < record.position
    assert all(one.time_us <= two.time_us and one.settled <= two.settled for one, two in pairwise(records))


@given(lives=st.lists(st.lists(st.binary(max_size=300), max_size=5), max_size=6), segment_bytes=st.integers(64, 1_500))
def test_what_is_appended_is_read_over_restarts_and_segments(
    lives: list[list[bytes]], segment_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("log")
    expected: list[bytes] = []
    for payloads in lives:
        with opened_log(directory, segment_bytes) as opened:
            assert opened.end == len(expected)
            for payload in payloads:
                expected.append(payload)
                assert opened.append(Kind.DEFINITIONS, payload).result().position == len(expected)
    with opened_log(directory, segment_bytes) as opened:
        found = records_of(opened)
        check_chain(found)
        assert [record.payload for record in found] == expected
        assert opened.head == (found[-1].head if found else frames.GENESIS_HEAD)
        for after in range(len(expected) + 1):
            assert records_of(opened, after) == found[after:]
            assert [record for record, _ in opened.read(opened.cursor(0), after)] == found[:after]


def test_segments_are_rotated_and_each_begins_where_the_one_before_ends(tmp_path: Path) -> None:
    with opened_log(tmp_path, segment_bytes=200) as opened:
        for number in range(10):
            opened.append(Kind.BATCH, bytes([number]) * 100).result()
        found = records_of(opened)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{position:020d}.seg" for position in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)][: len(names)]
    assert len(names) > 3
    starts = [segment.read_header(tmp_path / name) for name in names]
    assert all(found[each.start.position - 2].head == each.start.head for each in starts[1:])
    assert len({each.seed for each in starts}) == len(starts)


def test_many_threads_append_at_once(tmp_path: Path) -> None:
    results: dict[bytes, int] = {}

    def append(name: int) -> None:
        futures = {
            b"%d/%d" % (name, number): opened.append(Kind.BATCH, b"%d/%d" % (name, number)) for number in range(50)
        }
        results.update({payload: future.result().position for payload, future in futures.items()})

    with opened_log(tmp_path, segment_bytes=4_000) as opened:
        threads = [threading.Thread(target=append, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = records_of(opened)
    check_chain(found)
    assert {record.payload: record.position for record in found} == results
    assert len(found) == 400
    for name in range(8):
        own = [record.payload for record in found if record.payload.startswith(b"%d/" % name)]
        assert own == [b"%d/%d" % (name, number) for number in range(50)]


def test_many_appends_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_sync, syncs = threading.Event(), []

    def slow_sync(descriptor: int) -> None:
        syncs.append(descriptor)
        assert may_sync.wait(WAIT_S)

    monkeypatch.setattr(os, "fdatasync", slow_sync)
    with opened_log(tmp_path) as opened:
        futures = [opened.append(Kind.BATCH, b"x") for _ in range(100)]
        may_sync.set()
        assert [future.result(WAIT_S).position for future in futures] == list(range(1, 101))
        assert len(syncs) <= 3
        assert opened.append(Kind.BATCH, b"x").result(WAIT_S).position == 101


def test_nothing_is_visible_before_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncing, may_sync = threading.Event(), threading.Event()

    def slow_sync(_: int) -> None:
        syncing.set()
        assert may_sync.wait(WAIT_S)

    with opened_log(tmp_path) as opened:
        opened.append(Kind.BATCH, b"one").result()
        monkeypatch.setattr(os, "fdatasync", slow_sync)
        future = opened.append(Kind.BATCH, b"two")
        assert syncing.wait(WAIT_S)
        assert not future.done()
        assert opened.end == 1
        assert [record.payload for record in records_of(opened)] == [b"one"]
        assert opened.wait_past(1, timeout_s=0.01) == 1
        may_sync.set()
        assert opened.wait_past(1, WAIT_S) == 2
        assert future.result(WAIT_S).position == 2


def test_reading_while_writing(tmp_path: Path) -> None:
    with opened_log(tmp_path, segment_bytes=2_000) as opened:
        writer = threading.Thread(
            target=lambda: [opened.append(Kind.BATCH, b"%d" % number * 20).result() for number in range(200)]
        )
        writer.start()
        seen: list[Record] = []
        cursor = opened.cursor(0)
        while len(seen) < 200:
            opened.wait_past(len(seen), WAIT_S)
            for record, after in opened.read(cursor):
                seen.append(record)
                cursor = after
        writer.join()
    check_chain(seen)


def test_time_never_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([500, 400, 600, 100])
    monkeypatch.setattr(log, "now_us", lambda: next(clock))
    with opened_log(tmp_path, segment_bytes=64) as opened:
        assert [opened.append(Kind.BATCH, b"").result().time_us for _ in range(2)] == [500, 500]
    with opened_log(tmp_path) as opened:
        assert opened.append(Kind.BATCH, b"").result().time_us == 600
    with opened_log(tmp_path) as opened:
        assert opened.append(Kind.BATCH, b"").result().time_us == 600


def test_time_does_not_fall_where_the_last_segment_is_still_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "now_us", lambda: 500)
    with opened_log(tmp_path, segment_bytes=64) as opened:
        for _ in range(2):
            opened.append(Kind.BATCH, b"").result()
    last = max(tmp_path.iterdir())
    last.write_bytes(last.read_bytes()[: segment.HEADER_BYTES])
    monkeypatch.setattr(log, "now_us", lambda: 100)
    with opened_log(tmp_path) as opened:
        assert opened.end == 1
        assert opened.append(Kind.BATCH, b"").result().time_us == 500


def test_a_payload_that_is_too_large_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "PAYLOAD_BYTES_MAX", 10)
    with opened_log(tmp_path) as opened:
        with pytest.raises(ValueError, match="payload of 11 bytes is over 10"):
            opened.append(Kind.BATCH, b"x" * 11)
        assert opened.append(Kind.BATCH, b"x" * 10).result().position == 1


def test_whoever_stops_waiting_does_not_stop_the_log(tmp_path: Path) -> None:
    with opened_log(tmp_path) as opened:
        future = opened.append(Kind.BATCH, b"one")
        assert not future.cancel()
        assert opened.append(Kind.BATCH, b"two", future).result(WAIT_S).position == 2


def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    opened = Log(tmp_path)
    futures: list[Future[Committed]] = [opened.append(Kind.BATCH, b"%d" % number) for number in range(200)]
    opened.close()
    opened.close()
    assert [future.result(0).position for future in futures] == list(range(1, 201))
    with pytest.raises(LogUnavailable, match="closed"):
        opened.append(Kind.BATCH, b"late").result(WAIT_S)
    with opened_log(tmp_path) as again:
        assert again.end == 200


def test_appending_while_closing_leaves_nobody_waiting(tmp_path: Path) -> None:
    for life in range(5):
        opened = Log(tmp_path)
        futures: list[Future[Committed]] = []
        thread = threading.Thread(target=lambda: futures.extend(opened.append(Kind.BATCH, b"x") for _ in range(300)))  # noqa: B023
        thread.start()
        closers = [threading.Thread(target=opened.close) for _ in range(2)]
        for closer in closers:
            closer.start()
        for each in (thread, *closers):
            each.join()
        outcomes = [future.exception(WAIT_S) for future in futures]
        assert all(outcome is None or isinstance(outcome, LogUnavailable) for outcome in outcomes), life


def test_a_missing_segment_is_noticed(tmp_path: Path) -> None:
    with opened_log(tmp_path, segment_bytes=64) as opened:
        for number in range(4):
            opened.append(Kind.BATCH, b"%d" % number).result()
    kept = {path: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    paths = list(kept)
    paths[1].unlink()
    with opened_log(tmp_path) as opened, pytest.raises(StoreDamaged, match="ends before position 2"):
        records_of(opened)
    paths[1].write_bytes(kept[paths[1]])
    paths[2].unlink()
    with pytest.raises(StoreDamaged, match="ends before position 3"), opened_log(tmp_path):
        pass
    paths[2].write_bytes(kept[paths[2]])
    paths[0].unlink()
    with pytest.raises(StoreDamaged, match="position 1, is missing"), opened_log(tmp_path):
        pass
    paths[0].write_bytes(kept[paths[0]])
    with opened_log(tmp_path) as opened:
        assert len(records_of(opened)) == 4
        paths[1].unlink()
        with pytest.raises(StoreDamaged, match="cannot be opened"):
            records_of(opened)


def test_a_segment_of_another_log_is_noticed(tmp_path: Path) -> None:
    one, other = chain([[b"a"], [b"b"]]), chain([[b"A"], [b"B"]])
    put(tmp_path, file_of(one[:1]))
    put(tmp_path, file_of(other[1:], segment.Start(2, other[0].head)), position=2)
    with pytest.raises(StoreDamaged, match="does not follow from"), opened_log(tmp_path):
        pass


@pytest.mark.parametrize("header", [b"", b"MBKSEG01", bytes(64), b"\xff" * 63])
def test_a_segment_whose_making_was_cut_off_is_made_again(header: bytes, tmp_path: Path) -> None:
    with opened_log(tmp_path, segment_bytes=64) as opened:
        opened.append(Kind.BATCH, b"one").result()
    put(tmp_path, header, position=2)
    with opened_log(tmp_path, segment_bytes=64) as opened:
        assert opened.append(Kind.BATCH, b"two").result().position == 2
    with opened_log(tmp_path) as opened:
        assert [record.payload for record in records_of(opened)] == [b"one", b"two"]


def test_a_log_that_is_gone_but_was_settled_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreDamaged, match="the log ends at position 0, but the tables have seen 3"),
        opened_log(tmp_path, settled=3),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_is_refused_leaves_no_file_open(tmp_path: Path) -> None:
    put(tmp_path, file_of(chain([[b"a"], [b"b"]])).replace(b"a", b"A"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with pytest.raises(StoreDamaged):
            Log(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before

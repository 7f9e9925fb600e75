"""Backups: the same log again, while it grows, brought up to date, restored, and never of something damaged."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.journal.backup import back_up, copy_log
from ledger.journal.disk import Disk
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.errors import StoreDamaged, StoreRefused
from ledger.journal.record import NO_HEAD, Head, Kind, follow
from meterbook.proof.merkle import Frontier

SEGMENT_BYTES = 2_000


def grown(log: EmbeddedLog, count: int, size: int = 100) -> None:
    """Append records of a few chains."""
    for number in range(count):
        chain = f"runs/{number % 3}"
        log.append(follow(Kind.RUN, chain, log.head(chain), bytes([number % 251]) * size)).result()


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def copied(source: Path, target: Path) -> Frontier:
    *_, frontier = copy_log(Disk(source), Disk(target))
    return frontier


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def test_a_backup_is_brought_up_to_date(source: Path, target: Path) -> None:
    log = EmbeddedLog(Disk(source), segment_bytes=SEGMENT_BYTES)
    for count in (0, 1, 40, 0, 3):
        grown(log, count)
        assert copied(source, target) == log.frontier
        assert files(target) == files(source)
    log.close()
    opened = EmbeddedLog(Disk(target))
    assert opened.frontier == log.frontier
    opened.close()


@settings(max_examples=25)
@given(cut=st.integers(0, 2_000))
def test_a_copy_that_was_cut_off_is_completed(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    root = tmp_path_factory.mktemp("backup")
    source, target = root / "source", root / "target"
    source.mkdir()
    target.mkdir()
    log = EmbeddedLog(Disk(source), segment_bytes=SEGMENT_BYTES)
    grown(log, 30)
    copied(source, target)
    last = sorted(target.iterdir())[-1]
    last.write_bytes(last.read_bytes()[:cut])
    assert copied(source, target) == log.frontier
    assert files(target) == files(source)
    log.close()


def test_a_log_is_copied_while_it_grows(source: Path, target: Path) -> None:
    log = EmbeddedLog(Disk(source), segment_bytes=SEGMENT_BYTES)
    writer = threading.Thread(target=grown, args=(log, 600))
    writer.start()
    sizes = []
    while writer.is_alive():
        sizes.append(copied(source, target).size)
        opened = EmbeddedLog(Disk(target))
        assert opened.end == sizes[-1]
        opened.close()
        for name, data in files(target).items():
            assert (source / name).read_bytes().startswith(data)
    writer.join()
    assert sizes == sorted(sizes)
    assert copied(source, target) == log.frontier
    log.close()


def test_what_is_on_its_way_to_the_disk_is_left_for_the_next_time(source: Path, target: Path) -> None:
    log = EmbeddedLog(Disk(source))
    grown(log, 3)
    log.close()
    whole = files(source)
    (name,) = whole
    grown(log := EmbeddedLog(Disk(source)), 1)
    log.close()
    later = files(source)[name]
    (source / name).write_bytes(later[:-10])
    assert copied(source, target).size == 3
    assert files(target) == whole
    (source / name).write_bytes(later)
    assert copied(source, target).size == 4


def test_damage_is_never_copied(source: Path, target: Path) -> None:
    log = EmbeddedLog(Disk(source), segment_bytes=SEGMENT_BYTES)
    grown(log, 40)
    log.close()
    first = sorted(source.iterdir())[0]
    data = bytearray(first.read_bytes())
    data[600] ^= 1
    first.write_bytes(data)
    with pytest.raises(StoreDamaged, match=f"{first.name}: the group at byte"):
        copied(source, target)


def test_another_log_is_not_mixed_in(source: Path, target: Path) -> None:
    for directory in (source, target):
        log = EmbeddedLog(Disk(directory))
        grown(log, 2)
        log.close()
    with pytest.raises(StoreRefused, match="a segment of another log"):
        copied(source, target)


def test_a_copy_that_is_ahead_is_refused(source: Path, target: Path) -> None:
    log = EmbeddedLog(Disk(source))
    grown(log, 2)
    early = files(source)
    grown(log, 2)
    log.close()
    copied(source, target)
    for name, data in early.items():
        (source / name).write_bytes(data)
    with pytest.raises(StoreRefused, match="the copy has more"):
        copied(source, target)


def test_a_backup_that_begins_earlier_is_kept_apart(source: Path, target: Path) -> None:
    log = EmbeddedLog(Disk(source), segment_bytes=SEGMENT_BYTES)
    grown(log, 40)
    log.close()
    copied(source, target)
    sorted(source.iterdir())[0].unlink()
    with pytest.raises(StoreRefused, match="begins after the copy"):
        copied(source, target)


def test_keys_are_copied_only_when_asked_for(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for name in ("log", "keys"):
        (store / name).mkdir(parents=True)
    (store / "FORMAT").write_text("meterbook journal 2\n")
    (store / "keys" / "signing.key").write_text("secret")
    log = EmbeddedLog(Disk(store / "log"))
    log.append(follow(Kind.RUN, "runs/a", NO_HEAD, b"one")).result()
    log.close()
    assert back_up(store, tmp_path / "one").size == 1
    assert not (tmp_path / "one" / "keys").exists()
    back_up(store, tmp_path / "two", with_keys=True)
    key = tmp_path / "two" / "keys" / "signing.key"
    assert key.read_text() == "secret"
    assert key.stat().st_mode & 0o777 == 0o600
    assert Head(1, log.head("runs/a").hash, 1) == log.head("runs/a")

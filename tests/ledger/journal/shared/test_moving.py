"""A book that is moved from files to a shared place is the same book, to the last hash."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ledger.cli.serve import ledger
from ledger.journal.disk import Disk
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.errors import LogUnavailable, StoreRefused
from ledger.journal.place import SharedPlace
from ledger.journal.record import Record
from ledger.journal.shared import moving
from ledger.journal.shared.objects import Objects
from ledger.journal.store import StoreDirectory
from meterbook.proof.merkle import Frontier
from tests.ledger.journal.shared.places import WAIT_S, address, batch, records_of, replica
from tests.servers.fixtures import Bucket, Database


def book(root: Path, count: int) -> list[Record]:
    """A book in files of so many records, each group of another time."""
    directory = StoreDirectory(root)
    clock = iter(range(1_000, 1_000_000, 7))
    log = EmbeddedLog(Disk(directory.log), clock=lambda: next(clock))
    for number in range(count):
        log.append(batch(f"chain {number}", 1, payload=b"%d" % number * 50)).result(WAIT_S)
    records = records_of(log)
    log.close()
    directory.close()
    return records


def move(root: Path, place: SharedPlace) -> Frontier:
    *_, last = moving.move(root, place)
    assert isinstance(last, Frontier)
    return last


def test_records_positions_times_and_root_stay_what_they_are(
    tmp_path: Path, place: SharedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "_GROUP_RECORDS_MAX", 7)
    expected = book(tmp_path, 40)
    assert len({record.time_us for record in expected}) == 40
    frontier = move(tmp_path, place)
    assert frontier == Frontier().appended(record.leaf for record in expected)
    with replica(place) as log:
        assert log.frontier == frontier
        assert records_of(log, stored=True) == expected
        assert records_of(log, 3, stored=True) == expected[3:]
        assert log.append(batch("new", 1)).result(WAIT_S) == 41
        assert log.append(batch("chain 3", 1, payload=b"3" * 50)).result(WAIT_S) == 4


def test_an_interrupted_move_goes_on(tmp_path: Path, place: SharedPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_GROUP_RECORDS_MAX", 3)
    expected = book(tmp_path, 20)
    put = Objects.put
    puts: list[str] = []

    def failing(objects: Objects, name: str, body: bytes) -> str:
        if name.startswith("log/"):
            puts.append(name)
            if len(puts) == 4:
                raise LogUnavailable("down")
        return put(objects, name, body)

    with monkeypatch.context() as patched:
        patched.setattr(Objects, "put", failing)
        with pytest.raises(LogUnavailable):
            move(tmp_path, place)
    with replica(place) as log:
        assert log.end == 9
    move(tmp_path, place)
    assert move(tmp_path, place).size == 20
    with replica(place) as log:
        assert records_of(log) == expected


def test_a_place_that_holds_another_book_is_refused(tmp_path: Path, place: SharedPlace) -> None:
    book(tmp_path / "one", 3)
    with replica(place) as log:
        log.append(batch("other", 1)).result(WAIT_S)
    with pytest.raises(StoreRefused, match="holds another book"):
        move(tmp_path / "one", place)
    book(tmp_path / "empty", 0)
    with pytest.raises(StoreRefused, match="holds another book"):
        move(tmp_path / "empty", place)


def test_the_command(tmp_path: Path, place: SharedPlace, database: Database, bucket: Bucket) -> None:
    records = book(tmp_path / "book", 5)
    to = address(database, bucket)
    root = Frontier().appended(record.leaf for record in records).root().hex()
    run = CliRunner().invoke
    moved = run(ledger, ["migrate", "--from", f"file:{tmp_path / 'book'}", "--to", to])
    assert (moved.exit_code, moved.stdout) == (
        0,
        f"{place} holds the same book: 5 records, root {root}, read again and checked\n",
    )
    refused = run(ledger, ["migrate", "--from", f"file:{tmp_path / 'none'}", "--to", to])
    assert refused.exit_code == 1
    assert "is not a store" in refused.output
    assert not (tmp_path / "none").exists()
    wrong = run(ledger, ["migrate", "--from", to, "--to", to])
    assert wrong.exit_code == 2
    assert "password" not in wrong.output + moved.output + refused.output

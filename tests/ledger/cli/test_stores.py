"""Backup, restore and rebuild from the command line: the same book comes back, and wrong directories are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.journal.errors import TablesUnavailable
from ledger.journal.tables import Tables
from tests.ledger.batches import append, everything, minute, opened
from tests.ledger.running import run_cli


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with opened(tmp_path / "store") as journal:
        append(journal, *(minute(number) for number in range(1, 6)))
    return tmp_path / "store"


def ledger(*arguments: object, code: int = 0) -> str:
    result = run_cli("ledger", *map(str, arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_a_backup_of_a_running_ledger_gives_the_same_book(tmp_path: Path, store: Path) -> None:
    with opened(store) as journal:
        said = ledger("backup", "--store", store, "--to", tmp_path / "backup")
        assert said.endswith(f"5 records, root {journal.log.frontier.root().hex()}\n")
        before = everything(journal)
    assert ledger("restore", "--from", tmp_path / "backup", "--store", tmp_path / "again").split(": ")[1] in said
    with opened(tmp_path / "again") as restored:
        assert everything(restored) == before


def test_tables_are_made_anew(store: Path) -> None:
    with opened(store) as journal:
        before = everything(journal)
    for file in (store / "tables" / "data").rglob("*.parquet"):
        file.write_bytes(b"not Parquet any more")
    assert "5 records" in ledger("rebuild", "--store", store)
    with opened(store) as journal:
        assert everything(journal) == before
    assert not (store / "tables.old").exists()


def test_an_interrupted_rebuild_is_done_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(store) as journal:
        before = everything(journal)

    def fail(*_: object) -> None:
        raise TablesUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Tables, "apply", fail)
        patch.setattr("ledger.journal.materialiser._CATCH_UP_TRIES", 1)
        assert "the disk is full" in ledger("rebuild", "--store", store, code=1)
    assert (store / "tables.old").exists()
    ledger("rebuild", "--store", store)
    with opened(store) as journal:
        assert everything(journal) == before
    assert not (store / "tables.old").exists()


def test_wrong_directories_are_told(tmp_path: Path, store: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").write_text("mine")
    assert "is not a store" in ledger("backup", "--store", tmp_path / "other", "--to", tmp_path / "b", code=1)
    assert "not empty" in ledger("backup", "--store", store, "--to", tmp_path / "other", code=1)
    assert "not empty" in ledger("restore", "--from", store, "--store", tmp_path / "other", code=1)
    assert "is not a store" in ledger("rebuild", "--store", tmp_path / "other", code=1)
    with opened(store):
        assert "another process has this store open" in ledger("rebuild", "--store", store, code=1)
    shutil.rmtree(store / "log")
    assert "No such file" in ledger("backup", "--store", store, "--to", tmp_path / "c", code=1)

"""Compaction changes files, never answers; and a moved store is still the same store."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ledger.journal import upkeep
from ledger.journal.compaction import Compaction
from ledger.journal.journal import Journal
from ledger.journal.lake import EmbeddedLake
from ledger.journal.tables import Tables
from tests.ledger.batches import Sender, append, everything, minute, opened


def files(journal: Journal) -> int:
    """Parquet files of the samples."""
    lake = journal.tables.lake
    assert isinstance(lake, EmbeddedLake)
    return len(list(lake.directory.glob("data/main/samples/*.parquet")))


def listed(journal: Journal) -> int:
    """Files of the samples that the catalog has."""
    return journal.tables.query("SELECT 1 FROM ducklake_list_files('book', 'samples')").num_rows


def filled(journal: Journal, count: int) -> Sender:
    """A minute a commit."""
    sender = Sender()
    for number in range(1, count + 1):
        append(journal, minute(number), sender=sender)
        journal.view()
    return sender


@pytest.fixture
def a_file_for_every_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal.lake.INLINED_ROWS_MAX", 0)


@pytest.mark.slow
def test_what_stood_in_the_catalog_becomes_a_file(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        filled(journal, 12)
        before, past = everything(journal), journal.view(5).count("samples")
        assert files(journal) == 0
    with opened(tmp_path) as journal:
        journal.materialiser.stop()
        assert everything(journal) == before
        journal.tables.compact(0)
        assert files(journal) == 1
        assert everything(journal) == before
        assert journal.view(5).count("samples") == past
        journal.tables.renew()
        assert everything(journal) == before


@pytest.mark.slow
@pytest.mark.usefixtures("a_file_for_every_commit")
def test_many_files_become_few(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        filled(journal, 12)
        before, past = everything(journal), journal.view(5).count("samples")
        assert files(journal) == 12
    with opened(tmp_path) as journal:
        journal.materialiser.stop()
        journal.tables.compact(0)
        assert files(journal) == 1
        (merged,) = tmp_path.glob("tables/data/main/samples/*.parquet")
        column = pq.ParquetFile(merged).metadata.row_group(0).column(0)
        assert (column.compression, column.encodings) == ("ZSTD", ("RLE_DICTIONARY",))
        assert everything(journal) == before
        assert journal.view(5).count("samples") == past


@pytest.mark.slow
@pytest.mark.usefixtures("a_file_for_every_commit")
def test_the_materialiser_has_it_done_by_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COMMITS_BETWEEN", 4)
    with opened(tmp_path) as journal:
        sender = filled(journal, 4)
        number = 4
        while listed(journal) >= number:
            number += 1
            append(journal, minute(number), sender=sender)
            assert journal.view().count("samples") == number
        assert journal.materialiser.trouble is None


@pytest.mark.slow
def test_a_view_that_is_held_reads_the_same_throughout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COMMITS_BETWEEN", 2)
    with opened(tmp_path) as journal:
        sender = filled(journal, 6)
        held = journal.view()
        for number in range(7, 14):
            append(journal, minute(number), sender=sender)
            journal.view()
            # count is remembered; rows is not, and asks the files each time.
            assert held.rows("samples", 1, 6).num_rows == 6
            assert journal.view().count("samples") == number
        del held
        append(journal, minute(14), sender=sender)
        assert journal.view().count("samples") == 14


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """Whether or not it has been told yet where the tables are."""
    Tables(tmp_path).close()
    for said in (b"", EmbeddedLake(tmp_path).to_json().encode() + b"\n"):
        with subprocess.Popen([sys.executable, "-m", "ledger.journal.compaction"], stdin=subprocess.PIPE) as child:
            assert child.stdin is not None
            child.stdin.write(said)
            child.stdin.close()
            assert child.wait() == 1


def prepared(where: Path, stopping: threading.Event) -> Compaction:
    """A child that waits to be told to go on, or has ended."""
    child = Compaction(EmbeddedLake(where), stopping)
    while not (child.is_prepared or child.is_over):
        pass
    return child


def test_stopping_ends_the_child_and_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Tables(tmp_path).close()
    stopping = threading.Event()
    child = prepared(tmp_path, stopping)
    assert child.is_prepared
    stopping.set()
    child.run()
    child.close()
    assert caplog.text == ""


@pytest.mark.usefixtures("a_file_for_every_commit")
def test_a_child_that_is_never_told_to_go_on_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        filled(journal, 3)
        child = prepared(tmp_path / "tables", threading.Event())
        child.close()
        assert listed(journal) == 3


def test_a_compaction_that_fails_is_said_and_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "catalog.sqlite").write_text("this is no catalog")
    with caplog.at_level(logging.WARNING):
        child = prepared(tmp_path, threading.Event())
        assert child.is_over
        child.close()
    assert "not compacted" in caplog.text


def test_a_store_that_was_moved_is_still_the_same(tmp_path: Path) -> None:
    with opened(tmp_path / "here") as journal:
        filled(journal, 3)
        before = everything(journal)
    (tmp_path / "here").rename(tmp_path / "there")
    with opened(tmp_path / "there") as journal:
        assert everything(journal) == before
        append(journal, minute(4), sender=_after(journal))
        assert journal.view().count("samples") == 4
    assert not (tmp_path / "here").exists()


def _after(journal: Journal) -> Sender:
    chain = journal.view().chains().to_pylist()[0]
    return Sender(sequence=chain["sequence"], digest=bytes.fromhex(chain["hash"]))


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    first = Tables(tmp_path)
    first.close()
    again = Tables(tmp_path)
    assert again.watermark == 0
    again.close()


def test_opening_a_store_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        filled(journal, 3)
        before = everything(journal)
    folder = tmp_path / "tables" / "data" / "main" / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    old, young = folder / "old.parquet", folder / "young.parquet"
    for file in (old, young):
        file.write_bytes(b"never committed")
    os.utime(old, (1, 1))
    with opened(tmp_path) as journal:
        assert everything(journal) == before
    assert not old.exists()
    assert young.exists()


@pytest.mark.slow
def test_the_watermark_stays_in_one_file(tmp_path: Path) -> None:
    """It is rewritten by every commit: what it was before must not pile up."""
    tables = Tables(tmp_path)
    for position in range(1, 21):
        tables.apply({}, position - 1, position)
        if position % 5 == 0:
            tables.compact(0)
            tables.renew()
            assert tables.watermark == position
            found = tables.query(
                "SELECT data_file, delete_file FROM ducklake_list_files('book', 'watermark')"
            ).to_pylist()
            assert [each["delete_file"] for each in found] == [None]
    tables.close()
    assert len(list(tmp_path.glob("data/main/watermark/*.parquet"))) == 1

"""Rows on their way to the tables: many numbers go to files, nothing is lost on the way, and nothing is left of a failure."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal import parquet
from ledger.journal.derive import TABLES
from ledger.journal.errors import TablesUnavailable
from ledger.journal.parquet import GatheredRows

FEW, MANY = 10, 25


@pytest.fixture(autouse=True)
def worth_a_file() -> Iterator[None]:
    """Few rows are many here."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        forms = {name: replace(form, rows_min=MANY) for name, form in parquet.FORMS.items()}
        monkeypatch.setattr(parquet, "FORMS", forms)
        yield


def samples(first: int, count: int) -> pa.Table:
    numbers = np.arange(first, first + count)
    columns = [pa.array(numbers).cast(field.type) for field in TABLES["samples"]]
    return pa.table(columns, schema=TABLES["samples"])


def texts(count: int) -> pa.Table:
    return pa.table([pa.array(["x" * 100] * count)], names=["text"])


def numbers(rows: pa.Table | Path) -> list[int]:
    table = pq.read_table(rows) if isinstance(rows, Path) else rows
    assert {column: table[column].cast(pa.int64()).to_pylist() for column in table.column_names} == dict.fromkeys(
        table.column_names, table["position"].to_pylist()
    )
    found: list[int] = table["position"].to_pylist()
    return found


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_every_row_is_there_once_and_in_order(tmp_path_factory: pytest.TempPathFactory, counts: list[int]) -> None:
    folder = tmp_path_factory.mktemp("data")
    gathered = GatheredRows(folder)
    first = 0
    for count in counts:
        gathered.add({"samples": samples(first, count)})
        first += count
        assert gathered.held_bytes < MANY * 32
    rows = gathered.finished()["samples"]
    assert numbers(rows) == list(range(first))
    assert isinstance(rows, Path) == (first >= MANY)
    gathered.abandon()
    assert list(folder.rglob("*.parquet")) == ([rows] if isinstance(rows, Path) else [])


def events(count: int) -> pa.Table:
    columns = [
        pa.array(np.arange(count)).cast(field.type) if field.type != pa.utf8() else pa.array([field.name] * count)
        for field in TABLES["events"]
    ]
    return pa.table(columns, schema=TABLES["events"])


def test_every_column_of_what_goes_to_files_has_a_form() -> None:
    for name, form in parquet.FORMS.items():
        assert sorted([*form.encodings, *form.repeat]) == sorted(TABLES[name].names)


def test_events_go_to_files_as_they_are(tmp_path: Path) -> None:
    gathered = GatheredRows(tmp_path)
    gathered.add({"events": events(MANY)})
    gathered.add({"events": events(FEW)})
    file = gathered.finished()["events"]
    assert pq.read_table(file).to_pylist() == pa.concat_tables([events(MANY), events(FEW)]).to_pylist()


def test_only_samples_and_events_go_to_files_and_only_where_there_is_a_folder(tmp_path: Path) -> None:
    for folder in (tmp_path, None):
        gathered = GatheredRows(folder)
        for part in range(2):
            gathered.add({"samples": samples(MANY * part, MANY), "texts": texts(MANY)})
        assert gathered.held_bytes >= 2 * MANY * 100
        found = gathered.finished()
        assert isinstance(found["samples"], Path if folder else pa.Table)
        assert isinstance(found["texts"], pa.Table) and found["texts"].num_rows == 2 * MANY
        assert numbers(found["samples"]) == list(range(2 * MANY))


def test_a_part_is_a_row_group(tmp_path: Path) -> None:
    gathered = GatheredRows(tmp_path)
    for part in range(3):
        gathered.add({"samples": samples(30 * part, 30)})
    gathered.add({"samples": samples(90, FEW)})
    file = pq.ParquetFile(gathered.finished()["samples"])
    assert [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)] == [30, 30, 30, FEW]


def test_what_is_abandoned_leaves_no_file(tmp_path: Path) -> None:
    gathered = GatheredRows(tmp_path)
    gathered.add({"samples": samples(0, MANY)})
    assert list(tmp_path.rglob("*.parquet"))
    gathered.abandon()
    gathered.abandon()
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_disk_that_takes_no_more_is_told_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = GatheredRows(tmp_path)
    gathered.add({"samples": samples(0, MANY)})
    write = pq.ParquetWriter.write_table

    def full(writer: pq.ParquetWriter, *given: object, **named: object) -> None:
        write(writer, *given, **named)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(TablesUnavailable, match=r"cannot be written .*No space left.*; free space"):
        gathered.add({"samples": samples(MANY, MANY)})
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_file_that_cannot_be_finished_is_told_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = GatheredRows(tmp_path)
    gathered.add({"samples": samples(0, MANY)})

    close = pq.ParquetWriter.close

    def full(writer: pq.ParquetWriter) -> None:
        was_open = writer.is_open
        close(writer)
        if was_open:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "close", full)
    with pytest.raises(TablesUnavailable, match="free space"):
        gathered.finished()
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "main").write_text("no directory")
    with pytest.raises(TablesUnavailable, match="cannot be written"):
        GatheredRows(tmp_path).add({"samples": samples(0, MANY)})


def test_nothing_is_left_of_a_file_that_could_not_be_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pq.ParquetWriter

    def full(where: Path, *arguments: object, **named: object) -> None:
        real(where, *arguments, **named).close()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "ParquetWriter", full)
    with pytest.raises(TablesUnavailable, match="No space left on device"):
        GatheredRows(tmp_path).add({"samples": samples(0, MANY)})
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_file_is_on_the_disk_before_anybody_is_told_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    gathered = GatheredRows(tmp_path)
    gathered.add({"samples": samples(0, MANY)})
    file = gathered.finished()["samples"]
    assert isinstance(file, Path)
    assert synced == [file, file.parent]
    assert pq.read_table(file).num_rows == MANY

"""The tables move together with their watermark, or not at all: one contract for both kinds of lake."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.journal.derive import TABLES, Rows, derive, initial_state
from ledger.journal.errors import StoreRefused, TablesUnavailable
from ledger.journal.lake import EmbeddedLake, Lake
from ledger.journal.tables import OvertakenError, Tables
from tests.ledger.batches import minute, record
from tests.ledger.lakes import shared_lake


def rows(position: int) -> Rows:
    return derive([record(minute(1), position)], initial_state())[0]


def counts(tables: Tables) -> dict[str, int]:
    return {name: tables.query(f"SELECT count(*) AS n FROM {name}")["n"][0].as_py() for name in TABLES}


@pytest.fixture(autouse=True)
def _a_file_for_every_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal.lake.INLINED_ROWS_MAX", 0)


@pytest.fixture(params=["embedded", "shared"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "embedded":
        return EmbeddedLake(tmp_path)
    return shared_lake(request.getfixturevalue("database"), request.getfixturevalue("bucket"))


@pytest.fixture
def tables(lake: Lake) -> Iterator[Tables]:
    found = Tables(lake)
    yield found
    found.close()


def test_options_are_set_also_where_somebody_else_made_the_tables(
    tables: Tables, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = "SELECT option_name, value FROM ducklake_options('book')"
    before = tables.query(shown).to_pylist()
    tables._connection.execute("CALL book.set_option('target_file_size', '1MB')")
    assert tables.query(shown).to_pylist() != before
    tables.renew()
    assert tables.query(shown).to_pylist() == before


def test_what_is_merged_is_sorted_also_where_the_tables_were_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("ledger.journal.tables._SORTED", {"samples": "series_id ASC, time ASC"})
        Tables(tmp_path).close()
    tables = Tables(tmp_path)
    for position, tenants in enumerate((["b", "d"], ["c", "a"])):
        entry = {
            "meter": "m",
            "version": 1,
            "dimensions": "{}",
            "quantity": 1,
            "estimated": 0,
            "position": position + 1,
        }
        made = [{**entry, "tenant": name, "hour": 0, "observed_us": 0, "expected_us": 0} for name in tenants]
        tables.apply({"entries": pa.Table.from_pylist(made, schema=TABLES["entries"])}, position, position + 1)
    tables.compact(0)
    tables.close()
    (merged,) = tmp_path.glob("data/main/entries/*.parquet")
    assert pq.read_table(merged)["tenant"].to_pylist() == ["a", "b", "c", "d"]


def test_new_tables_are_empty(tables: Tables, lake: Lake) -> None:
    assert tables.watermark == 0
    assert set(counts(tables).values()) == {0}
    for name, schema in TABLES.items():
        assert tables.query(f"SELECT * FROM {name}").schema.equals(schema)
    tables.close()
    tables.close()
    again = Tables(lake)
    assert again.watermark == 0
    again.close()


def test_what_is_applied_stays(tables: Tables, lake: Lake) -> None:
    tables.apply(rows(1), 0, 1)
    tables.close()
    again = Tables(lake)
    assert again.watermark == 1
    for name, table in rows(1).items():
        assert again.query(f"SELECT * FROM {name}").cast(TABLES[name]).equals(table)
    again.close()


def test_a_wrong_watermark_adds_nothing(tables: Tables) -> None:
    tables.apply(rows(1), 0, 1)
    before = counts(tables)
    for previous in (0, 2):
        with pytest.raises(OvertakenError, match=f"no longer at {previous}"):
            tables.apply(rows(2), previous, 2)
    assert counts(tables) == before
    assert tables.watermark == 1
    tables.apply(rows(2), 1, 2)
    assert tables.watermark == 2


def test_a_second_writer_adds_nothing(tables: Tables, lake: Lake) -> None:
    other = Tables(lake)
    other.apply(rows(1), 0, 1)
    with pytest.raises(OvertakenError):
        tables.apply(rows(1), 0, 1)
    assert tables.watermark == 1
    assert counts(tables)["batches"] == 1
    other.close()


def test_two_writers_at_the_same_moment(tables: Tables, lake: Lake) -> None:
    """Both begin before either commits: one of them wins, whole."""
    other = Tables(lake)
    together = threading.Barrier(2, timeout=30)
    outcomes: list[str] = []

    def apply(which: Tables) -> None:
        with which._transaction() as connection:
            connection.register("incoming", rows(1)["batches"])
            connection.execute("INSERT INTO batches SELECT * FROM incoming")
            connection.unregister("incoming")
            connection.execute("UPDATE watermark SET position = 1 WHERE position = 0")
            together.wait()

    def attempt(which: Tables) -> None:
        try:
            apply(which)
            outcomes.append("applied")
        except OvertakenError:
            outcomes.append("overtaken")

    threads = [threading.Thread(target=attempt, args=(which,)) for which in (tables, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["applied", "overtaken"]
    assert tables.watermark == 1
    assert counts(tables)["batches"] == 1
    for which in (tables, other):
        which.apply(rows(which.watermark + 1), which.watermark, which.watermark + 1)
    assert counts(tables)["batches"] == 3
    other.close()


def test_rows_that_do_not_fit_leave_nothing_behind(tables: Tables) -> None:
    wrong = rows(1) | {"batches": pa.table({"nothing": ["x"]})}
    with pytest.raises(TablesUnavailable):
        tables.apply(wrong, 0, 1)
    assert set(counts(tables).values()) == {0}
    tables.apply(rows(1), 0, 1)
    assert tables.watermark == 1


def test_reading_does_not_wait_for_writing(tables: Tables) -> None:
    tables.apply(rows(1), 0, 1)
    with tables._transaction() as connection:
        connection.execute("DELETE FROM batches")
        assert counts(tables)["batches"] == 1


def test_a_question_that_fails_is_an_error_of_the_journal(tables: Tables) -> None:
    with pytest.raises(TablesUnavailable, match="the tables cannot be read"):
        tables.query("SELECT no_such_column FROM batches")
    tables.close()
    with pytest.raises(TablesUnavailable, match="the tables cannot be read"):
        tables.query("SELECT * FROM batches")


def test_files_that_vanish_are_an_error_of_the_journal(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.apply(rows(1), 0, 1)
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    with pytest.raises(TablesUnavailable, match="made anew from the log"):
        tables.query("SELECT * FROM batches")
    tables.close()


def test_a_catalog_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_bytes(b"no catalog" * 1_000)
    with pytest.raises(StoreRefused, match=r"the tables cannot be opened .* move the directory away"):
        Tables(tmp_path)


def test_a_directory_with_a_quote_in_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "o'brien"
    directory.mkdir()
    found = Tables(directory)
    found.apply(rows(1), 0, 1)
    assert found.watermark == 1
    found.close()
    assert list(directory.rglob("*.parquet"))


def test_what_does_not_fit_into_memory_is_answered_all_the_same(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal.tables._MEMORY", "70MB")
    before = set(lake.spill.glob("*")) if lake.spill.exists() else set()
    tables = Tables(lake)
    many = "SELECT count(*) AS n, max(times) AS most FROM (SELECT number, count(*) AS times FROM range(5_000_000) AS r(number) GROUP BY 1)"
    assert tables.query(many).to_pylist() == [{"n": 5_000_000, "most": 1}]
    tables.close()
    assert set(lake.spill.glob("*")) == before

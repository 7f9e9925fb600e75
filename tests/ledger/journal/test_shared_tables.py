"""Tables on PostgreSQL and S3: several replicas, services that fail, keys that change."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from ledger.journal.compaction import Compaction
from ledger.journal.derive import TABLES
from ledger.journal.errors import StoreRefused, TablesUnavailable
from ledger.journal.lake import Keys, SharedLake
from ledger.journal.tables import Tables, _translated
from tests.ledger.journal.test_tables import counts, rows
from tests.ledger.lakes import shared_lake
from tests.servers.fixtures import Bucket, Database


@pytest.fixture(autouse=True)
def _a_file_for_every_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.journal.lake.INLINED_ROWS_MAX", 0)


@pytest.fixture
def lake(database: Database, bucket: Bucket) -> SharedLake:
    return shared_lake(database, bucket)


@pytest.fixture
def tables(lake: SharedLake) -> Iterator[Tables]:
    found = Tables(lake)
    yield found
    found.close()


def compact(lake: SharedLake) -> None:
    """Have a child do it, and another one what is left when the first has no time any more."""
    is_unfinished = True
    while is_unfinished:
        child = Compaction(lake, threading.Event())
        while not (child.is_prepared or child.is_over):
            time.sleep(0.01)
        if not child.is_over:
            child.run()
        is_unfinished = child.close()


def files(tables: Tables) -> int:
    (row,) = tables.query("SELECT count(*) AS n FROM ducklake_list_files('book', 'samples')").to_pylist()
    return int(row["n"])


def fill(tables: Tables, count: int) -> None:
    for _ in range(count):
        position = tables.watermark
        tables.apply(rows(position + 1), position, position + 1)


def test_replicas_that_start_together_make_the_tables_once(lake: SharedLake) -> None:
    opened: list[Tables] = []
    together = threading.Barrier(3, timeout=60)

    def start() -> None:
        together.wait()
        opened.append(Tables(lake))

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.watermark for each in opened] == [0, 0, 0]
    for each in opened:
        each.close()


def test_a_lost_connection_is_made_anew(tables: Tables, database: Database) -> None:
    fill(tables, 2)
    database.server.stop(immediate=True)
    with pytest.raises(TablesUnavailable, match="see that PostgreSQL and S3 answer") as caught:
        tables.query("SELECT count(*) FROM batches")
    assert database.server.password not in str(caught.value)
    with pytest.raises(TablesUnavailable):
        tables.apply(rows(3), 2, 3)
    database.server.start()
    assert tables.watermark == 2
    fill(tables, 1)
    assert counts(tables)["batches"] == 3


def test_a_commit_that_fails_half_way_adds_nothing(tables: Tables, database: Database) -> None:
    fill(tables, 1)
    with pytest.raises(TablesUnavailable) as caught:
        _apply_and_lose_the_server(tables, database)
    assert type(caught.value) is TablesUnavailable
    database.server.start()
    assert tables.watermark == 1
    assert counts(tables)["batches"] == 1


def _apply_and_lose_the_server(tables: Tables, database: Database) -> None:
    with _translated(tables.lake), tables._transaction() as connection:
        connection.execute("INSERT INTO batches SELECT * FROM batches")
        connection.execute("UPDATE watermark SET position = 2")
        database.server.kill()


def test_s3_that_is_down_is_said_and_comes_back(tables: Tables, bucket: Bucket) -> None:
    fill(tables, 1)
    bucket.server.kill()
    with pytest.raises(TablesUnavailable, match="S3"):
        tables.query("SELECT * FROM samples")
    with pytest.raises(TablesUnavailable):
        tables.apply(rows(2), 1, 2)
    bucket.server.start()
    assert tables.watermark == 1
    fill(tables, 1)
    assert counts(tables)["samples"] == 2


def test_keys_may_change_while_the_tables_are_open(lake: SharedLake) -> None:
    good = lake.keys()
    current = [good]
    tables = Tables(replace(lake, keys=lambda: current[0]))
    fill(tables, 1)
    current[0] = Keys(good.key_id, "the-wrong-one")
    with pytest.raises(TablesUnavailable) as caught:
        tables.query("SELECT * FROM samples")
    assert "the-wrong-one" not in str(caught.value)
    current[0] = good
    assert counts(tables)["samples"] == 1
    tables.close()


def test_a_wrong_password_is_refused_and_not_shown(lake: SharedLake) -> None:
    wrong = replace(lake, server={**lake.server, "password": "not-this-one"})
    with pytest.raises(StoreRefused, match="password authentication failed") as caught:
        Tables(wrong)
    assert "not-this-one" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_other_tables_in_the_database_are_none_of_its_business(lake: SharedLake, database: Database) -> None:
    with psycopg.connect(database.dsn) as connection:
        connection.execute("CREATE SCHEMA other")
        connection.execute("CREATE TABLE other.watermark (position int)")
    tables = Tables(lake)
    assert tables.watermark == 0
    assert set(counts(tables)) == set(TABLES)
    tables.close()


@pytest.mark.slow
def test_a_snapshot_reads_the_same_while_a_child_compacts(tables: Tables, lake: SharedLake) -> None:
    fill(tables, 6)
    held = tables.snapshot()
    question = "SELECT (SELECT position FROM watermark) AS watermark, count(*) AS n, max(position) AS last FROM samples"
    before = held.query(question)
    fill(tables, 2)
    with tables.alone(0) as is_alone:
        assert is_alone
        compact(lake)
    assert files(tables) == 1
    fill(tables, 1)
    assert held.query(question).equals(before)
    assert held.query("SELECT count(*) AS n FROM samples")["n"].to_pylist() == [6]
    assert held.query("SELECT * FROM samples").num_rows == 6
    assert counts(tables)["samples"] == 9


def test_a_child_that_fails_shows_no_secret(
    lake: SharedLake, database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    real = subprocess.Popen

    def watched(command: list[str], **options: object) -> object:
        commands.append(command)
        return real(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", watched)
    broken = replace(lake, server={**lake.server, "port": "1"})
    with caplog.at_level(logging.WARNING):
        compact(broken)
    assert "not compacted" in caplog.text
    assert commands == [[sys.executable, "-m", "ledger.journal.compaction"]]
    for secret in (database.server.password, lake.keys().secret):
        assert secret not in caplog.text


def test_a_new_prefix_is_another_book(database: Database, bucket: Bucket) -> None:
    first = Tables(shared_lake(database, bucket))
    fill(first, 1)
    second = Tables(replace(shared_lake(database, bucket, "books/second"), schema="second_tables"))
    assert second.watermark == 0
    first.close()
    second.close()

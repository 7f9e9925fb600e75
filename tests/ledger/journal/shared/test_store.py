"""What is looked at when a shared place is opened: its version, whose book it is, and what its services promise."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from ledger.journal.errors import Overtaken, StoreRefused
from ledger.journal.place import Server, SharedPlace
from ledger.journal.shared import migrations
from ledger.journal.shared.database import Database as Connections
from ledger.journal.shared.groups import packed
from ledger.journal.shared.migrations import migrate
from ledger.journal.shared.objects import NameTaken
from ledger.journal.shared.orphans import orphans
from ledger.journal.shared.store import SharedStore
from tests.ledger.journal.shared.places import WAIT_S, batch, records_of, replica
from tests.servers.fixtures import Bucket, Database


def test_replicas_that_begin_at_once_make_one_book(place: SharedPlace) -> None:
    opened: list[SharedStore] = []
    threads = [threading.Thread(target=lambda: opened.append(SharedStore(place))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for store in opened:
        store.close()


def test_a_newer_version_is_refused_and_an_older_one_brought_up(
    place: SharedPlace, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with replica(place) as log:
        log.append(batch("a", 1)).result(WAIT_S)
    monkeypatch.setattr(migrations, "_STEPS", (*migrations._STEPS, ("ALTER TABLE log ADD COLUMN more integer",)))
    known = migrations.VERSION
    monkeypatch.setattr(migrations, "VERSION", known + 1)
    for _ in range(2):
        with replica(place) as log:
            assert len(records_of(log)) == 1
    monkeypatch.undo()
    connections = Connections(place.server)
    with pytest.raises(StoreRefused, match=f"schema meterbook is of version {known + 1}, this software knows {known}"):
        connections.run(migrate)
    connections.close()
    with psycopg.connect(database.dsn) as connection:
        rows = connection.execute("SELECT version FROM meterbook.schema_version ORDER BY version").fetchall()
    assert rows == [(version,) for version in range(1, known + 2)]


def test_two_books_in_one_database_have_a_schema_each(place: SharedPlace) -> None:
    other = replace(place, bucket=replace(place.bucket, prefix="other"), server=Server(place.server.url, "other"))
    with replica(place) as one, replica(other) as two:
        assert one.append(batch("a", 1)).result(WAIT_S) == 1
        assert two.append(batch("b", 1)).result(WAIT_S) == 1
        assert [record.draft.chain for record in records_of(two, stored=True)] == ["b"]


def test_a_bucket_and_a_database_of_two_books_are_refused(place: SharedPlace) -> None:
    SharedStore(place).close()
    other = replace(place, server=Server(place.server.url, "other"))
    with pytest.raises(StoreRefused, match=r"holds the book [0-9a-f-]{36}, .* the book [0-9a-f-]{36}; name the two"):
        SharedStore(other)


def test_services_that_promise_enough_are_not_warned_of(place: SharedPlace) -> None:
    store = SharedStore(place)
    assert store.warnings == []
    with pytest.raises(NameTaken):
        store.objects.put("BOOK", b"another")
    store.close()


def test_services_that_may_lose_what_they_acknowledged(
    place: SharedPlace, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def set_to(value: str) -> None:
        with psycopg.connect(database.server.dsn(), autocommit=True) as connection:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"ALTER SYSTEM SET {name} = {value}")
            connection.execute("SELECT pg_reload_conf()")
        while True:
            with psycopg.connect(database.dsn) as connection:
                if connection.execute("SHOW synchronous_commit").fetchone() == (value,):
                    break

    set_to("off")
    try:
        store = SharedStore(replace(place, bucket=replace(place.bucket, is_durable=False)))
        with store.database.connect() as connection:
            assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        store.close()
    finally:
        set_to("on")
    assert [warning.partition(":")[0] for warning in store.warnings] == ["postgresql", "postgresql", "s3"]
    assert "fsync = off" in store.warnings[0]
    assert "full_page_writes = off" in store.warnings[1]
    assert f"-locationPrefix=/buckets/{place.bucket.name}/ -fsync -apply" in store.warnings[2]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == store.warnings


def test_a_server_that_does_not_honour_conditions(place: SharedPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that ignores the header: it is taken off every request on its way."""
    store = SharedStore(place)
    client = type(store.objects._s3())
    make = client._make_api_call  # type: ignore[attr-defined]

    def ignoring(self: object, operation: str, values: dict[str, object]) -> object:
        return make(self, operation, {name: value for name, value in values.items() if name != "IfNoneMatch"})

    store.close()
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", ignoring)
    with replica(place) as log:
        assert log.append(batch("a", 1)).result(WAIT_S) == 1
    store = SharedStore(place)
    (warning,) = store.warnings
    assert "does not honour If-None-Match" in warning
    store.close()


def test_orphans_are_found_and_what_is_in_the_log_is_not(place: SharedPlace, bucket: Bucket) -> None:
    store = SharedStore(place)
    log = store.log()
    log.append(batch("a", 1)).result(WAIT_S)
    assert log.append(batch("a", 1)).result(WAIT_S) == 1
    assert isinstance(log.append(batch("a", 3)).exception(WAIT_S), Overtaken)
    left = []
    for number in range(3):
        offer, body = packed([batch("b", number)])
        store.objects.put(offer.object, body)
        left.append(offer.object)
    soon = datetime.now(UTC) + timedelta(minutes=1)
    assert orphans(store.database, store.objects, soon - timedelta(days=1), 10) == []
    assert orphans(store.database, store.objects, soon, 10) == sorted(left)
    assert orphans(store.database, store.objects, soon, 2) == sorted(left)[:2]
    store.objects.delete(left)
    assert orphans(store.database, store.objects, soon, 10) == []
    assert len(records_of(log, stored=True)) == 1
    log.close()
    store.close()

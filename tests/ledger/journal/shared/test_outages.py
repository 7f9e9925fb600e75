"""A service that is down or hangs is said to be so, in time and without its secrets; when it is back, all goes on by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import psycopg
import pytest

from ledger.journal.errors import LogUnavailable, StoreRefused
from ledger.journal.place import SharedPlace
from ledger.journal.shared import connection as connections
from ledger.journal.shared import database as databases
from ledger.journal.shared import objects
from ledger.journal.shared.objects import Objects
from ledger.journal.shared.store import SharedStore
from tests.ledger.journal.shared.places import WAIT_S, address, batch, place_of, records_of, replica
from tests.servers.fixtures import Bucket, Database
from tests.servers.process import ServerProcess, free_ports


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_READ_S", 1)
    monkeypatch.setattr(objects, "_CONNECT_S", 1)
    monkeypatch.setattr(connections, "ANSWER_S", 1)
    monkeypatch.setattr(databases, "_CONNECT_S", 2)


def check_outage(place: SharedPlace, server: ServerProcess, what: str, end: Callable[[], None]) -> None:
    begin = server.resume if what == "hangs" else server.start
    with replica(place) as log:
        first = batch("a", 1)
        second = batch("a", 2, first.hash)
        log.append(first).result(WAIT_S)
        end()
        for _ in range(2):
            with pytest.raises(LogUnavailable) as told:
                log.append(second).result(WAIT_S)
            assert server.name == "SeaweedFS" or "postgresql://127.0.0.1:" in str(told.value)
            assert server.name == "PostgreSQL" or "s3://" in str(told.value)
            assert "\n" not in str(told.value)
            for secret in ("a-password", "a-secret", "a-key"):
                assert secret not in str(told.value)
        begin()
        while isinstance(failed := log.append(second).exception(WAIT_S), LogUnavailable):
            pass
        assert failed is None
        assert [record.draft for record in records_of(log, stored=True)] == [first, second]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["hangs", "is gone"])
def test_s3(what: str, place: SharedPlace, bucket: Bucket) -> None:
    check_outage(place, bucket.server, what, bucket.server.pause if what == "hangs" else bucket.server.kill)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["hangs", "is gone"])
def test_postgresql(what: str, place: SharedPlace, database: Database) -> None:
    check_outage(place, database.server, what, database.server.pause if what == "hangs" else database.server.kill)


def test_questions_while_postgresql_is_gone(place: SharedPlace, database: Database) -> None:
    with replica(place) as log:
        log.append(batch("a", 1)).result(WAIT_S)
        database.server.kill()
        for ask in (log.refresh, lambda: log.head("a"), lambda: log.wait_past(1, 5), lambda: log.reader(1)):
            with pytest.raises(LogUnavailable, match="postgresql://"):
                ask()
        database.server.start()
        assert log.refresh() == log.head("a").position == 1


def test_a_log_that_is_tried_says_which_service_is_gone(place: SharedPlace, database: Database, bucket: Bucket) -> None:
    with replica(place) as log:
        log.check()
        for server, said in ((database.server, "postgresql://127.0.0.1:"), (bucket.server, "s3://")):
            server.kill()
            with pytest.raises(LogUnavailable, match=said):
                log.check()
            server.start()
            log.check()


def test_a_database_that_takes_no_writes_is_said_to_take_none(place: SharedPlace, database: Database) -> None:
    """As a primary that became a standby, or that a provider made read-only since its disk is full: it answers every question."""

    def make(change: str) -> None:
        with psycopg.connect(database.server.dsn(), autocommit=True) as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER SYSTEM {change}")  # type: ignore[arg-type] # the test's own text
            admin.execute("SELECT pg_reload_conf()")

    def trouble() -> str:
        try:
            log.check()
        except LogUnavailable as error:
            return str(error)
        return ""

    with replica(place) as log:
        assert trouble() == ""
        make("SET default_transaction_read_only = on")
        try:
            while not (first := trouble()):
                time.sleep(0.05)  # the server reads its configuration in its own time
            assert "takes no writes, it is a standby or was made read-only" in first
            assert trouble(), "no new connection is made to such a server"
        finally:
            make("RESET default_transaction_read_only")
        while trouble():
            time.sleep(0.05)
        assert log.append(batch("a", 1)).result(WAIT_S) == 1


def test_where_s3_refused_a_record_it_is_ready_once_it_takes_one(
    place: SharedPlace, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 may read well and write nothing: a role that lost a right, a bucket that is full."""
    takes = False
    put = Objects.put

    def refusing(self: Objects, name: str, body: bytes) -> str:
        if not takes:
            raise LogUnavailable("s3://bucket: cannot be written (AccessDenied, HTTP status 403)")
        return put(self, name, body)

    with replica(place) as log:
        monkeypatch.setattr(Objects, "put", refusing)
        log.check()
        assert isinstance(log.append(batch("a", 1)).exception(WAIT_S), LogUnavailable)
        for _ in range(2):
            with pytest.raises(LogUnavailable, match="AccessDenied"):
                log.check()
        takes = True
        log.check()
        assert log.append(batch("a", 1)).result(WAIT_S) == 1
        written = [each.name for page in log._objects.listed("") for each in page]
        assert not any(name.startswith("soundness/") for name in written), "nothing of it is left"


def test_places_that_cannot_be_opened(
    place: SharedPlace,
    database: Database,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "ledger")
    (closed,) = free_ports(1)
    text = address(database, bucket)
    cases = [
        (address(database, bucket, port=closed), "refused"),
        (address(database, bucket, s3_port=closed), "cannot be reached"),
        (text.replace("a-password-of-postgres", "a-password-of-nobody"), "password authentication failed"),
        (text.replace(f"/{database.name}", "/nowhere"), "does not exist"),
        (text + "?nonsense=1", "does not understand the address"),
    ]
    for case, said in cases:
        with pytest.raises((LogUnavailable, StoreRefused), match=said) as told:
            SharedStore(place_of(case))
        assert "password-of" not in str(told.value) + repr(place_of(case)) + str(place_of(case))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(LogUnavailable, match="SignatureDoesNotMatch"):
        SharedStore(place)
    assert "password-of" not in caplog.text
    assert "secret" not in caplog.text

"""What histories take for S3 and PostgreSQL does what the real ones do, wherever the log relies on it: one suite for both."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError
from psycopg.errors import CheckViolation, InFailedSqlTransaction, LockNotAvailable, UniqueViolation

from ledger.journal.record import NO_HEAD, Head
from ledger.journal.shared import database as databases
from ledger.journal.shared.connection import GroupRow
from ledger.journal.shared.database import Database
from ledger.journal.shared.store import SharedStore
from meterbook.proof.merkle import Frontier
from tests.fakes.process import Process
from tests.fakes.s3 import FakeS3Client
from tests.faults.shared import SharedWorld
from tests.ledger.journal.shared.harness import servers
from tests.ledger.journal.shared.places import address, credentials, place_of
from tests.servers.fixtures import Bucket
from tests.servers.fixtures import Database as FreshDatabase

EMPTY = Frontier().to_bytes()
EDGE = Frontier().appended([bytes(32)]).to_bytes()
FIRST = GroupRow(1, 2, "log/one", 10, 7, None, [5], EDGE)
SECOND = GroupRow(3, 3, "log/two", 20, 1 << 31, [1], [6], EDGE)
HEADS = {"a": Head(2, b"h" * 32, 2)}


class Impatient:
    """Nobody waits for a lock; all else is well."""

    random = Random(0)

    def fate(self, call: str, what: str) -> str:
        return "error" if "wait" in call else "well"


@pytest.fixture(params=["memory", "real"])
def services(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Database, Any, str]]:
    """A migrated database, a client of S3, and a bucket for it."""
    monkeypatch.setattr(databases, "_LOCK_S", 1)
    if request.param == "memory":
        world, process = SharedWorld(Random(0), []), Process("one", Impatient())
        database, _, _ = world.services(process)
        yield database, FakeS3Client(world.s3, process), "bucket"
        database.close()
        return
    postgres, s3 = servers()
    name = f"services-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(name)
    place = place_of(address(FreshDatabase(postgres, name, postgres.create_database(name)), Bucket(s3, name)))
    with patch.dict(os.environ, credentials(s3)):
        store = SharedStore(place)
    client = s3.client()
    yield store.database, client, name
    client.close()
    store.close()
    postgres.drop_database(name)
    s3.delete_bucket(name)


def test_a_group_is_there_when_it_is_committed(services: tuple[Database, Any, str]) -> None:
    database, _, _ = services
    with closing(database.connect()) as one, closing(database.connect()) as two:
        standing = one.take_log(["a", "b"], FIRST.object)
        assert (standing.edge, standing.time_us, standing.heads, standing.has_object) == (EMPTY, 0, {}, False)
        assert (two.edge(), two.head("a"), two.groups_after(0, 9)) == (EMPTY, NO_HEAD, [])
        one.commit_group(FIRST, HEADS)
        assert (two.edge(), two.head("a"), two.groups_after(0, 9)) == (EDGE, HEADS["a"], [FIRST])
        standing = two.take_log(["a", "b"], FIRST.object)
        assert (standing.edge, standing.time_us, standing.heads, standing.has_object) == (EDGE, 5, HEADS, True)
        assert standing.now_us > 1_700_000_000_000_000
        two.commit_group(SECOND, {"a": Head(3, b"i" * 32, 3), "b": Head(1, b"j" * 32, 3)})
        assert one.groups_after(0, 1) == [FIRST]
        assert one.groups_after(1, 9) == [SECOND]
        assert [one.groups_until(position) for position in range(4)] == [[], [FIRST], [FIRST], [FIRST, SECOND]]
        assert one.taken_up(["log/two", "log/three"]) == {"log/two"}
        assert (one.head("a").sequence, one.head("b").sequence) == (3, 1)


def test_a_transaction_that_is_not_committed_leaves_nothing(services: tuple[Database, Any, str]) -> None:
    database, _, _ = services
    with closing(database.connect()) as one, closing(database.connect()) as two:
        one.take_log(["a"], FIRST.object)
        one.rollback()
        two.take_log(["a"], FIRST.object)
        two.rollback()
        two.rollback()
        assert two.groups_after(0, 9) == []


def test_who_waits_too_long_for_the_log_gets_an_error_and_the_other_goes_on(
    services: tuple[Database, Any, str],
) -> None:
    database, _, _ = services
    with closing(database.connect()) as one, closing(database.connect()) as two:
        one.take_log(["a"], FIRST.object)
        with pytest.raises(LockNotAvailable):
            two.take_log(["a"], FIRST.object)
        assert not two.closed
        with pytest.raises(InFailedSqlTransaction):
            two.edge()
        two.rollback()
        assert two.edge() == EMPTY
        one.commit_group(FIRST, HEADS)
        assert two.take_log(["a"], "log/three").edge == EDGE
        two.rollback()


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (replace(SECOND, first=1), UniqueViolation),
        (replace(SECOND, object=FIRST.object), UniqueViolation),
        (replace(SECOND, last=2), CheckViolation),
    ],
)
def test_keys_are_unique_and_a_commit_that_fails_leaves_nothing(
    row: GroupRow, error: type[Exception], services: tuple[Database, Any, str]
) -> None:
    database, _, _ = services
    with closing(database.connect()) as connection:
        connection.take_log(["a"], FIRST.object)
        connection.commit_group(FIRST, HEADS)
        connection.take_log(["a"], row.object)
        with pytest.raises(error):
            connection.commit_group(row, {"a": Head(9, bytes(32), 9)})
        assert not connection.closed
        connection.rollback()
        assert (connection.head("a"), connection.groups_after(0, 9)) == (HEADS["a"], [FIRST])


def test_an_object_is_whole_and_its_name_reserved(services: tuple[Database, Any, str]) -> None:
    _, client, bucket = services
    client.put_object(Bucket=bucket, Key="log/a", Body=b"one", IfNoneMatch="*")
    with pytest.raises(ClientError) as found:
        client.put_object(Bucket=bucket, Key="log/a", Body=b"two", IfNoneMatch="*")
    assert found.value.response["Error"]["Code"] == "PreconditionFailed"
    assert found.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert client.get_object(Bucket=bucket, Key="log/a")["Body"].read() == b"one"
    client.put_object(Bucket=bucket, Key="log/a", Body=b"two")
    assert client.get_object(Bucket=bucket, Key="log/a")["Body"].read() == b"two"
    for _ in range(2):
        client.delete_object(Bucket=bucket, Key="log/a")
    with pytest.raises(ClientError) as missing:
        client.get_object(Bucket=bucket, Key="log/a")
    assert missing.value.response["Error"]["Code"] == "NoSuchKey"


def test_a_list_is_in_order_and_goes_on_where_it_was(services: tuple[Database, Any, str]) -> None:
    _, client, bucket = services
    names = [f"log/{number}" for number in range(9)]
    for name in [*reversed(names), "other/1"]:
        client.put_object(Bucket=bucket, Key=name, Body=b"")
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = client.list_objects_v2(Bucket=bucket, Prefix="log/", **more)
        found += [each["Key"] for each in page.get("Contents", [])]
        if not page.get("NextContinuationToken"):
            break
        more = {"ContinuationToken": page["NextContinuationToken"]}
    assert found == names

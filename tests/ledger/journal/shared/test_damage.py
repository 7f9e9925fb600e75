"""Whatever was changed or lost in S3 or PostgreSQL is found by reading, and never read over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from ledger.journal.errors import Overtaken, StoreDamaged
from ledger.journal.log import Known
from ledger.journal.place import SharedPlace
from ledger.journal.shared.log import SharedLog
from ledger.journal.shared.store import SharedStore
from tests.ledger.journal.shared.places import WAIT_S, batch, records_of, replica
from tests.servers.fixtures import Bucket, Database

GROUPS = 4


@pytest.fixture
def log(place: SharedPlace) -> Iterator[SharedLog]:
    """A log of four groups, opened."""
    with replica(place) as opened:
        for number in range(1, GROUPS + 1):
            opened.append(batch(f"chain {number}", 1, payload=b"%d" % number * 100)).result(WAIT_S)
        yield opened


def names(database: Database) -> list[str]:
    with psycopg.connect(database.dsn) as connection:
        return [row[0] for row in connection.execute("SELECT object FROM meterbook.log_group ORDER BY first")]


@pytest.mark.parametrize("at", [0, 8, 20, 100, -1])
def test_an_object_of_which_a_bit_was_flipped(log: SharedLog, at: int, database: Database, bucket: Bucket) -> None:
    s3, key = bucket.server.client(), f"book/{names(database)[2]}"
    body = bytearray(s3.get_object(Bucket=bucket.name, Key=key)["Body"].read())
    body[at] ^= 1
    s3.put_object(Bucket=bucket.name, Key=key, Body=bytes(body))
    s3.close()
    assert len(records_of(log)) == GROUPS
    with pytest.raises(StoreDamaged, match=r"the object log/.*position 3, is damaged"):
        records_of(log, stored=True)


def test_an_object_that_is_gone(log: SharedLog, database: Database, bucket: Bucket) -> None:
    s3, name = bucket.server.client(), names(database)[1]
    s3.delete_object(Bucket=bucket.name, Key=f"book/{name}")
    s3.close()
    with pytest.raises(StoreDamaged, match=f"the object {name} is missing"):
        records_of(log, stored=True)
    assert len(records_of(log, 2, stored=True)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DELETE FROM log_group WHERE first = 1", "the group after position 0 is missing, the next one begins at 2"),
        ("DELETE FROM log_group WHERE first = 3", "the group after position 2 is missing, the next one begins at 4"),
        ("DELETE FROM log_group WHERE first = 4", "the group after position 3 is missing, which the log holds"),
        ("UPDATE log_group SET times_us = '{1}' WHERE first = 2", "the tree after the object .*, position 2"),
        ("UPDATE log_group SET last = 9 WHERE first = 2", "has 1 records, not 8"),
        ("UPDATE log_group SET seed = (seed + 1) % 1000 WHERE first = 2", "checksum does not match"),
        ("UPDATE log_group SET kept = '{}' WHERE first = 2", "has 0 records, not 1"),
        ("UPDATE log_group SET object_bytes = 7 WHERE first = 2", "bytes, not 7"),
        ("UPDATE log_group SET edge = 'x' WHERE first = 2", "is not the edge of a tree"),
        (
            "UPDATE log_group SET edge = (SELECT edge FROM log_group WHERE first = 1) WHERE first = 2",
            "the tree after the object .*, position 2",
        ),
        ("UPDATE log SET edge = set_byte(edge, 20, 1 + get_byte(edge, 20) % 100)", "not that of its records"),
    ],
)
def test_rows_that_were_changed(log: SharedLog, change: str, message: str, database: Database) -> None:
    with psycopg.connect(database.dsn, options="-c search_path=meterbook", autocommit=True) as connection:
        assert connection.execute(change).rowcount == 1
    # As a replica would that is opened now.
    with closing(SharedLog(log._database, log._objects)) as again, pytest.raises(StoreDamaged, match=message):
        records_of(again, stored=True)


def test_a_log_that_ends_before_what_the_tables_have_seen(log: SharedLog, place: SharedPlace) -> None:
    store = SharedStore(place)
    store.log(Known(GROUPS)).close()
    with pytest.raises(StoreDamaged, match="ends at position 4, but the tables have seen 5"):
        store.log(Known(GROUPS + 1))
    with pytest.raises(StoreDamaged, match="the group of position 5 is missing"):
        log.reader(5)
    store.close()


def test_a_group_of_which_a_part_was_let_in_is_read_as_that_part(log: SharedLog) -> None:
    """Of five in one object, the second and the last but one do not follow."""
    first = batch("a", 1)
    drafts = [first, batch("b", 7), batch("c", 1), batch("a", 2), batch("a", 2, first.hash)]
    held = log._groups._changed
    with held:
        futures = [log.append(draft) for draft in drafts]
    faults = [future.exception(WAIT_S) for future in futures]
    assert [isinstance(fault, Overtaken) for fault in faults] == [False, True, False, True, False]
    kept = [drafts[0], drafts[2], drafts[4]]
    assert [record.draft for record in records_of(log, GROUPS, stored=True)] == kept
    for after in range(GROUPS, GROUPS + 4):
        assert [record.draft for record in records_of(log, after, stored=True)] == kept[after - GROUPS :]

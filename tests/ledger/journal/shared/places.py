"""Shared places on real servers, logs on them, and records to write there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

from ledger.journal.log import Log
from ledger.journal.place import SharedPlace, parse
from ledger.journal.record import NO_HASH, Draft, Head, Kind, Record, follow
from ledger.journal.shared.log import SharedLog
from ledger.journal.shared.store import SharedStore
from tests.servers.fixtures import Bucket, Database
from tests.servers.seaweed import SeaweedServer

WAIT_S = 60.0


def credentials(server: SeaweedServer) -> Mapping[str, str]:
    """The environment that names who asks S3."""
    return {"AWS_ACCESS_KEY_ID": server.access_key_id, "AWS_SECRET_ACCESS_KEY": server.secret_access_key}


def address(database: Database, bucket: Bucket, *, port: int = 0, s3_port: int = 0) -> str:
    """The setting that names both; another port is that of a proxy."""
    server = database.server
    endpoint = f"127.0.0.1:{s3_port}" if s3_port else bucket.server.endpoint
    s3 = f"s3://{bucket.name}/book?endpoint=http://{endpoint}&region={bucket.server.region}&durable=yes"
    return f"{s3} + postgresql://postgres:{quote(server.password)}@127.0.0.1:{port or server.port}/{database.name}"


def place_of(text: str) -> SharedPlace:
    place = parse(text)
    assert isinstance(place, SharedPlace)
    return place


@contextmanager
def replica(place: SharedPlace) -> Iterator[SharedLog]:
    """One replica's log."""
    store = SharedStore(place)
    try:
        log = store.log()
        try:
            yield log
        finally:
            log.close()
    finally:
        store.close()


def batch(chain: str, sequence: int, previous: bytes = NO_HASH, payload: bytes = b"payload") -> Draft:
    """A record of a chain whose hash is made as those of the ledger's own records."""
    return follow(Kind.DEFINITIONS, chain, Head(sequence - 1, previous, 0), payload)


def records_of(log: Log, after: int = 0, *, stored: bool = False, bytes_max: int = 1 << 20) -> list[Record]:
    """Everything after a position."""
    reader = log.reader(after, stored=stored)
    found: list[Record] = []
    while group := reader.read(bytes_max):
        found += group
    reader.close()
    return found

"""What the tests of the shared log have in common: a fresh place on real servers."""

from __future__ import annotations

import pytest

from ledger.journal.place import SharedPlace
from tests.ledger.journal.shared.harness import servers
from tests.ledger.journal.shared.places import address, credentials, place_of
from tests.servers.fixtures import Bucket, Database, bucket, database
from tests.servers.postgres import PostgresServer
from tests.servers.seaweed import SeaweedServer

__all__ = ["bucket", "database"]


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """The one that the contract suite has too."""
    return servers()[0]


@pytest.fixture(scope="session")
def s3_server() -> SeaweedServer:
    """The one that the contract suite has too."""
    return servers()[1]


@pytest.fixture
def place(database: Database, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> SharedPlace:
    """An empty place; the environment has the credentials of its S3."""
    for name, value in credentials(bucket.server).items():
        monkeypatch.setenv(name, value)
    return place_of(address(database, bucket))

"""Fixtures: one server of each kind for a run (with pytest-xdist: for each worker), and a fresh place on it for each test.

A conftest takes them by importing them. Nothing is started before the first test asks for it. A test that kills, stops
or pauses a server leaves it so: the next one that asks for a place on it finds it running and answering again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerProcess
from tests.servers.sail import SailServer
from tests.servers.seaweed import SeaweedServer

_Server = TypeVar("_Server", bound=ServerProcess)


@dataclass(frozen=True)
class Database:
    """A fresh database; ``dsn`` is what psycopg and DuckDB connect with."""

    server: PostgresServer
    name: str
    dsn: str = field(repr=False)


@dataclass(frozen=True)
class Bucket:
    """A fresh bucket."""

    server: SeaweedServer
    name: str


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """PostgreSQL; tests use ``database``."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[SeaweedServer]:
    """SeaweedFS; tests use ``bucket``."""
    with SeaweedServer() as server:
        yield server


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database that is empty; it is dropped at the end."""
    _running(postgres_server)
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield Database(postgres_server, name, postgres_server.create_database(name))
    _running(postgres_server).drop_database(name)


@pytest.fixture
def bucket(s3_server: SeaweedServer) -> Iterator[Bucket]:
    """A bucket that is empty; it is removed with all that is in it at the end."""
    _running(s3_server)
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3_server.create_bucket(name)
    yield Bucket(s3_server, name)
    _running(s3_server).delete_bucket(name)


@pytest.fixture(scope="session")
def sail_server() -> Iterator[SailServer]:
    """A cluster that speaks Spark Connect."""
    with SailServer() as server:
        yield server


def _running(server: _Server) -> _Server:
    if server.is_running:
        server.resume()
    else:
        server.start()
    return server

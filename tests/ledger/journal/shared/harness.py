"""The shared log in the contract suite: each harness is a place of its own on one pair of servers.

The servers start when the first asks for them, once for a run (with pytest-xdist: for each worker), and end with it.
"""

from __future__ import annotations

import atexit
import os
import uuid
from functools import cache
from pathlib import Path
from unittest.mock import patch

from ledger.journal.log import Known, Log
from ledger.journal.shared.log import SharedLog
from ledger.journal.shared.store import SharedStore
from tests.ledger.journal.shared.places import address, credentials, place_of
from tests.servers.fixtures import Bucket, Database
from tests.servers.postgres import PostgresServer
from tests.servers.seaweed import SeaweedServer


@cache
def servers() -> tuple[PostgresServer, SeaweedServer]:
    """Both, started; a test that stops one starts it again."""
    both = PostgresServer().start(), SeaweedServer().start()
    for server in both:
        atexit.register(server.close)
    return both


class SharedHarness:
    """The log in S3 and PostgreSQL."""

    def __init__(self, _: Path) -> None:
        postgres, s3 = servers()
        name = f"harness-{uuid.uuid4().hex[:12]}"
        s3.create_bucket(name)
        self._bucket = Bucket(s3, name)
        self._database = Database(postgres, name, postgres.create_database(name))
        self._place = place_of(address(self._database, self._bucket))
        self._opened: list[SharedLog | SharedStore] = []

    def open(self, known: Known | None = None) -> Log:
        with patch.dict(os.environ, credentials(self._bucket.server)):
            store = SharedStore(self._place)
        self._opened.insert(0, store)
        log = store.log(known)
        self._opened.insert(0, log)
        return log

    def kill(self, log: Log) -> None:
        """Nothing that it leaves open has a say in what others do."""

    def damage(self, position: int) -> None:
        store = next(each for each in self._opened if isinstance(each, SharedStore))
        row = store.database.run(lambda connection: connection.groups_until(position))[-1]
        body = bytearray(store.objects.get(row.object))
        body[-1] ^= 1
        store.objects.delete([row.object])
        store.objects.put(row.object, bytes(body))

    def stop(self) -> None:
        for each in self._opened:
            each.close()
        self._database.server.drop_database(self._database.name)
        self._bucket.server.delete_bucket(self._bucket.name)

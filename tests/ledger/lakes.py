"""Where tables lie in the tests: in a directory, or on the real servers."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict

from ledger.journal import place
from ledger.journal.lake import Keys, SharedLake
from tests.servers.fixtures import Bucket, Database
from tests.servers.seaweed import SeaweedServer


def shared_lake(database: Database, bucket: Bucket, prefix: str = "books/first") -> SharedLake:
    """Tables in a fresh database and bucket."""
    s3 = place.Bucket(bucket.name, prefix, f"http://{bucket.server.endpoint}", SeaweedServer.region)
    keys = Keys(SeaweedServer.access_key_id, SeaweedServer.secret_access_key)
    server = {name: str(value) for name, value in conninfo_to_dict(database.dsn).items()}
    return SharedLake(s3, server, "meterbook_tables", lambda: keys)

"""The database's tables, made and changed by numbered steps, each exactly once whoever comes first.

Replicas of two versions share a database while one takes the other's place: a step must leave what the version before it
needs. A step is never edited once it was released; a change is a new step.
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from ledger.journal.errors import StoreRefused
from ledger.journal.shared.connection import Connection
from meterbook.proof.merkle import Frontier

#: Taken while the tables are changed; any number that nobody else in the database takes.
_LOCK = 0x6D62_0001

_STEPS: tuple[tuple[LiteralString, ...], ...] = (
    (
        # One row: where the log ends. Its row lock is what makes one commit follow another.
        """
        CREATE TABLE log (
            only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
            book uuid NOT NULL DEFAULT gen_random_uuid(),
            edge bytea NOT NULL,
            time_us bigint NOT NULL
        ) WITH (fillfactor = 10)
        """,
        # Names are bytes, so that the database's collation and what it thinks of a character have no say.
        """
        CREATE TABLE chain (
            name bytea PRIMARY KEY,
            sequence bigint NOT NULL,
            hash bytea NOT NULL,
            position bigint NOT NULL
        ) WITH (fillfactor = 70)
        """,
        """
        CREATE TABLE log_group (
            first bigint PRIMARY KEY,
            last bigint NOT NULL CHECK (last >= first),
            object text NOT NULL UNIQUE,
            object_bytes bigint NOT NULL,
            seed bigint NOT NULL,
            kept integer[],
            times_us bigint[] NOT NULL,
            edge bytea NOT NULL
        )
        """,
    ),
    (
        # Not written to the server's log: after a crash all leases are free.
        """
        CREATE UNLOGGED TABLE lease (
            source bytea PRIMARY KEY,
            agent bytea NOT NULL,
            until timestamptz NOT NULL
        ) WITH (fillfactor = 50)
        """,
        "CREATE INDEX lease_agent ON lease (agent)",
    ),
)
VERSION = len(_STEPS)


def migrate(connection: Connection) -> None:
    """Bring the schema that the connection works in to this version. Raises StoreRefused where it is a newer one."""
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN")
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    (schema,) = connection.execute("SELECT current_setting('search_path')").fetchone() or ("",)
    # Asked first: whoever may not create schemas is given one.
    if connection.execute("SELECT to_regnamespace(%s)", [schema]).fetchone() == (None,):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, since timestamptz DEFAULT now())"
    )
    found = _version(connection)
    if found > VERSION:
        raise StoreRefused(
            f"PostgreSQL schema {schema} is of version {found}, this software knows {VERSION}; use the version of Meterbook "
            "that made it, or a newer one"
        )
    for version, statements in enumerate(_STEPS[found:], found + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute("INSERT INTO schema_version (version) VALUES (%s)", [version])
    connection.execute("INSERT INTO log (edge, time_us) VALUES (%s, 0) ON CONFLICT DO NOTHING", [Frontier().to_bytes()])
    connection.execute("COMMIT")


def _version(connection: Connection) -> int:
    if connection.execute("SELECT to_regclass('schema_version')").fetchone() == (None,):
        return 0
    (version,) = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone() or (0,)
    return int(version)

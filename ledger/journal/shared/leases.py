"""Leases where replicas share a database: any of them answers, and all say the same."""

from __future__ import annotations

from collections.abc import Collection

from ledger.journal.leases import LEASE_S
from ledger.journal.shared.connection import Connection
from ledger.journal.shared.database import Database

# Rows are taken in one order, so that two agents that ask for the same sources do not wait for each other. A source that is taken by
# another at this very moment is not among the answers, and is told of the next time.
_TAKE = """
    WITH asked AS (SELECT unnest(%(sources)s::bytea[]) AS source ORDER BY 1),
    freed AS (DELETE FROM lease WHERE agent = %(agent)s AND source <> ALL (%(sources)s::bytea[])),
    taken AS (
        INSERT INTO lease (source, agent, until)
        SELECT source, %(agent)s, clock_timestamp() + make_interval(secs => %(seconds)s) FROM asked ORDER BY source
        ON CONFLICT (source) DO UPDATE SET agent = excluded.agent, until = excluded.until
        WHERE lease.agent = excluded.agent OR lease.until < clock_timestamp()
        RETURNING source
    )
    SELECT source, agent FROM lease JOIN asked USING (source) WHERE source NOT IN (SELECT source FROM taken)
"""


class SharedLeases:
    """The leases in the database; see :class:`ledger.journal.leases.Leases`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, agent: str, sources: Collection[str]) -> dict[str, str]:
        """See :class:`ledger.journal.leases.Leases`."""
        named = sorted({source.encode() for source in sources})

        def ask(connection: Connection) -> list[tuple[bytes, bytes]]:
            given = {"agent": agent.encode(), "sources": named, "seconds": LEASE_S}
            return [(bytes(source), bytes(other)) for source, other in connection.execute(_TAKE, given).fetchall()]

        return {source.decode(): other.decode() for source, other in self._database.run(ask)}

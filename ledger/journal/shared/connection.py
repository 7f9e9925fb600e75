"""A connection to PostgreSQL, and all that the log says over it: what stands in its rows comes and goes as values.

Both halves of a commit are each sent as one message of PostgreSQL's simple protocol: one round trip, and, unlike a pipeline,
the server's clock for a session that is idle in its transaction runs as soon as the answer is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple, TypeVar

import psycopg
from psycopg.abc import PQGen

from ledger.journal.record import NO_HEAD, Head

Answer = TypeVar("Answer")

#: How long an answer is waited for.
ANSWER_S = 15

_TAKE = """
    BEGIN;
    SELECT edge, time_us, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM log FOR UPDATE;
    SELECT name, sequence, hash, position FROM chain WHERE name = ANY(%(names)s);
    SELECT 1 FROM log_group WHERE object = %(object)s
"""
_COMMIT = """
    INSERT INTO chain
    SELECT * FROM unnest(%(names)s::bytea[], %(sequences)s::bigint[], %(hashes)s::bytea[], %(positions)s::bigint[])
    ON CONFLICT (name) DO UPDATE
    SET sequence = excluded.sequence, hash = excluded.hash, position = excluded.position;
    INSERT INTO log_group (first, last, object, object_bytes, seed, kept, times_us, edge)
    VALUES (%(first)s, %(last)s, %(object)s, %(bytes)s, %(seed)s, %(kept)s::integer[], %(times_us)s::bigint[], %(edge)s);
    UPDATE log SET edge = %(edge)s, time_us = %(time_us)s;
    COMMIT"""
_GROUPS: LiteralString = "SELECT first, last, object, object_bytes, seed, kept, times_us, edge FROM log_group "
_AFTER: LiteralString = _GROUPS + "WHERE first > %s ORDER BY first LIMIT %s"
_UNTIL: LiteralString = _GROUPS + "WHERE first <= %s ORDER BY first DESC LIMIT 2"


@dataclass(frozen=True)
class GroupRow:
    """A row of ``log_group``; ``kept`` are the frames of the object that count, in order, or None for all."""

    first: int
    last: int
    object: str
    object_bytes: int
    seed: int
    kept: Sequence[int] | None
    times_us: Sequence[int]
    edge: bytes = field(repr=False)


class Standing(NamedTuple):
    """Where the log stands: its edge, the time of its last commit, the server's time now, the heads of the chains asked for
    that there are, and whether an object is in it already.
    """

    edge: bytes
    time_us: int
    now_us: int
    heads: Mapping[str, Head]
    has_object: bool


class Connection(psycopg.Connection[Any]):
    """A connection that does not wait for ever; one whose answer did not come in time is closed.

    Every method raises psycopg.Error.
    """

    def wait(self, gen: PQGen[Answer], interval: float = 0.1, timeout: float | None = None) -> Answer:
        """Wait for an answer. Raises psycopg.OperationalError when it does not come."""
        try:
            return super().wait(gen, interval, ANSWER_S if timeout is None else timeout)
        except psycopg.errors._WaitTimeout:
            self.close()
            raise psycopg.OperationalError(f"no answer within {ANSWER_S} s") from None

    def take_log(self, chains: Sequence[str], object_name: str) -> Standing:
        """Begin a transaction, wait until no other holds the log, and see where it stands."""
        values = {"names": [chain.encode() for chain in chains], "object": object_name}
        looked = psycopg.ClientCursor(self).execute(_TAKE, values)
        looked.nextset()
        edge, time_us, now_us = looked.fetchone() or (b"", 0, 0)
        looked.nextset()
        heads = {bytes(name).decode(): Head(sequence, bytes(link), at) for name, sequence, link, at in looked}
        looked.nextset()
        return Standing(bytes(edge), time_us, now_us, heads, looked.fetchone() is not None)

    def commit_group(self, row: GroupRow, heads: Mapping[str, Head]) -> None:
        """Add a group behind the others, move the chains, and commit the transaction that ``take_log`` began.

        Where this fails and the connection is closed then, nobody here knows whether it took effect; else it did not.
        """
        values = {
            "names": [chain.encode() for chain in heads],
            "sequences": [head.sequence for head in heads.values()],
            "hashes": [head.hash for head in heads.values()],
            "positions": [head.position for head in heads.values()],
            "first": row.first,
            "last": row.last,
            "object": row.object,
            "bytes": row.object_bytes,
            "seed": row.seed,
            "kept": row.kept,
            "times_us": list(row.times_us),
            "edge": row.edge,
            "time_us": row.times_us[-1],
        }
        writing = psycopg.ClientCursor(self).execute(_COMMIT, values)
        while writing.nextset():
            pass
        if writing.statusmessage != "COMMIT":
            raise psycopg.InternalError(f"COMMIT was answered by {writing.statusmessage}")

    def edge(self) -> bytes:
        """The edge of the log's tree."""
        (found,) = self.execute("SELECT edge FROM log").fetchone() or (b"",)
        return bytes(found)

    def head(self, chain: str) -> Head:
        """The last record of a chain."""
        query = "SELECT sequence, hash, position FROM chain WHERE name = %s"
        found = self.execute(query, [chain.encode()]).fetchone()
        return NO_HEAD if found is None else Head(found[0], bytes(found[1]), found[2])

    def groups_after(self, position: int, rows_max: int) -> list[GroupRow]:
        """The first groups that begin after a position."""
        return [_row(found) for found in self.execute(_AFTER, [position, rows_max])]

    def groups_until(self, position: int) -> list[GroupRow]:
        """The group that a position is in and the one before it, if there are such."""
        return [_row(found) for found in self.execute(_UNTIL, [position])][::-1]

    def takes_writes(self) -> bool:
        """Whether the server does: not as a standby, which the primary of before may have become, nor where it was made read-only."""
        (found,) = self.execute("SELECT current_setting('transaction_read_only') = 'off'").fetchone() or (False,)
        return bool(found)

    def taken_up(self, object_names: Sequence[str]) -> set[str]:
        """Those of the objects that are in a group."""
        query = "SELECT object FROM log_group WHERE object = ANY(%s)"
        return {name for (name,) in self.execute(query, [list(object_names)])}


def _row(found: Any) -> GroupRow:
    first, last, name, size, seed, kept, times_us, edge = found
    return GroupRow(first, last, name, size, seed, kept, times_us, bytes(edge))

"""The transaction that gives a group its place in the log.

It locks the log's one row, so that commits of all replicas follow one another; looks where the chains stand; lets the
fence decide; and writes chains, group and the log's new end. Nothing that a replica remembers has a say in it.

When the connection breaks after COMMIT was sent, nobody here knows what became of it. The next attempt does: it gets the row
lock only when the former session is over, and finds the group's object in the log or does not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from ledger.journal.errors import LogUnavailable, Overtaken, StoreDamaged
from ledger.journal.fence import Admitted, admit
from ledger.journal.record import Draft, Head, Record
from ledger.journal.segment import Group
from ledger.journal.shared.database import Connection, Database
from meterbook.proof.merkle import Frontier

#: How long the outcome of a broken commit is looked for, and how often.
_PATIENCE_S, _RETRY_S = 20.0, 0.5

# Each is sent as one message of PostgreSQL's simple protocol: one round trip, and, unlike a pipeline, the server's clock for a
# session that is idle in its transaction runs as soon as the answer is sent.
_LOOK = """
    BEGIN;
    SELECT edge, time_us, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM log FOR UPDATE;
    SELECT name, sequence, hash, position FROM chain WHERE name = ANY(%(names)s);
    SELECT 1 FROM log_group WHERE object = %(object)s
"""
_WRITE = """
    INSERT INTO chain
    SELECT * FROM unnest(%(names)s::bytea[], %(sequences)s::bigint[], %(hashes)s::bytea[], %(positions)s::bigint[])
    ON CONFLICT (name) DO UPDATE
    SET sequence = excluded.sequence, hash = excluded.hash, position = excluded.position;
    INSERT INTO log_group (first, last, object, object_bytes, seed, kept, times_us, edge)
    VALUES (%(first)s, %(last)s, %(object)s, %(bytes)s, %(seed)s, %(kept)s::integer[], %(times_us)s::bigint[], %(edge)s);
    UPDATE log SET edge = %(edge)s, time_us = %(time_us)s;
    COMMIT"""


@dataclass(frozen=True)
class Offer:
    """Drafts whose frames stand in an object, in this order.

    ``times_us`` are when they were committed, for records that another log had before; else they are committed now.
    """

    drafts: Sequence[Draft]
    object: str
    object_bytes: int
    seed: int
    times_us: Sequence[int] = ()


@dataclass(frozen=True)
class Committed:
    """What became of an offer: the outcome of each draft, the log's tree then, and what was added, if anything."""

    outcomes: list[int | Overtaken]
    frontier: Frontier
    group: Group | None


class OutcomeUnknown(Exception):
    """The connection broke after COMMIT was sent; if it took effect, ``committed`` is what became of the offer."""

    def __init__(self, committed: Committed, cause: psycopg.Error) -> None:
        super().__init__(f"the outcome of a commit is unknown: {cause}")
        self.committed = committed


def settled(database: Database, offer: Offer) -> Committed:
    """Commit an offer, and find out whether that took effect where the connection broke. Raises StoreDamaged, LogUnavailable."""
    try:
        return database.run(lambda connection: commit(connection, offer))
    except OutcomeUnknown as error:
        unknown = error
    give_up_s = time.monotonic() + _PATIENCE_S
    while True:
        committed = unknown.committed
        try:
            return database.run_anew(lambda connection: commit(connection, offer, committed))  # noqa: B023
        except OutcomeUnknown as error:
            unknown = error
        except LogUnavailable as error:
            if time.monotonic() > give_up_s:
                raise LogUnavailable(
                    f"{error}; whether {len(offer.drafts)} records were committed could not be found out: send them again"
                ) from error
        time.sleep(_RETRY_S)


def commit(connection: Connection, offer: Offer, unknown: Committed | None = None) -> Committed:
    """Give an offer its place in the log. Raises OutcomeUnknown, StoreDamaged, psycopg.Error; only the first may have changed anything.

    ``unknown`` is what an earlier attempt at the same offer said when its outcome was unknown.
    """
    names = list({draft.chain.encode() for draft in offer.drafts})
    looked = psycopg.ClientCursor(connection).execute(_LOOK, {"names": names, "object": offer.object})
    looked.nextset()
    edge, last_us, now_us = looked.fetchone() or (b"", 0, 0)
    looked.nextset()
    stand = looked.fetchall()
    looked.nextset()
    found = looked.fetchone()
    frontier = edge_of(edge, "the log's end")
    if unknown is not None and found is not None:
        connection.execute("ROLLBACK")
        return unknown
    heads = {bytes(name).decode(): Head(sequence, bytes(link), at) for name, sequence, link, at in stand}
    admitted = admit(offer.drafts, heads, frontier.size + 1)
    if not admitted.drafts:
        connection.execute("ROLLBACK")
        return Committed(admitted.outcomes, frontier, None)
    kept = _kept(admitted, frontier.size)
    times_us = [offer.times_us[at] for at in kept] if offer.times_us else [max(last_us, now_us)]
    group = stamped(admitted.drafts, times_us, frontier)
    committed = Committed(admitted.outcomes, group.frontier, group)
    _write(connection, offer, kept, admitted, committed)
    return committed


def edge_of(data: bytes, what: str) -> Frontier:
    """The edge of a tree as the database has it. Raises StoreDamaged."""
    try:
        return Frontier.from_bytes(bytes(data))
    except ValueError as error:
        raise StoreDamaged(f"PostgreSQL: {what} is not the edge of a tree ({error}); restore the database") from error


def stamped(drafts: Sequence[Draft], times_us: Sequence[int], frontier: Frontier) -> Group:
    """The group that these records are after the tree ``frontier``, each committed at its time, or all at the only one."""
    times_us = times_us if len(times_us) == len(drafts) else list(times_us) * len(drafts)
    each = enumerate(zip(drafts, times_us, strict=True), frontier.size + 1)
    records = tuple(Record(position, time_us, draft) for position, (draft, time_us) in each)
    return Group(records, frontier.appended(record.leaf for record in records), 0)


def _kept(admitted: Admitted, end: int) -> list[int]:
    """Which of the offered drafts were admitted: one that repeats another of the same offer has only its position."""
    first = {outcome: at for at, outcome in reversed(list(enumerate(admitted.outcomes))) if isinstance(outcome, int)}
    return [first[position] for position in range(end + 1, end + 1 + len(admitted.drafts))]


def _write(connection: Connection, offer: Offer, kept: list[int], admitted: Admitted, committed: Committed) -> None:
    assert committed.group is not None
    records = committed.group.records
    sequences, hashes, positions = (list(column) for column in zip(*admitted.heads.values(), strict=True))
    times_us = [record.time_us for record in records]
    values = {
        "names": [name.encode() for name in admitted.heads],
        "sequences": sequences,
        "hashes": hashes,
        "positions": positions,
        "first": records[0].position,
        "last": records[-1].position,
        "object": offer.object,
        "bytes": offer.object_bytes,
        "seed": offer.seed,
        "kept": None if len(kept) == len(offer.drafts) else kept,
        "times_us": times_us[:1] if times_us[0] == times_us[-1] else times_us,
        "edge": committed.frontier.to_bytes(),
        "time_us": times_us[-1],
    }
    try:
        writing = psycopg.ClientCursor(connection).execute(_WRITE, values)
    except psycopg.Error as error:
        # An error of a server that still talks to us has ended the transaction.
        if connection.closed:
            raise OutcomeUnknown(committed, error) from error
        raise
    while writing.nextset():
        pass
    if writing.statusmessage != "COMMIT":
        raise psycopg.InternalError(f"COMMIT was answered by {writing.statusmessage}")

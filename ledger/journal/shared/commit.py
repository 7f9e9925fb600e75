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

_LOG = """
    SELECT edge, time_us, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    FROM log FOR UPDATE
"""
_HEADS = "SELECT name, sequence, hash, position FROM chain WHERE name = ANY(%s)"
_FOUND = "SELECT 1 FROM log_group WHERE object = %s"
_MOVE_CHAINS = """
    INSERT INTO chain SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::bytea[], %s::bigint[])
    ON CONFLICT (name) DO UPDATE
    SET sequence = excluded.sequence, hash = excluded.hash, position = excluded.position
"""
_ADD_GROUP = """
    INSERT INTO log_group (first, last, object, object_bytes, seed, kept, times_us, edge)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_MOVE_LOG = "UPDATE log SET edge = %s, time_us = %s"


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
    with connection.pipeline():
        connection.execute("BEGIN")
        locked = connection.execute(_LOG)
        stand = connection.execute(_HEADS, [names])
        found = connection.execute(_FOUND, [offer.object])
    edge, last_us, now_us = locked.fetchone() or (b"", 0, 0)
    frontier = edge_of(edge, "the log's end")
    if unknown is not None and found.fetchone() is not None:
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
    records, edge = committed.group.records, committed.frontier.to_bytes()
    names = [name.encode() for name in admitted.heads]
    sequences, hashes, positions = (list(column) for column in zip(*admitted.heads.values(), strict=True))
    times_us = [record.time_us for record in records]
    row = [
        records[0].position,
        records[-1].position,
        offer.object,
        offer.object_bytes,
        offer.seed,
        None if len(kept) == len(offer.drafts) else kept,
        times_us[:1] if times_us[0] == times_us[-1] else times_us,
        edge,
    ]
    try:
        with connection.pipeline():
            connection.execute(_MOVE_CHAINS, [names, sequences, hashes, positions])
            connection.execute(_ADD_GROUP, row)
            connection.execute(_MOVE_LOG, [edge, records[-1].time_us])
            done = connection.execute("COMMIT")
    except psycopg.Error as error:
        # An error of a server that still talks to us has ended the transaction.
        if connection.closed:
            raise OutcomeUnknown(committed, error) from error
        raise
    if done.statusmessage != "COMMIT":
        raise psycopg.InternalError(f"COMMIT was answered by {done.statusmessage}")

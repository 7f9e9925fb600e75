"""The transaction that gives a group its place in the log.

It locks the log's one row, so that commits of all replicas follow one another; looks where the chains stand; lets the
fence decide; and writes chains, group and the log's new end. Nothing that a replica remembers has a say in it.

When the connection breaks after COMMIT was sent, nobody here knows what became of it. The next attempt does: it gets the row
lock only when the former session is over, and finds the group's object in the log or does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from ledger.journal.errors import LogUnavailable, Overtaken, StoreDamaged
from ledger.journal.fence import Admitted, admit
from ledger.journal.record import Draft, Record
from ledger.journal.segment import Group
from ledger.journal.shared.connection import Connection, GroupRow
from ledger.journal.shared.database import Database
from ledger.journal.shared.machine import MACHINE, Machine
from meterbook.proof.merkle import Frontier

#: How long the outcome of a broken commit is looked for, and how often.
_PATIENCE_S, _RETRY_S = 20.0, 0.5
#: An older object may have been deleted as an orphan, which takes a day; the other half is for clocks that differ.
OBJECT_AGE_MAX_S = 12 * 3_600


@dataclass(frozen=True)
class Offer:
    """Drafts whose frames stand in an object, in this order.

    ``begun_us`` is when that object was begun. ``times_us`` are when they were committed, for records that another log had
    before; else they are committed now.
    """

    drafts: Sequence[Draft]
    object: str
    object_bytes: int
    seed: int
    begun_us: int
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


def settled(database: Database, offer: Offer, machine: Machine = MACHINE) -> Committed:
    """Commit an offer, and find out whether that took effect where the connection broke. Raises StoreDamaged, LogUnavailable."""
    try:
        return database.run(lambda connection: commit(connection, offer))
    except OutcomeUnknown as error:
        unknown = error
    give_up_s = machine.passed_s() + _PATIENCE_S
    while True:
        committed = unknown.committed
        try:
            return database.run_anew(lambda connection: commit(connection, offer, committed))  # noqa: B023
        except OutcomeUnknown as error:
            unknown = error
        except LogUnavailable as error:
            if machine.passed_s() > give_up_s:
                raise LogUnavailable(
                    f"{error}; whether {len(offer.drafts)} records were committed could not be found out: send them again"
                ) from error
        machine.sleep(_RETRY_S)


def commit(connection: Connection, offer: Offer, unknown: Committed | None = None) -> Committed:
    """Give an offer its place in the log. Raises OutcomeUnknown, LogUnavailable, StoreDamaged, psycopg.Error.

    Only the first may have changed anything. An offer from before its machine stood still for hours is unavailable.
    ``unknown`` is what an earlier attempt at the same offer said when its outcome was unknown.
    """
    chains = list({draft.chain: None for draft in offer.drafts})
    standing = connection.take_log(chains, offer.object)
    frontier = edge_of(standing.edge, "the log's end")
    if unknown is not None and standing.has_object:
        connection.rollback()
        return unknown
    age_s = (standing.now_us - offer.begun_us) // 1_000_000
    if age_s > OBJECT_AGE_MAX_S:
        raise LogUnavailable(
            f"S3: the object {offer.object} was begun {age_s} s ago, over {OBJECT_AGE_MAX_S}, and may have been deleted as "
            "an orphan: send its records again, and check the clock of this machine"
        )
    admitted = admit(offer.drafts, standing.heads, frontier.size + 1)
    if not admitted.drafts:
        connection.rollback()
        return Committed(admitted.outcomes, frontier, None)
    kept = _kept(admitted, frontier.size)
    times_us = [offer.times_us[at] for at in kept] if offer.times_us else [max(standing.time_us, standing.now_us)]
    group = stamped(admitted.drafts, times_us, frontier)
    committed = Committed(admitted.outcomes, group.frontier, group)
    try:
        connection.commit_group(_row(offer, kept, group), admitted.heads)
    except psycopg.Error as error:
        # An error of a server that still talks to us has ended the transaction.
        if connection.closed:
            raise OutcomeUnknown(committed, error) from error
        raise
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


def _row(offer: Offer, kept: list[int], group: Group) -> GroupRow:
    times_us = [record.time_us for record in group.records]
    return GroupRow(
        first=group.records[0].position,
        last=group.records[-1].position,
        object=offer.object,
        object_bytes=offer.object_bytes,
        seed=offer.seed,
        kept=None if len(kept) == len(offer.drafts) else kept,
        times_us=times_us[:1] if times_us[0] == times_us[-1] else times_us,
        edge=group.frontier.to_bytes(),
    )

"""Groups as they are kept: the frames of their records in an object, their place in the log in a row.

The object is written before anybody knows which of its records will be let in, and where: record frames say
nothing of it. The row names those that were, and has what is needed to check them: the seed of the checksums and the
edge of the tree after the group.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, LiteralString

from ledger.journal import frames
from ledger.journal.errors import StoreDamaged
from ledger.journal.frames import BadFrame
from ledger.journal.record import Draft
from ledger.journal.segment import Group
from ledger.journal.shared.commit import Offer, edge_of, stamped
from ledger.journal.shared.database import Connection
from meterbook.proof.merkle import Frontier

#: Under which the objects of the log stand, in folders by day.
FOLDER = "log/"
_ROWS: LiteralString = "SELECT first, last, object, object_bytes, seed, kept, times_us, edge FROM log_group "
_AFTER: LiteralString = _ROWS + "WHERE first > %s ORDER BY first LIMIT %s"
_UNTIL: LiteralString = _ROWS + "WHERE first <= %s ORDER BY first DESC LIMIT 2"


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


def packed(drafts: Sequence[Draft], times_us: Sequence[int] = ()) -> tuple[Offer, bytes]:
    """An offer of these drafts, and the bytes of its object, which has a name that no other has."""
    seed = secrets.randbits(32)
    body = b"".join(part for draft in drafts for part in frames.pack(draft, seed))
    name = f"{FOLDER}{datetime.now(UTC):%Y-%m-%d}/{uuid.uuid4()}"
    return Offer(drafts, name, len(body), seed, times_us), body


def rows_after(connection: Connection, position: int, rows_max: int) -> list[GroupRow]:
    """The first groups that begin after a position."""
    return [_row(found) for found in connection.execute(_AFTER, [position, rows_max])]


def rows_until(connection: Connection, position: int) -> list[GroupRow]:
    """The group that a position is in and the one before it, if there are such."""
    return [_row(found) for found in connection.execute(_UNTIL, [position])][::-1]


def group_of(row: GroupRow, body: bytes, frontier: Frontier) -> Group:
    """The records of a group, which must follow the tree ``frontier``. Raises StoreDamaged."""
    if row.first != frontier.size + 1:
        raise StoreDamaged(
            f"PostgreSQL: the group after position {frontier.size} is missing, the next one begins at {row.first}; "
            "restore the database"
        )
    try:
        group = stamped(_drafts(row, body), row.times_us, frontier)
    except (BadFrame, ValueError) as error:
        raise StoreDamaged(
            f"the object {row.object}, position {row.first}, is damaged ({error}); restore it from a backup or an older version"
        ) from None
    if group.frontier != edge_of(row.edge, f"what the group of position {row.first} says"):
        raise StoreDamaged(
            f"the tree after the object {row.object}, position {row.first}, is not the one that PostgreSQL has; restore both"
        )
    return group


def _drafts(row: GroupRow, body: bytes) -> list[Draft]:
    if len(body) != row.object_bytes:
        raise BadFrame(f"it has {len(body)} bytes, not {row.object_bytes}")
    wanted = None if row.kept is None else set(row.kept)
    drafts: list[Draft] = []
    offset = number = 0
    while offset < len(body):
        found = frames.announced(body[offset : offset + frames.RECORD_BYTES])
        offset += frames.RECORD_BYTES
        size = found.chain_bytes + found.payload_bytes
        if wanted is None or number in wanted:
            drafts.append(found.complete(body[offset : offset + size], row.seed))
        offset += size
        number += 1
    if len(drafts) != row.last - row.first + 1 or len(row.times_us) not in (1, len(drafts)):
        raise BadFrame(f"it has {len(drafts)} records, not {row.last - row.first + 1}")
    return drafts


def _row(found: Any) -> GroupRow:
    first, last, name, size, seed, kept, times_us, edge = found
    return GroupRow(first, last, name, size, seed, kept, times_us, bytes(edge))

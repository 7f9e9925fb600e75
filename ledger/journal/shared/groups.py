"""Groups as they are kept: the frames of their records in an object, their place in the log in a row.

The object is written before anybody knows which of its records will be let in, and where: record frames say
nothing of it. The row names those that were, and has what is needed to check them: the seed of the checksums and the
edge of the tree after the group.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from ledger.journal import frames
from ledger.journal.errors import StoreDamaged
from ledger.journal.frames import BadFrame
from ledger.journal.record import Draft
from ledger.journal.segment import Group
from ledger.journal.shared.commit import Offer, edge_of, stamped
from ledger.journal.shared.connection import GroupRow
from ledger.journal.shared.machine import MACHINE, Machine
from meterbook.proof.merkle import Frontier
from meterbook.wire.instants import to_datetime

#: Under which the objects of the log stand, in folders by day.
FOLDER = "log/"


def packed(drafts: Sequence[Draft], times_us: Sequence[int] = (), machine: Machine = MACHINE) -> tuple[Offer, bytes]:
    """An offer of these drafts, and the bytes of its object, which has a name that no other has."""
    seed = machine.bits(32)
    body = b"".join(part for draft in drafts for part in frames.pack(draft, seed))
    begun_us = machine.now_us()
    name = f"{FOLDER}{to_datetime(begun_us):%Y-%m-%d}/{uuid.UUID(int=machine.bits(128), version=4)}"
    return Offer(drafts, name, len(body), seed, begun_us, times_us), body


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

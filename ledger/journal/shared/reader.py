"""Reading the groups of all replicas in order, with every frame, position and tree edge checked on the way.

What this replica committed a moment ago is still in memory; of the rest the rows are asked for page by page, and the objects
of a page are fetched together, since each takes a while to begin.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from ledger.journal.errors import StoreDamaged
from ledger.journal.record import Record
from ledger.journal.segment import Group
from ledger.journal.shared.commit import edge_of
from ledger.journal.shared.connection import GroupRow
from ledger.journal.shared.database import Database
from ledger.journal.shared.groups import group_of
from ledger.journal.shared.objects import Objects
from ledger.journal.shared.tail import Tail
from meterbook.proof.merkle import Frontier

_PAGE_ROWS = 64


class SharedReader:
    """A place in the log that moves forward; see :class:`ledger.journal.log.Reader`. For one thread.

    A read that fails has moved nothing.
    """

    def __init__(
        self,
        database: Database,
        objects: Objects,
        fetching: Executor,
        tail: Tail,
        known: Callable[[], Frontier],
        after: int,
    ) -> None:
        self._database, self._objects, self._fetching = database, objects, fetching
        self._tail, self._known = tail, known
        self._left: list[Record] = []
        self.frontier = self._edge = Frontier()
        if after:
            self._begin(after)

    def read(self, bytes_max: int) -> list[Record]:
        """The records that follow, whole groups until their payloads have ``bytes_max``. Raises StoreDamaged, LogUnavailable."""
        records = list(self._left)
        edge = self._edge
        size = sum(len(record.payload) for record in records)
        known = self._known()
        while size < bytes_max and edge.size < known.size:
            for group in self._next(edge, bytes_max - size):
                edge = group.frontier
                records += group.records
                size += sum(len(record.payload) for record in group.records)
        if edge.size == known.size and edge != known:
            raise StoreDamaged(
                f"{self._database.server}: the tree that the log ends with at position {edge.size} is not that of its "
                "records; restore the database"
            )
        self._left, self.frontier, self._edge = [], edge, edge
        return records

    def close(self) -> None:
        """Nothing is held between two reads."""

    def _begin(self, after: int) -> None:
        """Stand after a position, which may be inside a group."""
        rows = self._database.run(lambda connection: connection.groups_until(after))
        if not rows or rows[-1].last < after:
            raise StoreDamaged(
                f"{self._database.server}: the group of position {after} is missing; restore the database"
            )
        row = rows[-1]
        if row.last == after:
            self.frontier = self._edge = edge_of(row.edge, f"what the group of position {row.first} says")
            return
        before = (
            edge_of(rows[0].edge, f"what the group of position {rows[0].first} says") if len(rows) == 2 else Frontier()
        )
        group = group_of(row, self._objects.get(row.object), before)
        skipped = after - before.size
        self._left = list(group.records[skipped:])
        self.frontier = before.appended(record.leaf for record in group.records[:skipped])
        self._edge = group.frontier

    def _next(self, edge: Frontier, bytes_max: int) -> list[Group]:
        """At least one group, from memory if it is still there."""
        kept = self._tail.after(edge.size)
        if kept is not None:
            return [kept]
        page = self._database.run(lambda connection: connection.groups_after(edge.size, _PAGE_ROWS))
        if not page:
            raise StoreDamaged(
                f"{self._database.server}: the group after position {edge.size} is missing, which the log holds; restore "
                "the database"
            )
        bodies = self._fetching.map(lambda row: self._objects.get(row.object), _within(page, bytes_max))
        groups: list[Group] = []
        for row, body in zip(page, bodies, strict=False):
            groups.append(group_of(row, body, groups[-1].frontier if groups else edge))
        return groups


def _within(page: list[GroupRow], bytes_max: int) -> list[GroupRow]:
    """The first of them, and as many more as fit."""
    size = 0
    for number, row in enumerate(page):
        size += row.object_bytes
        if number and size > bytes_max:
            return page[:number]
    return page

"""The log in S3 and PostgreSQL, for several replicas: see :class:`ledger.journal.log.Log`.

The object of a group is written while the groups before it are being committed; commits keep their order. A group whose
records were all refused leaves nothing. What is kept in memory (the end that this process knows, its own newest groups) is
never asked whether something may be written.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress

from ledger.journal.errors import LogUnavailable, Overtaken, StoreDamaged
from ledger.journal.log import Known
from ledger.journal.record import Draft, Head
from ledger.journal.shared.commit import Offer, edge_of, settled
from ledger.journal.shared.database import Database
from ledger.journal.shared.groups import packed
from ledger.journal.shared.machine import MACHINE, Machine
from ledger.journal.shared.objects import BOOK, Objects
from ledger.journal.shared.reader import SharedReader
from ledger.journal.shared.soundness import FOLDER
from ledger.journal.shared.tail import Tail
from meterbook.proof.merkle import Frontier

#: How often the end is asked for while somebody waits for it to move.
_POLL_S = 0.1


class SharedLog:
    """An opened log. Raises StoreDamaged where it ends before what is known of it, LogUnavailable."""

    def __init__(
        self, database: Database, objects: Objects, known: Known | None = None, machine: Machine = MACHINE
    ) -> None:
        self._database, self._objects, self._machine = database, objects, machine
        self._changed = threading.Condition()
        self._frontier = Frontier()
        self._refused_s3 = False
        position = known.position if known else 0
        if self.refresh() < position:
            raise StoreDamaged(
                f"{database.server}: the log ends at position {self.end}, but the tables have seen {position}; records "
                "that were acknowledged are missing: restore the database from a backup"
            )
        self._tail = Tail()
        self._fetching = machine.fetching()
        self._groups = machine.gather(self._commit, str(database.server), self._put)

    @property
    def frontier(self) -> Frontier:
        """The tree over all records that this process knows of."""
        return self._frontier

    @property
    def end(self) -> int:
        """Position of the last record that this process knows of; 0 for none."""
        return self._frontier.size

    @property
    def files(self) -> None:
        """There are none."""
        return None

    def append(self, draft: Draft) -> Future[int]:
        """A future that gives the record's position once it is durable, or raises Overtaken, LogUnavailable."""
        return self._groups.append(draft)

    def head(self, chain: str) -> Head:
        """The last durable record of a chain, whoever wrote it. Raises LogUnavailable."""
        return self._database.run(lambda connection: connection.head(chain))

    def refresh(self) -> int:
        """The log's end just now, whoever moved it. Raises LogUnavailable, StoreDamaged."""
        edge = self._database.run(lambda connection: connection.edge())
        self._learn(edge_of(edge, "the log's end"))
        return self.end

    def check(self) -> None:
        """That PostgreSQL takes writes and S3 answers; and where S3 took something not, whether it does now.

        Raises LogUnavailable, StoreDamaged.
        """
        self.refresh()
        if not self._database.run(lambda connection: connection.takes_writes()):
            # A new connection looks for one that does.
            self._database.forget()
            raise LogUnavailable(
                f"{self._database.server}: takes no writes, it is a standby or was made read-only; name the primary, or let it write"
            )
        if self._refused_s3:
            name = f"{FOLDER}{uuid.uuid4()}"
            self._objects.put(name, b"")
            self._objects.delete([name])
            self._refused_s3 = False
        else:
            self._objects.get(BOOK)

    def wait_past(self, position: int, timeout_s: float) -> int:
        """Wait until the log is known to end after ``position`` or the time is up; gives the end. Raises LogUnavailable."""
        give_up_s = time.monotonic() + timeout_s
        while self.end <= position and (left_s := give_up_s - time.monotonic()) > 0:
            with self._changed:
                self._changed.wait_for(lambda: self.end > position, min(left_s, _POLL_S))
            if self.end <= position:
                self.refresh()
        return self.end

    def reader(self, after: int = 0, *, stored: bool = False) -> SharedReader:
        """A reader of what follows position ``after``; with ``stored`` only from S3. Raises StoreDamaged, LogUnavailable."""
        tail = Tail() if stored else self._tail
        return SharedReader(self._database, self._objects, self._fetching, tail, lambda: self._frontier, after)

    def applied(self, position: int) -> None:
        """The tables have everything up to ``position``: it need not be kept in memory."""
        self._tail.drop(position)

    def close(self) -> None:
        """Write what waits, then stop. Safe to call twice."""
        self._groups.close()
        self._fetching.shutdown()

    def _learn(self, frontier: Frontier) -> None:
        with self._changed:
            if frontier.size > self._frontier.size:
                self._frontier = frontier
                self._changed.notify_all()

    def _put(self, drafts: Sequence[Draft]) -> Offer:
        offer, body = packed(drafts, machine=self._machine)
        try:
            self._objects.put(offer.object, body)
        except LogUnavailable:
            self._refused_s3 = True
            raise
        return offer

    def _commit(self, offer: Offer) -> Sequence[int | Overtaken]:
        committed = settled(self._database, offer, self._machine)
        if committed.group is None:
            # Nobody will ever name it; if it cannot be deleted just now, it is an orphan as any other.
            with suppress(LogUnavailable):
                self._objects.delete([offer.object])
        else:
            self._tail.add(committed.group)
        self._learn(committed.frontier)
        return committed.outcomes

"""The log, as the rest of the ledger sees it, whatever keeps it: records in commit order, acknowledged when durable.

``embedded`` keeps it in files of one machine; ``shared`` in S3 and PostgreSQL, for several replicas. One contract
suite holds both to what is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from ledger.journal.disk import Disk
from ledger.journal.record import Draft, Head, Record
from meterbook.proof.merkle import Frontier


@dataclass(frozen=True)
class Known:
    """What is known of a log from elsewhere, the tables: where they stand, and the heads of all chains there.

    A log that ends before it has lost records.
    """

    position: int = 0
    heads: Mapping[str, Head] = field(default_factory=dict)


class Reader(Protocol):
    """A place in the log that moves forward."""

    @property
    def frontier(self) -> Frontier:
        """The tree over all records before the place; its size is the position of the last of them."""
        ...

    def read(self, bytes_max: int) -> list[Record]:
        """The records that follow, whole groups until their payloads have ``bytes_max``; none at the end of the log.

        Every checksum and the tree's root are checked on the way. Raises StoreDamaged, LogUnavailable.
        """
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class Log(Protocol):
    """An opened log."""

    @property
    def frontier(self) -> Frontier:
        """The tree over all records that this process knows to be durable."""
        ...

    @property
    def end(self) -> int:
        """Position of the last of them; 0 for none."""
        ...

    @property
    def files(self) -> Disk | None:
        """What another process of this machine can read the log from; None where it is not in files."""
        ...

    def append(self, draft: Draft) -> Future[int]:
        """A future that gives the record's position once it is durable.

        It raises Overtaken where the draft does not follow in its chain, LogUnavailable where nothing can be written.
        Waits while too much is waiting already. A draft that is its chain's head already gets the position of then.
        """
        ...

    def head(self, chain: str) -> Head:
        """The last durable record of a chain. Raises LogUnavailable."""
        ...

    def refresh(self) -> int:
        """The log's end just now, also where another process moved it. Raises LogUnavailable."""
        ...

    def check(self) -> None:
        """That records can be appended just now, as far as can be told without one. Raises LogUnavailable, StoreDamaged."""
        ...

    def wait_past(self, position: int, timeout_s: float) -> int:
        """Wait until the log is known to end after ``position`` or the time is up; gives the end. Raises LogUnavailable."""
        ...

    def reader(self, after: int = 0, *, stored: bool = False) -> Reader:
        """A reader of what follows position ``after``; with ``stored`` of nothing that is only remembered.

        Raises StoreDamaged, LogUnavailable.
        """
        ...

    def applied(self, position: int) -> None:
        """The tables have everything up to ``position``."""
        ...

    def close(self) -> None:
        """Write what waits, then stop. Safe to call twice."""
        ...

"""PostgreSQL in memory, as far as the shared log speaks to it: the methods of ``ledger.journal.shared.connection.Connection``.

It follows the PostgreSQL manual. A transaction's writes are there at its COMMIT, all or none, and durable then (chapters 13
and 28); ``SELECT ... FOR UPDATE`` of the log's row waits for the session that has it, and sees what that one left ("explicit
locking", read committed); reads wait for nobody. Who waits longer than ``lock_timeout`` gets an error and goes on in a failed
transaction; a session whose client is gone, or idles in its transaction for too long, is ended, and what it had not
committed is gone. A COMMIT that was sent may take effect long after its client gave up, with the row still locked. Keys
are unique, and CHECKs are checked, as ``migrations`` has them.

Whatever the client does that the code must never do (a commit without the lock) is an assertion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar

import psycopg
from psycopg.errors import (
    AdminShutdown,
    CheckViolation,
    InFailedSqlTransaction,
    LockNotAvailable,
    QueryCanceled,
    UniqueViolation,
)
from psycopg.pq import TransactionStatus

from ledger.journal.record import NO_HEAD, Head
from ledger.journal.shared.connection import GroupRow, Standing
from meterbook.proof.merkle import Frontier
from tests.fakes.process import Process

Answer = TypeVar("Answer")
Write = tuple[GroupRow, Mapping[str, Head]]


class Session:
    """The server's side of a connection."""

    def __init__(self) -> None:
        self.status = TransactionStatus.IDLE
        self.is_ended = False
        #: A COMMIT that nobody waits for any more.
        self.pending: Write | None = None


class FakePostgres:
    """The server; outlives those who use it. ``clock`` gives microseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.edge, self.time_us = Frontier().to_bytes(), 0
        self.chains: dict[str, Head] = {}
        self.groups: list[GroupRow] = []
        self.sessions: list[Session] = []
        self.holder: Session | None = None
        #: How many sessions were ended by the server.
        self.ended = 0

    def take(self, session: Session, process: Process) -> None:
        """The lock of the log's row, when whoever has it is done. Raises LockNotAvailable, AdminShutdown."""
        while (holder := self.holder) not in (None, session):
            if process.fate("wait for the lock", "") != "well":
                raise LockNotAvailable("canceling statement due to lock timeout")
            # Meanwhile it may have been let go, or have gone to yet another.
            if holder is not None and self.holder is holder:
                self.end(holder, process)
        if session.is_ended:
            raise AdminShutdown("terminating connection due to administrator command")
        self.holder = session

    def end(self, session: Session, process: Process) -> None:
        """The server ends a session, after the COMMIT that it was sent, if that arrives."""
        pending, session.pending = session.pending, None
        if pending is not None and not session.is_ended and process.oracle.random.random() < 0.5:
            self.commit(session, *pending)
        session.is_ended = True
        self.ended += 1
        if self.holder is session:
            self.holder = None

    def pass_hours(self, process: Process) -> None:
        """``idle_in_transaction_session_timeout`` ends every transaction that is not over."""
        for session in self.sessions:
            if session.status is not TransactionStatus.IDLE:
                self.end(session, process)

    def restart(self, process: Process) -> None:
        """All sessions end, as with ``immediate`` shutdown and recovery."""
        for session in self.sessions:
            self.end(session, process)
        self.sessions = []

    def commit(self, session: Session, row: GroupRow, heads: Mapping[str, Head]) -> None:
        """Raises UniqueViolation, CheckViolation."""
        assert self.holder is session, "written without the lock"
        if row.last < row.first:
            raise CheckViolation('violates check constraint "log_group_check"')
        if any(row.first == each.first or row.object == each.object for each in self.groups):
            raise UniqueViolation("duplicate key value violates unique constraint")
        self.chains.update(heads)
        self.groups.append(row)
        self.groups.sort(key=lambda each: each.first)
        self.edge, self.time_us = row.edge, row.times_us[-1]
        self.release(session)

    def release(self, session: Session) -> None:
        session.status = TransactionStatus.IDLE
        if self.holder is session:
            self.holder = None


class FakeConnection:
    """Stands for ``Connection`` in one process."""

    def __init__(self, server: FakePostgres, process: Process) -> None:
        self.closed = False
        self._server, self._process = server, process
        self._session = Session()
        server.sessions.append(self._session)

    @classmethod
    def connector(cls, server: FakePostgres, process: Process, opened: list[FakeConnection]) -> Callable[..., Any]:
        """What makes connections; puts them in ``opened``."""

        def connect(_: str, *, autocommit: bool) -> FakeConnection:
            assert autocommit, "BEGIN and COMMIT are said by the log"
            if process.fate("connect", "") != "well":
                raise psycopg.OperationalError("connection to server failed: Connection refused")
            opened.append(cls(server, process))
            return opened[-1]

        return connect

    @property
    def info(self) -> SimpleNamespace:
        self._process.check_alive()
        return SimpleNamespace(transaction_status=TransactionStatus.UNKNOWN if self.closed else self._session.status)

    def execute(self, query: str, values: Mapping[str, Any]) -> None:
        """The settings that a connection begins with."""
        assert "set_config" in query, f"unknown statement {query}"
        self._said("settings", lambda: None)

    def rollback(self) -> None:
        if self._session.status is not TransactionStatus.IDLE:
            self._said("ROLLBACK", lambda: self._server.release(self._session), in_failed=True)

    def close(self) -> None:
        if self._process.is_dead or self.closed:
            return
        self.closed = True
        # It may be a while until the server hears of it, where something went wrong before; else it does at once.
        if self._session.pending is None and self._session.status is TransactionStatus.IDLE:
            self._session.is_ended = True

    def take_log(self, chains: Sequence[str], object_name: str) -> Standing:
        def take() -> Standing:
            assert self._session.status is TransactionStatus.IDLE, "BEGIN in a transaction"
            self._session.status = TransactionStatus.INTRANS
            server = self._server
            server.take(self._session, self._process)
            heads = {chain: server.chains[chain] for chain in chains if chain in server.chains}
            has_object = any(row.object == object_name for row in server.groups)
            return Standing(server.edge, server.time_us, server.clock(), heads, has_object)

        return self._said("BEGIN", take)

    def commit_group(self, row: GroupRow, heads: Mapping[str, Head]) -> None:
        assert heads
        write = row, dict(heads)
        self._said("COMMIT", lambda: self._server.commit(self._session, *write), write)

    def edge(self) -> bytes:
        return self._said("read", lambda: self._server.edge)

    def head(self, chain: str) -> Head:
        return self._said("read", lambda: self._server.chains.get(chain, NO_HEAD))

    def groups_after(self, position: int, rows_max: int) -> list[GroupRow]:
        return self._said("read", lambda: [row for row in self._server.groups if row.first > position][:rows_max])

    def groups_until(self, position: int) -> list[GroupRow]:
        return self._said("read", lambda: [row for row in self._server.groups if row.first <= position][-2:])

    def taken_up(self, object_names: Sequence[str]) -> set[str]:
        return self._said("read", lambda: {row.object for row in self._server.groups} & set(object_names))

    def _said(
        self, what: str, work: Callable[[], Answer], write: Write | None = None, *, in_failed: bool = False
    ) -> Answer:
        """A message to the server, and its answer. Raises psycopg.Error."""
        session = self._session
        fate = self._process.fate(what, "")
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        if session.is_ended:
            self._lose("terminating connection")
        if fate == "delayed" and write is not None:
            session.pending = write
        if fate in ("fail", "delayed"):
            self._lose("no answer within 15 s")
        try:
            if session.status is TransactionStatus.INERROR and not in_failed:
                raise InFailedSqlTransaction("current transaction is aborted")
            if fate == "error":
                raise QueryCanceled("canceling statement due to statement timeout")
            answer = work()
        except psycopg.Error:
            self.closed = session.is_ended
            if session.status is TransactionStatus.INTRANS:
                session.status = TransactionStatus.INERROR
            # An aborted transaction keeps nobody waiting.
            if self._server.holder is session:
                self._server.holder = None
            raise
        if fate == "done":
            self._process.die()
        if fate == "late":
            self._lose("server closed the connection unexpectedly")
        return answer

    def _lose(self, why: str) -> NoReturn:
        self.closed = True
        raise psycopg.OperationalError(why)

"""Connections to PostgreSQL that end in time, and the one place where its errors become the journal's.

A server that hangs, or a network that swallows what is sent, must look like one that is down: every answer is waited for
for some seconds only, and a transaction that a stalled replica left open is ended by the server, since it holds back all
others. The server is told to notice by itself when the machine of a replica is gone, and its locks with it.

Session settings are made on each connection, so a pooler between here and the server must hand out whole sessions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.journal.errors import LogUnavailable, StoreRefused
from ledger.journal.place import Server
from ledger.journal.shared.connection import ANSWER_S, Connection

Answer = TypeVar("Answer")

_CONNECT_S = 5
#: In this order, and before ANSWER_S: whoever stalls in a transaction is ended before those who wait for it give up.
_IDLE_S, _LOCK_S, _STATEMENT_S = 5, 10, 12
_KEPT_MAX = 8
_SETTINGS = """
    SELECT set_config('search_path', %(schema)s, false),
           set_config('idle_in_transaction_session_timeout', %(idle)s, false),
           set_config('lock_timeout', %(lock)s, false),
           set_config('statement_timeout', %(statement)s, false),
           set_config('default_transaction_isolation', 'read committed', false),
           set_config('client_connection_check_interval', '5s', false),
           set_config('tcp_keepalives_idle', '10', false),
           set_config('tcp_keepalives_interval', '5', false),
           set_config('tcp_keepalives_count', '3', false),
           CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END
"""


class Database:
    """The database of a place. For any number of threads. ``connect`` makes a connection of libpq's parameters."""

    def __init__(self, server: Server, connect: Callable[..., Connection] = Connection.connect) -> None:
        """Raises StoreRefused where libpq cannot make sense of the address."""
        self.server = server
        self._connect = connect
        self._kept: list[Connection] = []
        self._lock = threading.Lock()
        try:
            #: libpq's parameters as they were given, the password too.
            self.given = {name: str(value) for name, value in conninfo_to_dict(server.url).items()}
        except psycopg.ProgrammingError:
            # Its message may quote the address, password and all.
            raise StoreRefused(
                f"{server}: libpq does not understand the address; check its parts and options"
            ) from None
        defaults: dict[str, str | int] = {
            "connect_timeout": _CONNECT_S,
            "application_name": "meterbook",
            "target_session_attrs": "read-write",
            "tcp_user_timeout": ANSWER_S * 1_000,
        }
        self._conninfo = make_conninfo("", **{**defaults, **self.given})

    def run(self, work: Callable[[Connection], Answer]) -> Answer:
        """Do something with a connection. Raises LogUnavailable.

        A connection that was kept may have died unnoticed; the work is then done once more on a new one.
        """
        kept = self._take()
        if kept is not None:
            try:
                return self._with(kept, work)
            except LogUnavailable:
                if not kept.closed:
                    raise
            self.forget()
        return self._with(self.connect(), work)

    def run_anew(self, work: Callable[[Connection], Answer]) -> Answer:
        """Do something with a new connection. Raises LogUnavailable."""
        self.forget()
        return self._with(self.connect(), work)

    def connect(self) -> Connection:
        """A connection that the caller closes. Raises LogUnavailable."""
        with self.translated():
            connection = self._connect(self._conninfo, autocommit=True)
            try:
                seconds = {"idle": _IDLE_S, "lock": _LOCK_S, "statement": _STATEMENT_S}
                settings = {name: f"{value}s" for name, value in seconds.items()}
                connection.execute(_SETTINGS, {"schema": self.server.schema, **settings})
            except BaseException:
                connection.close()
                raise
            return connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """psycopg's errors as LogUnavailable."""
        try:
            yield
        except psycopg.Error as error:
            said = str(error).strip().partition("\n")[0] or type(error).__name__
            raise LogUnavailable(f"{self.server}: {said}") from error

    def forget(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            kept, self._kept = self._kept, []
        for connection in kept:
            connection.close()

    close = forget

    def _take(self) -> Connection | None:
        with self._lock:
            return self._kept.pop() if self._kept else None

    def _with(self, connection: Connection, work: Callable[[Connection], Answer]) -> Answer:
        try:
            with self.translated():
                return work(connection)
        finally:
            _leave_transaction(connection)
            with self._lock:
                if not connection.closed and len(self._kept) < _KEPT_MAX:
                    self._kept.append(connection)
                else:
                    connection.close()


def _leave_transaction(connection: Connection) -> None:
    """End what work that failed has left open; where that is not possible, the connection."""
    status, states = connection.info.transaction_status, psycopg.pq.TransactionStatus
    try:
        if status in (states.INTRANS, states.INERROR):
            connection.rollback()
        elif status is not states.IDLE:
            connection.close()
    except psycopg.Error:
        connection.close()

"""Whose turn it is to fill the tables: one replica at a time, the others wait for it.

A session lock of PostgreSQL, which goes with the connection and so with the process. It spares replicas work that only one of
them can do, no more: a holder that stalls may lose it without knowing, so what keeps rows from being added twice is
the watermark's compare-and-set, never this.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from ledger.journal.errors import LogUnavailable
from ledger.journal.shared.connection import Connection
from ledger.journal.shared.database import Database

#: One number for all uses in this schema; the other half of the key is the schema.
_LOCK = 0x6D62
#: How often the lock is asked for while another has it, and whether it is still there while this one has.
_ASK_S = 0.5


class SharedTurn:
    """The lock, as one replica sees it; see :class:`ledger.journal.turn.Turn`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._mine = False

    def is_mine(self) -> bool:
        """Whether it is this replica's turn, as of some moments ago. Raises LogUnavailable."""
        with self._lock:
            if time.monotonic() - self._asked_s >= _ASK_S:
                self._asked_s = time.monotonic()
                self._mine = self._asked()
            return self._mine

    def pass_on(self) -> None:
        """Let another replica have it, at once. Safe to call twice."""
        with self._lock:
            if self._mine and self._connection is not None:
                # A session that is closed loses its locks only once the server has noticed.
                with suppress(LogUnavailable), self._database.translated():
                    self._connection.execute("SELECT pg_advisory_unlock_all()")
            self._drop()

    def _asked(self) -> bool:
        try:
            if self._connection is None:
                self._connection = self._database.connect()
            with self._database.translated():
                if self._mine:
                    self._connection.execute("SELECT 1")
                    return True
                query = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
                (taken,) = self._connection.execute(query, [_LOCK, self._database.server.schema]).fetchone() or (False,)
                return bool(taken)
        except LogUnavailable:
            self._drop()
            raise

    def _drop(self) -> None:
        self._mine = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None

"""Moves records from the log to the tables, in order, each exactly once.

One thread follows the log. It takes whatever has been committed since the last round, up to a bound, derives the rows of
all of it and applies them in one transaction: the more there is to do, the larger the groups. The bound is on what the
rows take in memory, since a small payload can stand for many. Where little is to be done it lingers for a moment, unless
somebody waits, since every commit leaves files behind; these are compacted now and then. What went wrong is kept for
/readyz and tried again from where the tables then say they are; a record is never skipped.
"""

from __future__ import annotations

import logging
import threading
import time

import pyarrow as pa

from ledger.journal.compaction import COMMITS_BETWEEN, compact_in_child
from ledger.journal.derive import Rows, derive
from ledger.journal.errors import TablesUnavailable
from ledger.journal.log import Cursor, Log
from ledger.journal.screening import KnownSeries
from ledger.journal.tables import Tables

GROUP_BYTES_MAX = 256 << 20
_RETRY_S = 1.0
_IDLE_S = 0.2
_LINGER_S = 0.3
_ALONE_S = 0.2
_CATCH_UP_TRIES = 20

logger = logging.getLogger(__name__)


class Materialiser:
    """Applies the log to the tables from a thread of its own, between :meth:`start` and :meth:`stop`."""

    def __init__(self, log: Log, tables: Tables) -> None:
        self._log, self._tables = log, tables
        self._known: KnownSeries
        self._cursor: Cursor
        self._applied = threading.Condition()
        self._resume()
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._commits = 0
        self._thread = threading.Thread(target=self._follow, name="materialiser", daemon=True)
        self.trouble: str | None = None

    @property
    def watermark(self) -> int:
        """Position up to which the tables hold the log."""
        return self._watermark

    def start(self) -> None:
        """Begin to follow the log."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the group under way. Safe to call twice."""
        self._stopping.set()
        self._hurry.set()
        if self._thread.is_alive():
            self._thread.join()

    def catch_up(self) -> None:
        """Apply everything that is durable now, in this thread; for use before :meth:`start`.

        A catalog that is busy is tried again for some seconds: a process that was killed may leave a child behind for a
        moment. Raises TablesUnavailable where it stays so.
        """
        for tries_left in reversed(range(_CATCH_UP_TRIES)):
            try:
                while self._apply_group():
                    pass
                return
            except TablesUnavailable:
                if not tries_left:
                    raise
                time.sleep(_IDLE_S)
                self._resume()

    def wait_for(self, position: int, timeout_s: float) -> bool:
        """Wait until the tables hold ``position``; False when the time is up first."""
        self._hurry.set()
        with self._applied:
            return self._applied.wait_for(lambda: self._watermark >= position, timeout_s)

    def _resume(self) -> None:
        """Take up what the tables say, whatever became of the last group."""
        watermark = self._tables.watermark
        series = self._tables.query("SELECT series_id, identity, kind FROM series ORDER BY position")
        self._known, self._cursor = KnownSeries.of(series), self._log.cursor(watermark)
        self._moved_to(watermark)

    def _moved_to(self, position: int) -> None:
        with self._applied:
            self._watermark = position
            self._applied.notify_all()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                if self.trouble is not None:
                    self._resume()
                worked = self._apply_group()
                self.trouble = None
                if self._commits >= COMMITS_BETWEEN:
                    self._compact()
            except Exception as error:
                if self.trouble is None:
                    logger.exception("the tables could not be filled; trying again every %g s", _RETRY_S)
                self.trouble = f"the tables are not being filled: {error}"
                self._stopping.wait(_RETRY_S)
                continue
            if not worked and self._log.wait_past(self._watermark, _IDLE_S) > self._watermark:
                self._hurry.wait(_LINGER_S)
                self._hurry.clear()

    def _compact(self) -> None:
        """Have the tables compacted where nobody reads them just now; else after the next group."""
        with self._tables.alone(_ALONE_S) as is_alone:
            if is_alone:
                self._commits = 0
                compact_in_child(self._tables.directory, self._stopping)

    def _apply_group(self) -> bool:
        """Apply the next group; False where there is none. Nothing is remembered of a group that failed."""
        known, cursor, size = self._known, self._cursor, 0
        parts: dict[str, list[pa.Table]] = {}
        for record, cursor_after in self._log.read(self._cursor):
            cursor = cursor_after
            rows, known = derive(record, known)
            for name, table in rows.items():
                parts.setdefault(name, []).append(table)
            size += sum(table.nbytes for table in rows.values())
            if size >= GROUP_BYTES_MAX:
                break
        if not parts:
            return False
        merged: Rows = {name: pa.concat_tables(tables) for name, tables in parts.items()}
        position = cursor.start.position - 1
        self._tables.apply(merged, self._watermark, position)
        self._known, self._cursor = known, cursor
        self._commits += 1
        self._moved_to(position)
        return True

"""Moves records from the log to the tables, in order, each exactly once.

One thread follows the log. It takes whatever has been committed since the last round, up to a bound, has the rows of
all of it derived and applies them in one transaction: the more there is to do, the larger the groups. What a
transaction costs hardly depends on what is in it, and each leaves files behind; so one that left nothing over is not followed
by another at once, unless somebody waits. The files are compacted now and then. What went wrong is kept for /readyz and
tried again from where the tables then say they are; a record is never skipped.

Where several processes share the tables one of them has the turn, and the others watch how far it is. One that
sees nothing move for a while works too: the turn only spares work, the watermark's compare-and-set is what counts.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from pathlib import Path

from ledger.journal.deriver import Derived
from ledger.journal.deriving import Deriving
from ledger.journal.errors import LogUnavailable, TablesUnavailable
from ledger.journal.log import Log
from ledger.journal.tables import OvertakenError, Tables
from ledger.journal.turn import AlwaysMine, Turn
from ledger.journal.upkeep import Upkeep
from ledger.journal.view import View
from meterbook.wire.instants import SECOND_US, now_us

_RETRY_S = 1.0
_IDLE_S, _BUSY_S = 0.05, 0.2
#: Seconds from one group to the next.
_PACE_S = 0.5
_CATCH_UP_TRIES = 20
_WATCH_S = 0.05
#: How long the tables may stand still behind the log before it is no longer left to whoever has the turn.
_STALLED_S = 15.0

logger = logging.getLogger(__name__)


class Materialiser:
    """Applies the log to the tables from a thread of its own, between :meth:`start` and :meth:`stop`."""

    def __init__(self, log: Log, tables: Tables, turn: Turn | None = None) -> None:
        self._log, self._tables = log, tables
        self._turn = turn or AlwaysMine()
        self._deriving = Deriving(log, tables.lake.folder)
        self._applied = threading.Condition()
        self._watermark = self._wanted = 0
        self._moved_s = time.monotonic()
        self._helps = False
        # The group of which nobody knows yet whether it was applied.
        self._doubtful: Derived | None = None
        self._seen_us = now_us()
        self._moved_to(tables.watermark)
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._upkeep = Upkeep(tables, self._stopping)
        self._thread = threading.Thread(target=self._follow, name="materialiser", daemon=True)
        self.trouble: str | None = None

    @property
    def watermark(self) -> int:
        """Position up to which the tables hold the log."""
        return self._watermark

    @property
    def lag_s(self) -> float:
        """How long ago the tables had everything that the log had then; 0 where they have it now."""
        return (now_us() - self._seen_us) / SECOND_US if self._watermark < self._log.end else 0.0

    def start(self) -> None:
        """Begin to follow the log."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the group under way, or without it where a process is deriving it. Safe to call twice."""
        with self._applied:
            self._stopping.set()
            self._hurry.set()
            self._applied.notify_all()
        if self._thread.is_alive():
            self._deriving.stop()
            self._thread.join()
        self._upkeep.close()
        self._turn.pass_on()
        self._deriving.forget()

    def catch_up(self) -> None:
        """Apply everything that is durable now, in this thread, if it is this process's turn; for use before :meth:`start`.

        A catalog that is busy is tried again for some seconds from where it got to: a process that was killed may leave a
        child behind for a moment. Raises TablesUnavailable where it stays so, LogUnavailable.
        """
        tries, reached = 0, self._watermark
        while True:
            try:
                while self._turn.is_mine() and self._apply_group():
                    pass
                return
            except TablesUnavailable:
                self._deriving.forget()
                tries = tries + 1 if self._watermark == reached else 1
                reached = self._watermark
                if tries == _CATCH_UP_TRIES:
                    raise
                time.sleep(_BUSY_S)

    def wait_for(self, position: int, timeout_s: float) -> bool:
        """Wait until the tables hold ``position``; False when the time is up first."""
        with self._applied:
            self._wanted = max(self._wanted, position)
            self._hurry.set()
            self._applied.wait_for(lambda: self._watermark >= position or self._stopping.is_set(), timeout_s)
            return self._watermark >= position

    def _resume(self) -> None:
        """Take up what the tables say, whatever became of the last group."""
        watermark = self._tables.watermark
        doubtful, self._doubtful = self._doubtful, None
        if doubtful is not None and watermark < doubtful.position:
            # It was not applied, and what is tried every second must not leave files behind each time.
            for rows in doubtful.rows.values():
                if isinstance(rows, Path):
                    rows.unlink(missing_ok=True)
        series = View(self._tables.snapshot(), watermark, 0).known_series()
        self._deriving.begin(series, watermark)
        self._moved_to(watermark)

    def _moved_to(self, position: int) -> None:
        with self._applied:
            if position != self._watermark:
                self._moved_s, self._seen_us = time.monotonic(), now_us()
            self._watermark = position
            self._applied.notify_all()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._turn.is_mine() or self._helps:
                    self._work()
                else:
                    self._watch()
                self.trouble = None
            except Exception as error:
                self._deriving.forget()
                if self._stopping.is_set():
                    return
                if isinstance(error, OvertakenError) and self._is_overtaken():
                    continue
                if self.trouble is None:
                    # Of a service that is down there is nothing more to say than that.
                    is_known = isinstance(error, LogUnavailable)
                    level, about = (logging.WARNING, None) if is_known else (logging.ERROR, error)
                    logger.log(
                        level, "the tables could not be filled; trying again every %g s", _RETRY_S, exc_info=about
                    )
                self.trouble = f"the tables are not being filled: {error}"
                self._stopping.wait(_RETRY_S)

    def _is_overtaken(self) -> bool:
        """Whether another process did what was to be done here: that is no trouble."""
        self._helps = False
        before = self._watermark
        with suppress(TablesUnavailable):
            self._moved_to(self._tables.watermark)
        return self._watermark != before

    def _work(self) -> None:
        began_s, end = time.monotonic(), self._log.end
        worked = self._apply_group()
        self._upkeep.step(self.lag_s)
        if self._deriving.is_idle:
            self._deriving.forget()
        if not worked:
            self._seen_us = now_us()
            self._log.wait_past(self._watermark, _IDLE_S)
        elif self._watermark >= end:
            self._rest_until(began_s + _PACE_S)

    def _rest_until(self, at_s: float) -> None:
        """Let records gather, unless somebody waits for some that are there."""
        with self._applied:
            if self._stopping.is_set() or self._watermark < self._wanted:
                return
            self._hurry.clear()
        self._hurry.wait(max(0.0, at_s - time.monotonic()))

    def _watch(self) -> None:
        """See how far the one who has the turn is."""
        self._deriving.forget()
        if self._log.wait_past(self._watermark, _IDLE_S) <= self._watermark:
            self._moved_s, self._seen_us = time.monotonic(), now_us()
            return
        if self._hurry.wait(_PACE_S):
            self._stopping.wait(_WATCH_S)
        self._moved_to(self._tables.watermark)
        self._log.applied(self._watermark)
        with self._applied:
            if self._watermark >= self._wanted:
                self._hurry.clear()
        self._helps = time.monotonic() - self._moved_s > _STALLED_S

    def _apply_group(self) -> bool:
        """Apply what comes next; False where there is nothing. Nothing is remembered of a group that failed."""
        if not self._deriving.has_begun:
            self._resume()
        before = self._watermark
        for derived in self._deriving.derive():
            self._doubtful = derived
            self._tables.apply(derived.rows, self._watermark, derived.position)
            self._doubtful = None
            self._upkeep.committed(derived.records)
            self._log.applied(derived.position)
            self._moved_to(derived.position)
            self._seen_us = derived.time_us
        return self._watermark > before

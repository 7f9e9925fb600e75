"""Entitling: keeps what everybody may use and has used current while the ledger runs, and has it noticed when thresholds are reached.

One thread looks at the book, at most once a second and then only if it has moved, and rests for twice as long as the look took, but for
seconds at the most: answers come from memory in the meantime, and their thread wants the processor, too. Where nobody has asked for a minute, and nobody is to be notified, it does
not look at all; who asks then waits for the first look, and nobody after that.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal
from ledger.query.allowances import Allowances, Snapshot
from ledger.query.noticing import Noticer
from ledger.query.questions import BadQuestion
from ledger.server.config import Entitlements
from ledger.server.leadership import Leadership
from ledger.server.selfmetrics import SelfMetrics
from ledger.server.turns import TooLong

#: Seconds after a question in which the next one is expected.
_AWAKE_S = 60.0
#: How many times as long as a look took the next one waits, and how many seconds at most, however long it took: what is counted must not be older than it has to be.
_REST, _REST_S_MAX = 2.0, 5.0
#: Definitions that are many.
_MANY = 1_000

logger = logging.getLogger(__name__)


class Entitling:
    """Looks at the book of a journal, in one event loop, until it is closed."""

    def __init__(
        self, journal: Journal, config: Entitlements, leadership: Leadership, metrics: SelfMetrics, timeout_s: float
    ) -> None:
        self._journal, self._config, self._leadership, self._timeout_s = journal, config, leadership, timeout_s
        self._allowances, self._noticer = Allowances(journal), Noticer(journal)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="entitlements")
        self._metrics = metrics
        self._asked_s = -_AWAKE_S
        self._wanted = asyncio.Event()
        self._looked = asyncio.Event()
        self._trouble: Exception | None = None
        self._is_fresh = False
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, when the look that is under way is over."""
        if self._running is not None:
            self._running.cancel()
        await asyncio.to_thread(self._thread.shutdown)

    def known(self, at_least: int) -> Snapshot | None:
        """The snapshot, if it is kept current and has a position; None where an answer has to wait."""
        self._asked_s = time.monotonic()
        snapshot = self._allowances.snapshot
        return snapshot if snapshot is not None and self._is_fresh and snapshot.position >= at_least else None

    async def next(self, at_least: int) -> Snapshot:
        """The snapshot after one more look, or as many as it takes. Raises BadQuestion, TooLong, and what a look raises."""
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    # A look that is under way may have begun before what is asked for was acknowledged: the next one tells.
                    await self._look_after_this()
                    if self._trouble is not None:
                        raise self._trouble
                    snapshot = self._allowances.snapshot
                    assert snapshot is not None
                    if snapshot.position >= at_least:
                        return snapshot
                    if at_least > self._journal.log.end:
                        raise BadQuestion(
                            f"at_least: position {at_least} is not in the book, which ends at {self._journal.log.end}"
                        )
        except TimeoutError as error:
            raise TooLong(f"usage was not counted within {self._timeout_s:g} s: ask again later") from error

    async def _look_after_this(self) -> None:
        self._asked_s = time.monotonic()
        self._wanted.set()
        await self._looked.wait()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        rest_s = self._config.refresh_s
        while True:
            try:
                async with asyncio.timeout(rest_s):
                    await self._wanted.wait()
                # Whoever waits does not make looks more frequent than they may be, but for the first.
                if self._is_fresh:
                    await asyncio.sleep(rest_s)
            except TimeoutError:
                pass
            self._wanted.clear()
            began_s = time.monotonic()
            try:
                self._is_fresh = await loop.run_in_executor(
                    self._thread, self._look, began_s - self._asked_s < _AWAKE_S
                )
                self._trouble = None
            except Exception as error:  # noqa: BLE001 - what was known goes on to hold, and the loop must outlive it
                self._failed(error)
            rest_s = max(self._config.refresh_s, min(_REST * (time.monotonic() - began_s), _REST_S_MAX))
            looked, self._looked = self._looked, asyncio.Event()
            looked.set()

    def _look(self, is_asked: bool) -> bool:
        """Look at the book if anybody wants it; whether anybody did."""
        if self._allowances.look_for_definitions() >= _MANY:
            # Definitions of thousands of tenants are a million objects, which stay. Walking over them in search of cycles holds up every
            # answer for as long as it takes, again and again: they are left out of that from here on.
            gc.collect()
            gc.freeze()
        notifies = self._allowances.has_thresholds and self._leadership.holds()
        if not is_asked and not notifies:
            return False
        snapshot = self._allowances.look()
        if notifies:
            self._metrics.notices.inc(self._noticer.look(snapshot))
        return True

    def _failed(self, error: Exception) -> None:
        self._trouble = error
        self._metrics.entitlement_failures.inc()
        if isinstance(error, JournalError):
            logger.warning("usage could not be counted this time: %s", error)
        else:
            logger.error("counting usage failed", exc_info=error)

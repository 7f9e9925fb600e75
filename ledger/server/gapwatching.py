"""Tells on /metrics what was not observed of the hour that was closed last, while the ledger runs.

One replica does so, the one that also notifies: all have the same book, and would say the same. Another one that follows begins
within minutes.
"""

from __future__ import annotations

import asyncio
import logging
import threading

from ledger.directory.standing import catalog_of
from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal
from ledger.metering.gaps import gaps
from ledger.server.leadership import Leadership
from ledger.server.selfmetrics import SelfMetrics
from meterbook.wire.instants import now_us

#: Seconds until the first look, and between two.
FIRST_S, EVERY_S = 5.0, 120.0
_ENDS_S = 5.0

logger = logging.getLogger(__name__)


class GapWatching:
    """Looks now and then, until it is cancelled; ``lateness_us`` as an hour is closed where its meter says nothing else."""

    def __init__(self, journal: Journal, leadership: Leadership, metrics: SelfMetrics, lateness_us: int) -> None:
        self._journal, self._leadership, self._metrics, self._lateness_us = journal, leadership, metrics, lateness_us
        self._looking = threading.Lock()
        self._is_closed = False

    async def run(self) -> None:
        """Goes on for ever; what was told before stays where a look fails."""
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await asyncio.to_thread(self.look)
            except JournalError as error:
                logger.warning("what was not observed is told of an earlier hour: %s", error)
            except Exception:
                logger.exception("what was not observed is told of an earlier hour")
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Tell of the hour that is the last now. Raises JournalError."""
        with self._looking:
            if self._is_closed:
                return
            if not self._leadership.holds():
                self._metrics.show_gaps(None)
                return
            view = self._journal.view()
            self._metrics.show_gaps(gaps(view, catalog_of(view), now_us(), self._lateness_us))

    def close(self) -> None:
        """Let the look under way end, for some seconds, and begin no other: the journal is about to close.

        One that waits for tables which nobody fills is left to fail: it only tells.
        """
        self._is_closed = True
        if self._looking.acquire(timeout=_ENDS_S):
            self._looking.release()

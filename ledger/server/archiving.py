"""Moves old segments to the archive while the ledger runs, where there is one."""

from __future__ import annotations

import asyncio
import logging

from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal
from ledger.journal.retention import archive_segments
from ledger.journal.store import log_of
from ledger.proof.checkpoints import Checkpoints
from ledger.server.config import Retention
from ledger.server.selfmetrics import SelfMetrics

logger = logging.getLogger(__name__)


class Archiving:
    """Looks for something to archive now and then, until it is cancelled."""

    def __init__(self, journal: Journal, checkpoints: Checkpoints, retention: Retention, metrics: SelfMetrics) -> None:
        self._journal, self._checkpoints = journal, checkpoints
        self._retention, self._metrics = retention, metrics

    async def run(self) -> None:
        """Goes on for ever; what fails is said, counted, and tried again."""
        while self._retention.archive is not None:
            await asyncio.sleep(self._retention.every_s)
            try:
                await asyncio.to_thread(self.archive)
            except (JournalError, OSError) as error:
                self._metrics.archive_failures.inc()
                logger.warning("nothing was archived this time: %s", error)

    def archive(self) -> None:
        """Archive what may go now. Raises JournalError, OSError."""
        watermark = self._journal.materialiser.watermark
        signed = self._checkpoints.newest(watermark)
        disk = log_of(self._journal.store.root)
        done = archive_segments(disk, min(watermark, signed.size), signed.note, self._retention.keep_bytes)
        self._metrics.segments_archived.inc(done.copied)
        if done.copied or done.removed:
            logger.info("%d segments went to %s, %d left the store", done.copied, disk.archive, done.removed)

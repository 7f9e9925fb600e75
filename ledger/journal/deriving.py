"""Where rows are derived: in this process where few records come, and in a process of its own where there are many.

Deriving is nearly all that it costs to fill the tables. In a thread of the ledger it has to take turns with all the others, and
the busier they are the less it gets done, just when there is most to do. So at the first sign of much load a process is
begun, and as soon as it is ready it is told what is known so far and goes on alone; nobody waits for it. When little has
come for a while it is to be ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from ledger.journal import deriver
from ledger.journal.child import Child, ChildFailed
from ledger.journal.derive import State
from ledger.journal.deriver import Derived, Deriver
from ledger.journal.errors import TablesUnavailable
from ledger.journal.log import Log, Reader
from ledger.journal.screening import KnownSeries

#: Bytes of payloads that are read at a time to be derived here.
HERE_BYTES_MAX = 4 << 20
#: Bytes of payloads, or of what is in them, from which on a process is worth it. Few bytes can unfold into many rows.
MANY_BYTES, MANY_CONTENT_BYTES = 2 << 20, 32 << 20
#: Seconds after which a process that does not answer is given up, and one that was not worth it is to be ended.
_PATIENCE_S, _REST_S = 60.0, 60.0
#: Seconds until another is begun after one that failed.
_AGAIN_S = 60.0

logger = logging.getLogger(__name__)


class Deriving:
    """Derives the rows of a log's records in order, from :meth:`begin` until :meth:`forget`; files with rows go to ``folder``."""

    def __init__(self, log: Log, folder: Path | None) -> None:
        self._log, self._folder = log, folder
        self._reader: Reader | None = None
        self._here: Deriver | None = None
        self._child: Child | None = None
        self._position = 0
        self._many_s = 0.0
        self._failed_s = float("-inf")

    @property
    def has_begun(self) -> bool:
        """Whether it is known where to go on."""
        return self._reader is not None

    def begin(self, series: KnownSeries, position: int) -> None:
        """Stand after a position, with the series that are known there. Raises StoreDamaged, LogUnavailable."""
        self.forget()
        self._reader, self._position = self._log.reader(position), position
        self._here = Deriver(State(series, self._reader.frontier), self._folder)

    def derive(self) -> Iterator[Derived]:
        """The rows of some of the records that come next, all of which have to be taken; nothing at the end of the log.

        Raises TablesUnavailable, StoreDamaged, LogUnavailable; then begin again.
        """
        if self._child is not None and self._here is not None:
            self._hand_over(self._child, self._here)
        size = content_size = 0
        for derived in self._parts():
            self._position = derived.position
            size += derived.payload_bytes
            content_size += derived.content_bytes
            yield derived
        if size >= MANY_BYTES or content_size >= MANY_CONTENT_BYTES:
            self._many_s = time.monotonic()
            self._begin_process()

    @property
    def is_idle(self) -> bool:
        """Whether there is a process that nobody needs: forget, and begin where the tables are."""
        return self._child is not None and time.monotonic() - self._many_s > _REST_S

    def forget(self) -> None:
        """End the process, if there is one, and let go of what is known."""
        if self._child is not None:
            self._child.close()
        if self._reader is not None:
            self._reader.close()
        self._child = self._here = self._reader = None

    def stop(self) -> None:
        """From another thread: let nobody wait for the process any more."""
        child = self._child
        if child is not None:
            child.kill()

    def _begin_process(self) -> None:
        """Begin a process, which is not waited for, unless there is one or another failed a short while ago."""
        if self._child is not None or time.monotonic() - self._failed_s <= _AGAIN_S:
            return
        try:
            self._child = Child("ledger.journal.deriver")
            self._many_s = time.monotonic()
        except OSError as error:
            self._give_up(error)

    def _hand_over(self, child: Child, here: Deriver) -> None:
        """Have a process go on from here, as soon as it is ready."""
        try:
            if child.is_ready:
                child.tell(deriver.beginning(here, self._log.files))
                self._here = None
                if self._log.files is not None and self._reader is not None:
                    # A segment that is archived must not stay on the disk for a reader that nobody uses.
                    self._reader.close()
        except ChildFailed as error:
            child.close()
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        logger.warning("rows are derived in the ledger itself: the process for it failed: %s", error)
        self._failed_s, self._child = time.monotonic(), None

    def _parts(self) -> Iterator[Derived]:
        assert self._reader is not None
        if self._here is None and self._log.files is not None:
            # Reading is left to the process too: it would wait for its turn again and again here, as deriving would.
            end = self._log.end
            return self._elsewhere(deriver.request_until(end)) if end > self._position else iter(())
        if self._here is None:
            records = self._reader.read(deriver.READ_BYTES_MAX)
            return self._elsewhere(deriver.request(records)) if records else iter(())
        records = self._reader.read(HERE_BYTES_MAX)
        if sum(len(record.payload) for record in records) >= MANY_BYTES:
            # It gets ready while these are derived here; the next ones may be its own.
            self._begin_process()
        return self._here.derive(records)

    def _elsewhere(self, request: bytes) -> Iterator[Derived]:
        assert self._child is not None
        try:
            self._child.tell(request)
            is_last = False
            while not is_last:
                derived, is_last = deriver.answered(self._child.answer(_PATIENCE_S))
                yield derived
        except ChildFailed as error:
            self._failed_s = time.monotonic()
            raise TablesUnavailable(f"the process that derives their rows failed: {error}") from error

"""Where rows are derived: in this process where few records come, and in a process of its own where there are many.

Deriving is nearly all that it costs to fill the tables. In a thread of the ledger it has to take turns with all the others, and
the busier they are the less it gets done, just when there is most to do. So at the first sign of much load a process is
begun, and as soon as it is ready it is told what is known so far and goes on alone; nobody waits for it. When little has
come for a while it is to be ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ledger.journal import deriver
from ledger.journal.child import Child, ChildFailed
from ledger.journal.derive import State
from ledger.journal.deriver import Derived, Deriver
from ledger.journal.errors import TablesUnavailable
from ledger.journal.record import Record

#: Bytes of payloads, asked for at once, from which on a process is worth it.
MANY_BYTES = 2 << 20
#: Seconds after which a process that does not answer is given up, and one that was not worth it is to be ended.
_PATIENCE_S, _REST_S = 60.0, 60.0

logger = logging.getLogger(__name__)


class Deriving:
    """Derives the rows of records in order, from :meth:`begin` until :meth:`forget`; files with rows go to ``folder``."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._here: Deriver | None = None
        self._child: Child | None = None
        self._many_s = 0.0

    def begin(self, state: State) -> None:
        """Stand where the records so far have left ``state``."""
        self.forget()
        self._here = Deriver(state, self._folder)

    def derive(self, records: Sequence[Record]) -> Iterator[Derived]:
        """The rows of the records that come next, some records at a time, all of which have to be taken.

        Raises TablesUnavailable; then begin again.
        """
        if sum(len(record.payload) for record in records) >= MANY_BYTES:
            self._many_s = time.monotonic()
            if self._here is not None:
                self._hand_over(self._here)
        if self._here is not None:
            yield from self._here.derive(records)
        else:
            yield from self._elsewhere(records)

    @property
    def is_idle(self) -> bool:
        """Whether there is a process that nobody needs: forget, and begin where the tables are."""
        return self._child is not None and time.monotonic() - self._many_s > _REST_S

    def forget(self) -> None:
        """End the process, if there is one, and let go of what is known."""
        if self._child is not None:
            self._child.close()
        self._child = self._here = None

    def _hand_over(self, here: Deriver) -> None:
        """Have a process go on from here, if it is ready."""
        try:
            if self._child is None:
                self._child = Child("ledger.journal.deriver")
            if self._child.is_ready:
                self._child.tell(deriver.beginning(here))
                self._here = None
        except (OSError, ChildFailed) as error:
            logger.warning("rows are derived in the ledger itself: the process for it failed: %s", error)
            if self._child is not None:
                self._child.close()
            self._child = None

    def _elsewhere(self, records: Sequence[Record]) -> Iterator[Derived]:
        if self._child is None:
            raise TablesUnavailable("it is not known where to go on")
        try:
            self._child.tell(deriver.request(records))
            is_last = False
            while not is_last:
                derived, is_last = deriver.answered(self._child.answer(_PATIENCE_S))
                yield derived
        except ChildFailed as error:
            raise TablesUnavailable(f"the process that derives their rows failed: {error}") from error

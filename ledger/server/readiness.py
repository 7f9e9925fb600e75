"""Whether the ledger can do its work just now, and why not: for /readyz, gRPC health and the log.

A thread of its own tries the store every few seconds (see ``Log.check``), so that probes are answered from memory however many come: those
who probe must not be a load, and a store that hangs must not hang them. A store that is out of reach is tried more often, so that
the ledger is back soon after it. A restart helps with none of this, so /healthz says nothing of it.

Before it stops, the ledger says so and goes on to serve for a while (:meth:`stop_serving`): those who balance between replicas need
some seconds to hear of it, and until then go on to send callers here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal

#: Seconds between two tries, where all was well and where it was not.
EVERY_S, AGAIN_S = 10.0, 2.0
#: Seconds from which on a store that has not answered counts as one that does not.
PATIENCE_S = 20.0

STOPPING = "the ledger is stopping: it takes no more than what is under way"

logger = logging.getLogger(__name__)


class Readiness:
    """Tries the store of a journal between :meth:`start` and :meth:`stop`. Opening it was the first try."""

    def __init__(
        self,
        journal: Journal,
        clock_s: Callable[[], float] = time.monotonic,
        locked_out: Callable[[], str | None] = lambda: None,
    ) -> None:
        """``locked_out`` says why nobody can be let in, where that is so: a ledger that answers nobody does no work."""
        self._journal, self._clock_s, self._locked_out = journal, clock_s, locked_out
        self._trouble: str | None = None
        self._asked_s: float | None = None
        self._is_stopping = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readiness", daemon=True)

    def start(self) -> None:
        """Begin to try."""
        self._thread.start()

    def stop(self) -> None:
        """Try no more. One that is under way may hang, and is not waited for."""
        self._ending.set()

    def stop_serving(self) -> None:
        """From now on the ledger is not ready, whatever the store does."""
        self._is_stopping = True

    def not_ready(self) -> str | None:
        """Why the ledger cannot do its work, in a sentence; None where it can."""
        if self._is_stopping:
            return STOPPING
        asked_s = self._asked_s
        if asked_s is not None and self._clock_s() - asked_s > PATIENCE_S:
            return f"{self._journal.place}: the store has not answered for {self._clock_s() - asked_s:.0f} s"
        return self._trouble or self._journal.materialiser.trouble or self._locked_out()

    def look(self) -> None:
        """Try the store now. Raises nothing."""
        before, self._asked_s = self._trouble, self._clock_s()
        try:
            self._journal.log.check()
            self._trouble = None
        except JournalError as error:
            self._trouble = str(error)
        except Exception as error:
            if not self._ending.is_set():
                logger.exception("the store could not be tried")
            self._trouble = f"{self._journal.place}: the store could not be tried ({error}); the log has the details"
        self._asked_s = None
        if self._ending.is_set():
            # The store is being closed: what became of this try is no news.
            return
        if self._trouble is not None and before is None:
            logger.warning("not ready: %s", self._trouble)
        elif self._trouble is None and before is not None:
            logger.info("ready again: the store answers, and takes what is written")

    def _run(self) -> None:
        while not self._ending.wait(AGAIN_S if self._trouble else EVERY_S):
            self.look()

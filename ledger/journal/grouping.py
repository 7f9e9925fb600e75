"""Group commit: drafts from all threads gather, and one thread commits whatever has gathered.

Under load the group grows by itself while the disk is busy, so thousands of drafts share one sync without any waiting on
purpose. What waits is bounded in bytes: whoever appends beyond that is held until there is room, which holds
back the network behind it. Whatever goes wrong, every future is settled: somebody waits for each of them.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from ledger.journal.errors import JournalError, LogUnavailable, Overtaken
from ledger.journal.record import Draft

GROUP_BYTES_MAX = 16 << 20
WAITING_BYTES_MAX = 64 << 20

Commit = Callable[[Sequence[Draft]], Sequence["int | Overtaken"]]

logger = logging.getLogger(__name__)


class GroupCommit:
    """Commits drafts in groups from a thread of its own, until it is closed.

    ``commit`` gives a position or a fault for each draft of a group, or raises what then is the fault of all.
    """

    def __init__(self, commit: Commit, place: str) -> None:
        self._commit, self._place = commit, place
        self._waiting: deque[tuple[Draft, Future[int]]] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def append(self, draft: Draft) -> Future[int]:
        """A future that gives the record's position once it is durable, or raises Overtaken or LogUnavailable.

        It cannot be cancelled: whoever stops waiting must not make it look settled.
        """
        future: Future[int] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < WAITING_BYTES_MAX or self._closed)
            if self._closed:
                future.set_exception(LogUnavailable(f"{self._place}: the log is closed; start the ledger again"))
                return future
            self._waiting.append((draft, future))
            self._bytes += len(draft.payload)
            if len(self._waiting) == 1:
                self._changed.notify_all()
        return future

    def close(self) -> None:
        """Commit what waits, then stop. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            drafts = [draft for draft, _ in group]
            try:
                outcomes: Sequence[int | JournalError] = self._commit(drafts)
            except Exception as error:
                if not isinstance(error, JournalError):
                    logger.exception("a group of %d records could not be written", len(drafts))
                fault = error if isinstance(error, JournalError) else LogUnavailable(f"{self._place}: {error!r}")
                outcomes = [fault] * len(drafts)
            for (_, future), outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, int):
                    future.set_result(outcome)
                else:
                    future.set_exception(outcome)

    def _next_group(self) -> list[tuple[Draft, Future[int]]]:
        """What has gathered, up to a bound; nothing when the log is closed and all is written."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            group, size = [], 0
            while self._waiting and size < GROUP_BYTES_MAX:
                group.append(self._waiting.popleft())
                size += len(group[-1][0].payload)
            self._bytes -= size
            self._changed.notify_all()
        return group

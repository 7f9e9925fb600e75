"""Group commit: drafts from all threads gather, and one thread commits whatever has gathered.

Under load the group grows by itself while the disk is busy, so thousands of drafts share one sync without any waiting on
purpose. What waits is bounded in bytes: whoever appends beyond that is held until there is room, which holds
back the network behind it. Whatever goes wrong, every future is settled: somebody waits for each of them.

Where a group must be sent somewhere before it can be committed, that is *prepared* while the groups before it still are
on their way, several at a time if much is waiting; commits keep the order in which the groups were begun.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from ledger.journal.errors import JournalError, LogUnavailable, Overtaken
from ledger.journal.record import Draft

GROUP_BYTES_MAX = 16 << 20
WAITING_BYTES_MAX = 64 << 20
#: Groups that may be on their way at once where they are prepared.
UNDER_WAY_MAX = 4
#: While one is under way another is begun only for so many bytes: little that comes meanwhile shares the next one.
PREPARED_BYTES_MIN = 2 << 20

Outcomes = Sequence["int | Overtaken"]
Waiting = tuple[Draft, "Future[int]"]

logger = logging.getLogger(__name__)


class GroupCommit:
    """Commits drafts in groups from a thread of its own, until it is closed.

    ``commit`` gives a position or a fault for each draft of a group, or raises what then is the fault of all. It gets the
    drafts, or what ``prepare`` made of them; ``prepare`` is called from several threads, ``commit`` from one.
    """

    def __init__(
        self, commit: Callable[[Any], Outcomes], place: str, prepare: Callable[[Sequence[Draft]], Any] | None = None
    ) -> None:
        self._commit, self._place, self._prepare = commit, place, prepare
        self._waiting: deque[Waiting] = deque()
        self._bytes = self._under_way = 0
        self._closed = False
        self._changed = threading.Condition()
        self._begun: SimpleQueue[tuple[list[Waiting], Future[Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(
            target=self._run if prepare is None else self._run_ahead, name="log", daemon=True
        )
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
            could_begin = self._may_begin()
            self._waiting.append((draft, future))
            self._bytes += len(draft.payload)
            if not could_begin and self._may_begin():
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
            self._settle(group, lambda group=group: self._commit([draft for draft, _ in group]))  # type: ignore[misc]

    def _run_ahead(self) -> None:
        """As ``_run``, but begins groups while another thread commits those that are prepared."""
        assert self._prepare is not None
        committing = threading.Thread(target=self._commit_prepared, name="commit", daemon=True)
        committing.start()
        with ThreadPoolExecutor(UNDER_WAY_MAX, "prepare") as preparing:
            while group := self._next_group():
                self._begun.put((group, preparing.submit(self._prepare, [draft for draft, _ in group])))
            self._begun.put(None)
            committing.join()

    def _commit_prepared(self) -> None:
        while begun := self._begun.get():
            group, prepared = begun
            self._settle(group, lambda prepared=prepared: self._commit(prepared.result()))  # type: ignore[misc]
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _settle(self, group: list[Waiting], commit: Callable[[], Outcomes]) -> None:
        try:
            outcomes: Sequence[int | JournalError] = commit()
        except Exception as error:
            if not isinstance(error, JournalError):
                logger.exception("a group of %d records could not be written", len(group))
            fault = error if isinstance(error, JournalError) else LogUnavailable(f"{self._place}: {error!r}")
            outcomes = [fault] * len(group)
        for (_, future), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, int):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

    def _may_begin(self) -> bool:
        if not self._waiting or self._under_way == UNDER_WAY_MAX:
            return False
        return self._under_way == 0 or self._bytes >= PREPARED_BYTES_MIN or self._closed

    def _next_group(self) -> list[Waiting]:
        """What has gathered, up to a bound; nothing when the log is closed and all is written."""
        with self._changed:
            self._changed.wait_for(lambda: self._may_begin() or (self._closed and not self._waiting))
            group: list[Waiting] = []
            size = 0
            while self._waiting and size < GROUP_BYTES_MAX:
                group.append(self._waiting.popleft())
                size += len(group[-1][0].payload)
            self._bytes -= size
            if group and self._prepare is not None:
                self._under_way += 1
            self._changed.notify_all()
        return group

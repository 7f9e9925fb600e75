"""The processes that look into batches where there are many, and whoever does it where there are few.

Decoding and hashing a batch is nearly all that it costs to take it. In a thread of the ledger that goes well until every core
is busy: then each call that gives way to other threads waits for them, dozens of times a batch, and the machine
is half idle. So where many batches come at once they go to a process of their own, some at a time, while the ones before are
being answered. Where few come they are looked into on the spot, and no process is begun.

A process that fails takes with it the batches that it had, and those that it was to have next; they are refused, to be sent
again, and another takes its place.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from functools import partial

import numpy as np

from ledger.intake.contents import Checked, IntakeLimits, checked
from ledger.intake.refusals import Refused
from ledger.journal.child import Child, ChildFailed
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import checking_pb2

#: Fewer batches than this are not worth the way to another process.
MANY = 8
#: Batches that one request has.
_REQUEST_BATCHES = 8
#: Seconds after which a process that does not answer is given up.
_PATIENCE_S = 60.0

Look = Callable[[], Checked]

logger = logging.getLogger(__name__)


class Checker:
    """One process, begun and not waited for; for one caller at a time. Raises OSError where it cannot be begun."""

    def __init__(self, limits: IntakeLimits) -> None:
        self.child = Child("ledger.intake.checker", limits.model_dump_json())

    def ask(self, batches: Sequence[intake_pb2.Batch], *, with_ids: bool) -> None:
        """Send batches to be looked into; each request is answered once. Raises ChildFailed."""
        self.child.tell(checking_pb2.CheckRequest(batches=batches, with_ids=with_ids).SerializeToString())

    def answer(self) -> Sequence[checking_pb2.CheckedBatch]:
        """What was found in the batches of the request that is not answered yet. Raises ChildFailed."""
        return checking_pb2.CheckResponse.FromString(self.child.answer(_PATIENCE_S)).batches


class Checkers:
    """Looks into the batches of streams. Each thread that calls has a process of its own, from when it has much to do."""

    def __init__(self, limits: IntakeLimits) -> None:
        self._limits = limits
        self._own = threading.local()
        self._begun: set[Checker] = set()
        self._lock = threading.Lock()

    def looks(self, batches: Sequence[intake_pb2.Batch], *, with_ids: bool) -> Generator[Look, None, None]:
        """For each batch what gives what was found in it, or raises Refused; to be called before the next is asked for.

        Close it in the thread that asked, before that asks for others.
        ``with_ids`` is whether the series of the samples will be asked for.
        """
        checker = self._checker() if len(batches) >= MANY else None
        if checker is None:
            return (partial(checked, batch, self._limits) for batch in batches)
        return self._elsewhere(checker, batches, with_ids)

    def stop(self) -> None:
        """From another thread: let nobody wait for the processes any more."""
        with self._lock:
            for checker in self._begun:
                checker.child.kill()

    def close(self) -> None:
        """End the processes, when nobody calls any more."""
        with self._lock:
            for checker in self._begun:
                checker.child.close()
            self._begun.clear()

    def _checker(self) -> Checker | None:
        """The process of this thread; None where it is not ready yet, or cannot be begun."""
        checker: Checker | None = getattr(self._own, "checker", None)
        try:
            if checker is None:
                checker = self._own.checker = Checker(self._limits)
                with self._lock:
                    self._begun.add(checker)
            return checker if checker.child.is_ready else None
        except (OSError, ChildFailed) as error:
            self._give_up(checker, error)
            return None

    def _elsewhere(
        self, checker: Checker, batches: Sequence[intake_pb2.Batch], with_ids: bool
    ) -> Generator[Look, None, None]:
        requests = [batches[at : at + _REQUEST_BATCHES] for at in range(0, len(batches), _REQUEST_BATCHES)]
        asked = answered = 0
        try:
            for request in requests:
                # One request ahead, so that the process never waits.
                for ahead in requests[asked : answered + 2]:
                    checker.ask(ahead, with_ids=with_ids)
                    asked += 1
                found = checker.answer()
                answered += 1
                for each, _ in zip(found, request, strict=True):
                    yield partial(_told, each)
        except ChildFailed as error:
            self._give_up(checker, error)
            for _ in batches[answered * _REQUEST_BATCHES :]:
                yield _refuse
        finally:
            self._catch_up(checker, asked - answered)

    def _catch_up(self, checker: Checker, unanswered: int) -> None:
        """Take what nobody wants to know any more: the next answer must be to the next question."""
        if getattr(self._own, "checker", None) is not checker:
            return
        try:
            for _ in range(unanswered):
                checker.answer()
        except ChildFailed as error:
            self._give_up(checker, error)

    def _give_up(self, checker: Checker | None, error: Exception) -> None:
        logger.warning("a process that looks into batches failed: %s", error)
        self._own.checker = None
        if checker is not None:
            checker.child.close()
            with self._lock:
                self._begun.discard(checker)


def _told(found: checking_pb2.CheckedBatch) -> Checked:
    if found.HasField("refusal"):
        raise Refused(found.refusal.code, found.refusal.message, found.limit)
    ids = np.frombuffer(found.used_ids, dtype="<i8").astype(np.int64)
    return Checked(list(found.section_hashes), found.defined, ids=ids)


def _refuse() -> Checked:
    raise Refused(intake_pb2.REFUSAL_CODE_UNAVAILABLE, "the process that looked into this batch failed; send it again")

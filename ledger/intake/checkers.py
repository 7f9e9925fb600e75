"""The processes that look into batches where there are many, and whoever does it where there are few.

Decoding and hashing a batch is nearly all that it costs to take it. In a thread of the ledger that goes well until every core
is busy: then each call that gives way to other threads waits for them, dozens of times a batch, and the machine
is half idle. So where a stream brings many batches at once they go to a process of their own, some at a time, while
the ones before are being answered. Where it brings few they are looked into on the spot, and no process is begun.

A process that fails takes with it the batches that it had; they are refused, to be sent again, and another takes its place.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from functools import partial
from multiprocessing import Pipe

import numpy as np

from ledger.intake.checker import READY
from ledger.intake.contents import Checked, IntakeLimits, checked
from ledger.intake.refusals import Refused
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


class CheckerFailed(Exception):
    """The process ended, or does not answer."""


class Checker:
    """One process, begun and not waited for; for one caller at a time. Raises OSError where it cannot be begun."""

    def __init__(self, limits: IntakeLimits) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-m", "ledger.intake.checker", str(theirs.fileno()), limits.model_dump_json()]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: S603
        self._is_ready = False

    @property
    def is_ready(self) -> bool:
        """Whether it can be asked. Raises CheckerFailed."""
        if not self._is_ready and self._received(0) == READY:
            self._is_ready = True
        return self._is_ready

    def ask(self, batches: Sequence[intake_pb2.Batch], *, with_ids: bool) -> None:
        """Send batches to be looked into; each request is answered once. Raises CheckerFailed."""
        request = checking_pb2.CheckRequest(batches=batches, with_ids=with_ids).SerializeToString()
        try:
            self._connection.send_bytes(request)
        except OSError as error:
            raise CheckerFailed(f"it does not listen ({error})") from error

    def answer(self) -> Sequence[checking_pb2.CheckedBatch]:
        """What was found in the batches of the request that is not answered yet. Raises CheckerFailed."""
        found = self._received(_PATIENCE_S)
        if found is None:
            raise CheckerFailed(f"no answer within {_PATIENCE_S:g} s")
        return checking_pb2.CheckResponse.FromString(found).batches

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _received(self, patience_s: float) -> bytes | None:
        try:
            return self._connection.recv_bytes() if self._connection.poll(patience_s) else None
        except (EOFError, OSError) as error:
            raise CheckerFailed(f"it has ended, with exit code {self._process.poll()}") from error


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

    def close(self) -> None:
        """End the processes, when nobody calls any more."""
        with self._lock:
            for checker in self._begun:
                checker.close()
            self._begun.clear()

    def _checker(self) -> Checker | None:
        """The process of this thread; None where it is not ready yet, or cannot be begun."""
        checker: Checker | None = getattr(self._own, "checker", None)
        try:
            if checker is None:
                checker = self._own.checker = Checker(self._limits)
                with self._lock:
                    self._begun.add(checker)
            return checker if checker.is_ready else None
        except (OSError, CheckerFailed) as error:
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
        except CheckerFailed as error:
            self._give_up(checker, error)
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
        except CheckerFailed as error:
            self._give_up(checker, error)

    def _give_up(self, checker: Checker | None, error: Exception) -> None:
        logger.warning("a process that looks into batches failed: %s", error)
        self._own.checker = None
        if checker is not None:
            checker.close()
            with self._lock:
                self._begun.discard(checker)


def _told(found: checking_pb2.CheckedBatch) -> Checked:
    if found.HasField("refusal"):
        raise Refused(found.refusal.code, found.refusal.message, found.limit)
    ids = np.frombuffer(found.used_ids, dtype="<i8").astype(np.int64)
    return Checked(list(found.section_hashes), found.defined, ids=ids)


def _refuse() -> Checked:
    raise Refused(intake_pb2.REFUSAL_CODE_UNAVAILABLE, "the process that looked into this batch failed; send it again")

"""Turns: how many questions are worked on at once, for how long, and what becomes of one that nobody waits for any more.

A question holds a thread and some of the memory that all of them share, so only ``running_max`` have a turn. Others wait in the order in
which they came: most questions take milliseconds, and who must wait for a long one is better served late than refused. But a queue
without an end would keep everybody waiting for answers that nobody wants any more, so beyond ``waiting_max`` a question is turned
away at once. The time limit counts from the moment at which the question came.

Whoever hangs up, or whose deadline passes, ends the question: gRPC cancels the call, the statement that is being executed is
interrupted, and the turn goes to the next as soon as the thread has really let go. Acts (apply, book, access) have no turns and are
finished once they have begun.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ledger.journal.cancelling import Cancellation
from ledger.server.config import Queries
from ledger.server.selfmetrics import SelfMetrics

Answer = TypeVar("Answer")

#: How long an interrupt is given before it is repeated.
_AGAIN_S = 0.05

logger = logging.getLogger(__name__)


class TooLong(Exception):
    """The question took longer than ``queries.timeout_s``, and was stopped."""


class TooMany(Exception):
    """As many questions wait as ``queries.waiting_max`` allows."""


class Turns:
    """Gives questions their turns, in one event loop. Close it while the journal that they ask is still open."""

    def __init__(self, limits: Queries, metrics: SelfMetrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._threads = ThreadPoolExecutor(limits.running_max, thread_name_prefix="question")
        self._free = asyncio.Semaphore(limits.running_max)
        self._waiting = 0
        self._running: dict[asyncio.Future[Any], Cancellation] = {}
        self._stopping = set[asyncio.Task[None]]()

    async def answer(self, function: Callable[..., Answer], *arguments: object) -> Answer:
        """What the function gives, in a thread, in its turn. Raises what it raises, TooMany, and TooLong."""
        limit = asyncio.timeout(self._limits.timeout_s)
        try:
            async with limit:
                if self._free.locked() and self._waiting >= self._limits.waiting_max:
                    raise TooMany(
                        f"as many questions wait already as queries.waiting_max allows, {self._waiting}: ask again later"
                    )
                return await self._in_turn(function, *arguments)
        except TimeoutError as error:
            if not limit.expired():
                raise
            limit_s = self._limits.timeout_s
            self._stopped("timeout", f"it took longer than queries.timeout_s, {limit_s:g} s")
            raise TooLong(
                f"no answer within {limit_s:g} s, the ledger's queries.timeout_s: ask for a shorter range or fewer meters and "
                "tenants, or have the limit raised"
            ) from error
        except TooMany:
            self._stopped("full", "too many wait already")
            raise
        except asyncio.CancelledError:
            self._stopped("abandoned", "nobody waits for it any more")
            raise

    async def step(self, function: Callable[..., Answer], *arguments: object) -> Answer:
        """The same for a step of what takes as long as it takes and shows how far it is: it is stopped when the caller hangs up."""
        try:
            return await self._in_turn(function, *arguments)
        except asyncio.CancelledError:
            self._stopped("abandoned", "nobody waits for it any more")
            raise

    async def close(self) -> None:
        """Stop the questions that are being worked on, and wait for their threads."""
        for running, cancellation in list(self._running.items()):
            await _stop(running, cancellation)
        self._threads.shutdown()

    async def _in_turn(self, function: Callable[..., Answer], *arguments: object) -> Answer:
        self._wait(1)
        try:
            await self._free.acquire()
        finally:
            self._wait(-1)
        cancellation, context = Cancellation(), contextvars.copy_context()
        running = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: context.run(cancellation.run, function, *arguments)
        )
        self._running[running] = cancellation
        self._metrics.questions_running.inc()
        running.add_done_callback(self._ended)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stopping = asyncio.create_task(_stop(running, cancellation))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)
            raise

    def _wait(self, more: int) -> None:
        self._waiting += more
        self._metrics.questions_waiting.inc(more)

    def _ended(self, running: asyncio.Future[Any]) -> None:
        if not running.cancelled():
            # Nobody else may ask what became of it.
            running.exception()
        del self._running[running]
        self._metrics.questions_running.dec()
        self._free.release()

    def _stopped(self, reason: str, sentence: str) -> None:
        self._metrics.questions_stopped.labels(reason).inc()
        logger.info("a question was stopped: %s", sentence)


async def _stop(running: asyncio.Future[Any], cancellation: Cancellation) -> None:
    while not running.done():
        cancellation.cancel()
        await asyncio.wait([running], timeout=_AGAIN_S)

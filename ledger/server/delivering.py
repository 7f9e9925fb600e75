"""Delivering: a thread for each webhook that tells its receiver what the book says it has not been told yet.

A thread and an event loop of its own: a receiver that is slow keeps nobody waiting but those who wait for it. What came of an
attempt is written into the book before the next one; where that cannot be written now it is kept and written first later.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Collection
from typing import Any

from ledger.billing.notices import DELIVERED, DISABLED, FAILED, OPENED, Notice, told
from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal
from ledger.query.deliveries import CHAINS, KINDS, Deliveries, Waiting, next_attempt, notices_by_id, write
from ledger.server.config import Webhook
from ledger.server.leadership import Leadership
from ledger.server.webhook import Attempt, Message, Sender
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire import instants
from meterbook.wire.instants import SECOND_US

#: Messages that are on their way to one receiver at once.
_AT_ONCE = 8
#: Seconds between two looks for something to deliver.
LOOK_EVERY_S = 0.5

logger = logging.getLogger(__name__)


class Deliverer:
    """Delivers to one webhook. ``attempted`` is told the webhook's name and what came of each attempt."""

    def __init__(
        self,
        journal: Journal,
        webhook: Webhook,
        leadership: Leadership,
        attempted: Callable[[str, str], None] = lambda *_: None,
        clock_us: Callable[[], int] = instants.now_us,
        chance: random.Random | None = None,
    ) -> None:
        self._journal, self._webhook, self._leadership = journal, webhook, leadership
        self._attempted, self._clock_us, self._chance = attempted, clock_us, chance or random.Random()  # noqa: S311
        self._sender = Sender(webhook.url, webhook.secret_file, webhook.ca_file, webhook.timeout_s)
        self._deliveries = Deliveries(webhook.name, webhook.events, self._look_up)
        self._read = 0
        self._unwritten: list[journal_pb2.ActRecord] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"webhook {webhook.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the attempts that are under way. Safe to call twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    async def step(self) -> int:
        """Deliver what is due, if this replica is the one; gives the number of attempts. Raises JournalError."""
        if not self._leadership.holds():
            return 0
        self._write_down()
        self._learn()
        if not self._deliveries.is_open:
            self._unwritten.append(told(OPENED, self._webhook.name, {}))
            self._write_down()
            self._learn()
        attempts = 0
        due = self._deliveries.due(self._clock_us())
        for place in range(0, len(due), _AT_ONCE):
            if self._stopping.is_set() or self._deliveries.is_disabled or not self._leadership.holds():
                break
            part = due[place : place + _AT_ONCE]
            found = await asyncio.gather(*(self._attempt(each) for each in part))
            self._unwritten += [act for acts in found for act in acts]
            attempts += len(part)
            self._write_down()
            self._learn()
        return attempts

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while not self._stopping.wait(LOOK_EVERY_S):
                try:
                    runner.run(self.step())
                except JournalError as error:
                    logger.warning("webhook %s: not everything could be looked at: %s", self._webhook.name, error)
                except Exception as error:  # noqa: BLE001 - what is due stays due, and the loop must outlive it
                    # Its text may hold what nobody should read.
                    logger.error("webhook %s: a look failed with %s", self._webhook.name, type(error).__name__)
            runner.run(self._sender.close())

    async def _attempt(self, waiting: Waiting) -> list[journal_pb2.ActRecord]:
        notice, attempts = waiting.notice, waiting.attempts + 1
        message = Message(notice.id, notice.body())
        found = await self._sender.send(message, self._clock_us() // SECOND_US)
        self._attempted(self._webhook.name, found.result)
        if found.result != "delivered":
            logger.warning("webhook %s: attempt %d: %s", self._webhook.name, attempts, found.outcome)
        return list(self._acts(waiting, found, self._clock_us()))

    def _acts(self, waiting: Waiting, found: Attempt, now_us: int) -> list[journal_pb2.ActRecord]:
        document: dict[str, Any] = {
            "id": waiting.notice.id,
            "attempts": waiting.attempts + 1,
            "outcome": found.outcome,
            "at_us": now_us,
        }
        if found.result == "delivered":
            return [told(DELIVERED, self._webhook.name, document)]
        next_us = None
        if found.result == "failed":
            next_us = next_attempt(waiting, now_us, self._webhook.give_up_s, found.retry_after_s, self._chance)
        acts = [told(FAILED, self._webhook.name, document | {"next_us": next_us})]
        if found.result == "gone":
            acts.append(told(DISABLED, self._webhook.name, {"outcome": found.outcome, "at_us": now_us}))
        return acts

    def _learn(self) -> None:
        heads = [self._journal.log.head(chain).position for chain in CHAINS]
        if max(heads) > self._read:
            view = self._journal.view()
            self._deliveries.learn(view.acts(self._read, KINDS).to_pylist())
            self._read = view.position

    def _write_down(self) -> None:
        while self._unwritten:
            write(self._journal, self._unwritten[0])
            self._unwritten.pop(0)

    def _look_up(self, ids: Collection[str]) -> list[Notice]:
        return notices_by_id(self._journal.view(), ids)

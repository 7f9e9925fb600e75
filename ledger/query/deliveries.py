"""Deliveries: what one webhook is still to be told, as it follows from the acts of the book.

Nothing else is kept, so it does not matter which ledger goes on, nor where another one ended: what was attempted stands in the book, and
what does not is attempted. A notice may therefore arrive twice, where a ledger ends between an attempt and the record of it; it has the same
id then, by which a receiver tells.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ledger.billing.notices import (
    DELIVERED,
    DISABLED,
    FAILED,
    NOTICES_CHAIN,
    OPENED,
    REACHED,
    REPLAYED,
    WEBHOOK_KINDS,
    WEBHOOKS_CHAIN,
    Notice,
    notices,
)
from ledger.journal.errors import Overtaken
from ledger.journal.journal import Journal
from ledger.journal.record import Kind
from ledger.journal.view import View
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire.instants import SECOND_US

#: The acts that :class:`Deliveries` wants to see, and the chains that have them.
CHAINS = (NOTICES_CHAIN, WEBHOOKS_CHAIN)
KINDS = (REACHED, *WEBHOOK_KINDS)
#: Seconds before the second attempt at most, by how much more before each later one, and how many at most.
_FIRST_S, _FACTOR, _LONGEST_S = 5.0, 3.0, 6 * 3_600.0
#: How long a receiver may ask to be left alone.
_RETRY_AFTER_S_MAX = 86_400.0


@dataclass(frozen=True)
class Waiting:
    """A notice that is to be delivered: how often that failed, since when it waits, and when it is due."""

    notice: Notice
    attempts: int
    since_us: int
    due_us: int


class Deliveries:
    """What one webhook waits for. ``look_up`` gives notices by their ids, for those that are delivered again."""

    def __init__(
        self, webhook: str, events: Collection[str], look_up: Callable[[Collection[str]], Iterable[Notice]]
    ) -> None:
        self._webhook, self._events, self._look_up = webhook, frozenset(events), look_up
        self.waiting: dict[str, Waiting] = {}
        self.is_open = self.is_disabled = False

    def learn(self, acts: Iterable[Mapping[str, Any]]) -> None:
        """Take note of acts, in their order; rows as ``View.acts`` gives them."""
        for act in acts:
            if act["kind"] == REACHED:
                if self.is_open and not self.is_disabled and REACHED in self._events:
                    (notice,) = notices([act])
                    self.waiting[notice.id] = Waiting(notice, 0, notice.reached_us, notice.reached_us)
            elif act["name"] == self._webhook:
                self._told(act["kind"], json.loads(act["document"]))

    def due(self, now_us: int) -> list[Waiting]:
        """What is due, the oldest first."""
        found = [each for each in self.waiting.values() if each.due_us <= now_us]
        return sorted(found, key=lambda each: (each.due_us, each.notice.position))

    def _told(self, kind: str, document: Mapping[str, Any]) -> None:
        if kind == OPENED:
            self.is_open = True
        elif kind == DELIVERED:
            self.waiting.pop(document["id"], None)
        elif kind == FAILED:
            standing = self.waiting.pop(document["id"], None)
            if standing is not None and document["next_us"] is not None:
                self.waiting[document["id"]] = replace(
                    standing, attempts=document["attempts"], due_us=document["next_us"]
                )
        elif kind == DISABLED:
            self.is_disabled = True
            self.waiting.clear()
        elif kind == REPLAYED:
            self.is_open, self.is_disabled = True, False
            at_us = document["at_us"]
            for notice in self._look_up(document["ids"]):
                self.waiting[notice.id] = Waiting(notice, 0, at_us, at_us)


def write(journal: Journal, act: journal_pb2.ActRecord) -> int:
    """Keep an act about a webhook; gives its position. None of them depends on what another says. Raises LogUnavailable."""
    while True:
        try:
            head = journal.log.head(WEBHOOKS_CHAIN)
            return journal.extend(Kind.ACT, WEBHOOKS_CHAIN, head, act.SerializeToString()).position
        except Overtaken:
            # Somebody else wrote: that is progress, so this ends.
            continue


def notices_by_id(view: View, ids: Collection[str]) -> list[Notice]:
    """The notices of some ids, oldest first."""
    wanted = frozenset(ids)
    if not wanted:
        return []
    return [each for each in notices(view.acts(0, (REACHED,)).to_pylist()) if each.id in wanted]


def next_attempt(
    waiting: Waiting, now_us: int, give_up_s: float, retry_after_s: float | None, chance: random.Random
) -> int | None:
    """When to try again after one more attempt that failed; None to give up.

    The time between two attempts grows exponentially, and half of it is left to chance: receivers that come back are not met by all at once.
    """
    bound_s = min(_FIRST_S * _FACTOR ** min(waiting.attempts, 20), _LONGEST_S)
    wait_s = max(bound_s * chance.uniform(0.5, 1.0), min(retry_after_s or 0.0, _RETRY_AFTER_S_MAX))
    next_us = now_us + int(wait_s * SECOND_US)
    return next_us if next_us - waiting.since_us <= give_up_s * SECOND_US else None

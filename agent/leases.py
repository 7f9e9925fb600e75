"""Which sources another agent reads, as the ledger tells: one reader is enough for a source that several agents could read.

A ledger that cannot be asked is no reason not to read: what it said last holds for as long as its leases last, and after that everything is
read. What two agents read counts once all the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

#: How often the ledger is asked about the same sources, at most: whoever calls does so every five seconds, give or take, and is
#: not to come a moment too early every other time. A lease lasts three times as long.
ASK_S = 9.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """The sources that are another agent's, with its name, and for how long that holds."""

    held: Mapping[str, str]
    duration_s: float


class Leases:
    """Asks the ledger through ``ask``, which gives None where it cannot be asked."""

    def __init__(
        self, ask: Callable[[Collection[str]], Answer | None], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._clock_s = ask, clock_s
        self._held: Mapping[str, str] = {}
        self._until_s = self._asked_s = float("-inf")
        self._names: frozenset[str] = frozenset()

    def elsewhere(self, sources: Collection[str]) -> Mapping[str, str]:
        """Those of the sources that are left to another agent, with its name."""
        now_s, names = self._clock_s(), frozenset(sources)
        if names != self._names or now_s >= self._asked_s + ASK_S:
            # Also where there are none any more: what was leased is free then.
            answer = self._ask(sources) if names or self._names else None
            if answer is not None:
                before, self._held = self._held, answer.held
                self._names, self._asked_s, self._until_s = names, now_s, now_s + answer.duration_s
                self._tell(before)
            elif now_s >= self._until_s:
                self._held = {}
        return {source: self._held[source] for source in sources if source in self._held}

    def _tell(self, before: Mapping[str, str]) -> None:
        for source in sorted(self._held.keys() - before.keys()):
            _log.info("%s is read by the agent %s and left to it", source, self._held[source])

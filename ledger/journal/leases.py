"""Who reads a source, where several agents could: the first that asked, for as long as it asks again in time.

A lease spares work, and no more: one that is lost unnoticed, or given twice, costs a source a second reader. What makes two readings
count once is the identity of their series. So leases are in no log, and those of a ledger that is restarted are free.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Protocol

#: Seconds that a lease lasts without being asked for again.
LEASE_S = 30


class Leases(Protocol):
    """The leases of a book. Safe for threads."""

    def take(self, agent: str, sources: Collection[str]) -> dict[str, str]:
        """Lease to an agent these sources, and no others any more; gives those that are another's, with its name.

        Raises LogUnavailable where that cannot be told.
        """
        ...


class OwnLeases:
    """The leases of a process that has the store for itself."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._of: dict[str, tuple[str, float]] = {}
        self._by_agent: dict[str, set[str]] = {}

    def take(self, agent: str, sources: Collection[str]) -> dict[str, str]:
        """See :class:`Leases`."""
        with self._lock:
            now_s = self._clock_s()
            mine = self._by_agent.setdefault(agent, set())
            for source in mine.difference(sources):
                self._free(source)
            held: dict[str, str] = {}
            for source in sources:
                other, until_s = self._of.get(source, (agent, 0.0))
                if other != agent and now_s < until_s:
                    held[source] = other
                    continue
                self._free(source)
                self._of[source] = (agent, now_s + LEASE_S)
                self._by_agent.setdefault(agent, set()).add(source)
            if not self._by_agent.get(agent):
                self._by_agent.pop(agent, None)
            return held

    def _free(self, source: str) -> None:
        agent, _ = self._of.pop(source, ("", 0.0))
        self._by_agent.get(agent, set()).discard(source)

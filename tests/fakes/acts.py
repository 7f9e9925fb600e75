"""A book of acts in memory: what two replicas share in a test."""

from __future__ import annotations

import threading
from dataclasses import replace

from ledger.access.acts import Act
from ledger.journal.errors import JournalError


class MemoryActs:
    """Keeps acts in a list; ``trouble`` makes every call fail."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.reads = 0
        self._acts: list[Act] = []
        self._lock = threading.Lock()

    def acts(self, after: int) -> list[Act]:
        self._check()
        self.reads += 1
        return [each for each in self._acts if each.position > after]

    def write(self, act: Act) -> int:
        self._check()
        with self._lock:
            # Positions have gaps: other records stand between the acts.
            position = 3 * len(self._acts) + 5
            self._acts.append(replace(act, position=position))
        return position

    def _check(self) -> None:
        if self.trouble is not None:
            raise JournalError(self.trouble)

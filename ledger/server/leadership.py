"""Which of the replicas of a ledger notifies: the one that asked first, for as long as it asks again in time.

As with every lease it spares work, and what must be once is made so elsewhere: notices by their chain, deliveries by their ids.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

from ledger.journal.leases import Leases

#: What is leased. Agents lease sources by the same table, but none may ask for one without a name.
_OWN = ""
#: Seconds that an answer is good for; well below those of a lease.
_ASK_EVERY_S = 5.0


class Leadership:
    """One replica's side of it. Safe for threads."""

    def __init__(self, leases: Leases, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._leases, self._clock_s = leases, clock_s
        self._name = f"@{uuid.uuid4().hex}"
        self._lock = threading.Lock()
        self._until_s = 0.0

    def holds(self) -> bool:
        """Whether this replica is the one. Raises LogUnavailable where that cannot be told."""
        with self._lock:
            now_s = self._clock_s()
            if now_s < self._until_s:
                return True
            if self._leases.take(self._name, [_OWN]):
                return False
            self._until_s = now_s + _ASK_EVERY_S
            return True

    def resign(self) -> None:
        """Let another one follow at once. Raises LogUnavailable."""
        with self._lock:
            self._until_s = 0.0
            self._leases.take(self._name, [])

"""Many readers, or one that is alone.

DuckLake reads an SQLite catalog anew for every question of a transaction, so compaction moves rows under the feet of
whoever reads: a snapshot that was taken before it counts rows that came later, or finds none at all. There, compaction
happens only while no snapshot is alive, and a new one waits until it is over. In PostgreSQL a transaction keeps its picture
of the catalog (REPEATABLE READ) and nobody needs to be alone; only files must not be deleted while somebody may look for them.
It never makes readers wait for readers: if somebody is always reading, it simply does not happen this time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ledger.journal import cancelling

#: Seconds after which whoever waits looks whether anybody still waits for them.
_LOOK_S = 0.25


class Gate:
    """Counts readers; lets one be alone where there are none."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._closed = False

    def enter(self) -> None:
        """One more reader, as soon as nobody is alone. Raises Cancelled."""
        with self._changed:
            while not self._changed.wait_for(lambda: not self._closed, _LOOK_S):
                cancelling.check()
            self._readers += 1

    def leave(self) -> None:
        """One reader less."""
        with self._changed:
            self._readers -= 1
            self._changed.notify_all()

    @contextmanager
    def alone(self, patience_s: float) -> Iterator[bool]:
        """Whether the caller is alone now; readers are kept out only if so, and until the block ends."""
        with self._changed:
            is_alone = self._changed.wait_for(lambda: self._readers == 0 and not self._closed, patience_s)
            if is_alone:
                self._closed = True
        try:
            yield is_alone
        finally:
            if is_alone:
                with self._changed:
                    self._closed = False
                    self._changed.notify_all()

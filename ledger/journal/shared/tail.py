"""The newest groups that this replica committed, kept in memory until the tables have them or they are too many.

They save the materialiser, a moment behind, from asking PostgreSQL and S3 for what was written just now; what is no longer
here is asked for.
"""

from __future__ import annotations

import threading

from ledger.journal.segment import Group

BYTES_MAX = 64 << 20


class Tail:
    """Groups by the position that they follow, oldest first."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._kept: dict[int, tuple[Group, int]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, group: Group) -> None:
        """Keep a group; the oldest go where there are too many."""
        size = sum(len(record.payload) for record in group.records)
        with self._lock:
            self._kept[group.records[0].position - 1] = group, size
            self._bytes += size
            while self._bytes > self._bytes_max:
                self._drop_first()

    def after(self, position: int) -> Group | None:
        """The group that follows a position, if it is still here."""
        found = self._kept.get(position)
        return found[0] if found else None

    def drop(self, until: int) -> None:
        """Let go of the groups whose records have positions up to ``until``."""
        with self._lock:
            while self._kept and next(iter(self._kept)) < until:
                self._drop_first()

    def _drop_first(self) -> None:
        _, size = self._kept.pop(next(iter(self._kept)))
        self._bytes -= size

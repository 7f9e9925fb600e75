"""The send window: which batch goes next, and when it may.

One thread sends, another hears the answers, and lanes append meanwhile; they meet here and nowhere else. A batch may
go while fewer are under way than both sides allow. The window knows nothing of the network.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from agent.spool import SealedBatch

#: How many batches are read from the spool at once.
_READ_AHEAD = 8


class SendWindow:
    """The batches of one connection. Made closed for sending; :meth:`open` says where to begin."""

    def __init__(self, read: Callable[[int, int], Sequence[SealedBatch]]) -> None:
        """``read(sequence, limit)`` gives the batches after a sequence."""
        self._read = read
        self._changed = threading.Condition()
        self._ready: deque[SealedBatch] = deque()
        self._in_flight_max = 0
        self._sent = self._acked = 0
        self._is_closed = False
        self._heard_s = time.monotonic()

    def open(self, acked: int, in_flight_max: int) -> None:
        """Batches after ``acked`` may go, at most ``in_flight_max`` of them unanswered."""
        with self._changed:
            self._sent = self._acked = acked
            self._in_flight_max = max(1, in_flight_max)
            self._heard()

    def take(self, timeout_s: float) -> SealedBatch | None:
        """The next batch once it may go; None after ``timeout_s`` seconds, or once closed."""
        ends_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._is_closed:
                if self._in_flight_max and self._sent - self._acked < self._in_flight_max:
                    if not self._ready:
                        self._ready.extend(self._read(self._sent, _READ_AHEAD))
                    if self._ready:
                        if self._sent == self._acked:
                            self._heard_s = time.monotonic()  # nothing was under way: waiting begins now
                        self._sent = self._ready[0].sequence
                        return self._ready.popleft()
                left_s = ends_s - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
        return None

    def acknowledged(self, sequence: int) -> None:
        """Everything up to ``sequence`` has been answered."""
        with self._changed:
            self._acked = max(self._acked, sequence)
            self._heard()

    def wake(self) -> None:
        """There may be new batches."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more may go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether the connection is over."""
        return self._is_closed

    @property
    def silent_s(self) -> float:
        """Seconds that an answer has been due: for a batch, or for the Hello. 0 where none is."""
        with self._changed:
            is_due = not self._in_flight_max or self._sent > self._acked
            return time.monotonic() - self._heard_s if is_due else 0.0

    def _heard(self) -> None:
        self._heard_s = time.monotonic()
        self._changed.notify_all()

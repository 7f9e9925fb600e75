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
        #: When each of those went that are under way, oldest first.
        self._under_way: deque[tuple[int, float]] = deque()
        self._is_narrow = False
        self._is_closed = False
        self._heard_s = time.monotonic()

    def open(self, acked: int, in_flight_max: int) -> None:
        """Batches after ``acked`` may go, at most ``in_flight_max`` of them unanswered."""
        with self._changed:
            self._sent = self._acked = acked
            self._under_way.clear()
            self._in_flight_max = max(1, in_flight_max)
            self._heard()

    def take(self, timeout_s: float) -> SealedBatch | None:
        """The next batch once it may go; None after ``timeout_s`` seconds, or once closed."""
        ends_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._is_closed:
                in_flight_max = min(self._in_flight_max, 1) if self._is_narrow else self._in_flight_max
                if self._sent - self._acked < in_flight_max:
                    if not self._ready:
                        self._ready.extend(self._read(self._sent, _READ_AHEAD))
                    if self._ready:
                        if self._sent == self._acked:
                            self._heard_s = time.monotonic()  # nothing was under way: waiting begins now
                        self._sent = self._ready[0].sequence
                        self._under_way.append((self._sent, time.monotonic()))
                        return self._ready.popleft()
                left_s = ends_s - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
        return None

    def acknowledged(self, sequence: int) -> list[float]:
        """Everything up to ``sequence`` has been answered. Gives the seconds that each of them was under way."""
        with self._changed:
            self._acked = max(self._acked, sequence)
            self._heard()
            took_s = []
            while self._under_way and self._under_way[0][0] <= sequence:
                took_s.append(self._heard_s - self._under_way.popleft()[1])
            return took_s

    def narrow(self, is_narrow: bool) -> None:
        """Whether only one batch may be under way, until it is said otherwise."""
        with self._changed:
            self._is_narrow = is_narrow
            self._changed.notify_all()

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

"""The clock of a simulated cluster, in microseconds: it stands still until a test moves it, or follows the machine's."""

from __future__ import annotations

import threading
import time

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
#: Later than anything: the end of what has not ended.
FOREVER = 1 << 62
#: Midnight of an arbitrary day, UTC.
MIDNIGHT_US = 1_767_225_600_000_000


def seconds(count: float) -> int:
    """So many seconds in microseconds."""
    return round(count * SECOND)


class Clock:
    """Thread-safe; never goes backwards, as the cluster's past has been seen."""

    def __init__(self, now_us: int = MIDNIGHT_US) -> None:
        self._now_us = now_us
        self._speed = 0.0
        self._since_s = 0.0
        self._lock = threading.Lock()

    def now_us(self) -> int:
        with self._lock:
            return self._read()

    def set(self, now_us: int) -> None:
        """Move to an instant; ValueError if it is past."""
        with self._lock:
            if now_us < self._read():
                raise ValueError(f"the clock stands at {self._read()} us and does not go back to {now_us} us")
            self._now_us = now_us
            self._since_s = time.monotonic()

    def advance(self, by_us: int) -> int:
        """Move on, and tell the instant."""
        self.set(self.now_us() + by_us)
        return self.now_us()

    def follow(self, speed: float = 1.0) -> None:
        """From here on run with the machine's clock, ``speed`` times as fast; 0 stands still again."""
        with self._lock:
            self._now_us = self._read()
            self._since_s = time.monotonic()
            self._speed = speed

    def _read(self) -> int:
        if not self._speed:
            return self._now_us
        return self._now_us + round((time.monotonic() - self._since_s) * self._speed * SECOND)

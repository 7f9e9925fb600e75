"""How fast one shard is asked: below what it answers, so that others who read it get their part.

A shard answers five requests and 2 MiB a second to all its readers together; who has taken 10 MiB at once is refused for the next five
seconds (Kinesis API reference, GetRecords). So each request is followed by a pause, and a large answer by a longer one.
"""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """The pace of one shard. ``clock`` and ``sleep`` are in seconds."""

    def __init__(
        self, pause_s: float, bytes_per_s: int, clock: Callable[[], float], sleep: Callable[[float], object]
    ) -> None:
        self._pause_s, self._bytes_per_s = pause_s, bytes_per_s
        self._clock, self._sleep = clock, sleep
        self._next_s = clock()

    @property
    def wait_s(self) -> float:
        """Seconds until the next request."""
        return max(0.0, self._next_s - self._clock())

    def wait(self) -> None:
        """Wait for the next request, and take it."""
        wait_s = self.wait_s
        if wait_s:
            self._sleep(wait_s)
        self._next_s = self._clock() + self._pause_s

    def took(self, size_bytes: int) -> None:
        """An answer had so many bytes."""
        self._next_s = max(self._next_s, self._clock() + size_bytes / self._bytes_per_s)

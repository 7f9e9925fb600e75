"""Several objects are read at once, and their portions are taken in turn.

While one portion is stored the next ones are fetched, inflated and read in threads. In which order they are taken depends on nothing but
the objects: one portion of each, round after round. So the same beginning gives the same again, and each object's own order is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from collector.datastore.s3.content import Portion, Position
from collector.datastore.s3.found import Found

Open = Callable[[Found, Position], Iterator[Portion]]


@dataclass
class Reading:
    """An object that is being read. ``fault`` is why it cannot be read on just now."""

    found: Found
    at: Position = field(default_factory=Position)
    fault: Exception | None = None
    _portions: Iterator[Portion] | None = None
    _next: Future[Portion] | None = None


class Turns:
    """Objects under way, of which the first ``readers`` that have no fault are read."""

    def __init__(self, open_: Open, readers: int) -> None:
        self._open = open_
        self._readers = readers
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="s3")
        self.readings: list[Reading] = []
        #: Which of the objects that are read has the next portion.
        self.turn = 0

    def begin(self, found: Found, at: Position | None = None) -> None:
        """Read one object more, as soon as there is a reader for it."""
        self.readings.append(Reading(found, at or Position()))

    @property
    def has_room(self) -> bool:
        """Whether a reader has nothing to do."""
        return len(self.active) < self._readers

    @property
    def active(self) -> list[Reading]:
        """Those that are read."""
        return [reading for reading in self.readings if reading.fault is None][: self._readers]

    @property
    def waiting(self) -> list[Reading]:
        """Those that cannot be read just now."""
        return [reading for reading in self.readings if reading.fault is not None]

    def take(self) -> tuple[Reading, Portion | None]:
        """The portion whose turn it is; None of an object that has a fault now. There must be one that is active."""
        active = self.active
        for each in active:
            if each._next is None:
                self._ahead(each)
        self.turn %= len(active)
        reading = active[self.turn]
        assert reading._next is not None
        try:
            portion = reading._next.result()
        except Exception as error:  # noqa: BLE001 - whoever asks tells faults of the source from bugs
            reading.fault, reading._portions, reading._next = error, None, None
            return reading, None
        reading.at, reading._next = portion.at, None
        if portion.is_last:
            # The one behind it has the turn now.
            self.readings.remove(reading)
        else:
            self.turn += 1
            self._ahead(reading)
        return reading, portion

    def drop(self, reading: Reading) -> None:
        """Never read an object on."""
        self.readings.remove(reading)

    def retry(self) -> None:
        """Read on what could not be read, from where it was, behind what is being read."""
        waiting = self.waiting
        self.readings = [reading for reading in self.readings if reading.fault is None] + waiting
        for reading in waiting:
            reading.fault = None

    def clear(self) -> None:
        """Let go of all objects."""
        for reading in self.readings:
            if reading._next is not None and not reading._next.cancel():
                # A generator that runs cannot be closed.
                reading._next.exception()
            close = getattr(reading._portions, "close", None)
            if close is not None:
                close()
        self.readings, self.turn = [], 0

    def close(self) -> None:
        """Let go of the threads, too."""
        self.clear()
        self._threads.shutdown()

    def _ahead(self, reading: Reading) -> None:
        def fetch() -> Portion:
            if reading._portions is None:
                reading._portions = self._open(reading.found, reading.at)
            return next(reading._portions)

        reading._next = self._threads.submit(fetch)

"""Several objects are read at once, and their portions are taken in turn.

While one portion is stored the next ones are fetched, inflated and read in threads. In which order they are taken depends on nothing but
the objects: one portion of each, round after round. So the same beginning gives the same again, and each object's own order is kept.

An object whose portion is not there in time is *late*: it has a fault as one that cannot be read, but what is asked of it goes on being
fetched, and is taken when it is tried again. Whoever takes stops there, so that what was taken is still a beginning of the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event

from collector.datastore.s3.content import Portion, Position
from collector.datastore.s3.found import Found
from collector.errors import TransientError

#: The portions of an object behind a position, until the event is set.
Open = Callable[[Found, Position, Event], Iterator[Portion]]


class Late(TransientError):
    """The next portion of an object is not there yet."""


@dataclass
class Reading:
    """An object that is being read. ``fault`` is why it cannot be read on just now."""

    found: Found
    at: Position = field(default_factory=Position)
    fault: Exception | None = None
    _portions: Iterator[Portion] | None = None
    _next: Future[Portion] | None = None
    _asked_s: float = 0.0
    _dropped: Event = field(default_factory=Event)

    @property
    def _is_fetched(self) -> bool:
        return self._next is not None and not self._next.done()


class Turns:
    """Objects under way, of which the first ``readers`` that have no fault are read. Up to as many may be late beside them."""

    def __init__(self, open_: Open, readers: int, patience_s: float) -> None:
        self._open = open_
        self._readers = readers
        self._patience_s = patience_s
        self._threads = ThreadPoolExecutor(2 * readers, thread_name_prefix="s3")
        self.readings: list[Reading] = []
        #: Which of the objects that are read has the next portion.
        self.turn = 0

    def begin(self, found: Found, at: Position | None = None, fault: Exception | None = None) -> None:
        """Read one object more, as soon as there is a reader for it; one with a fault when it is tried again."""
        self.readings.append(Reading(found, at or Position(), fault))

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
        """The portion whose turn it is; None of an object that has a fault now. There must be one that is active.

        Where the fault is Late, others may have become late with it.
        """
        active = self.active
        for each in active:
            if each._next is None:
                self._ahead(each)
        self.turn %= len(active)
        reading = active[self.turn]
        assert reading._next is not None
        if self._is_late(reading):
            self._give_away(active[self.turn :] + active[: self.turn])
            return reading, None
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
            if reading._next is not None and reading._next.done() and reading._next.exception() is not None:
                # It was late, and has failed since: to be asked anew.
                reading._portions, reading._next = None, None

    def clear(self) -> None:
        """Let go of all objects."""
        for reading in self.readings:
            reading._dropped.set()
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

    def _is_late(self, reading: Reading) -> bool:
        """Whether its portion is not there in time, and can be waited for beside the others."""
        assert reading._next is not None
        if self._late_room < 1:
            return False
        wait([reading._next], max(0.0, reading._asked_s + self._patience_s - time.monotonic()))
        return reading._is_fetched

    @property
    def _late_room(self) -> int:
        """How many objects more may be late: each has a thread."""
        active = {id(each) for each in self.active}
        return self._readers - sum(each._is_fetched and id(each) not in active for each in self.readings)

    def _give_away(self, readings: list[Reading]) -> None:
        """Have the first be late, and what else is: all that were asked at once are waited for at once."""
        ends_s = time.monotonic() - self._patience_s
        late = [each for each in readings[1:] if each._is_fetched and each._asked_s <= ends_s]
        active = self.active
        for reading in [readings[0], *late][: self._late_room]:
            if reading in active[: self.turn]:
                self.turn -= 1
                active.remove(reading)
            reading.fault = Late(f"nothing more of it came within patience_s {self._patience_s:g}; the others go on")

    def _ahead(self, reading: Reading) -> None:
        def fetch() -> Portion:
            if reading._portions is None:
                reading._portions = self._open(reading.found, reading.at, reading._dropped)
            return next(reading._portions)

        reading._asked_s = time.monotonic()
        reading._next = self._threads.submit(fetch)

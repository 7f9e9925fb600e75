"""Programs that count and show it: their own count is the truth that the book is held to.

An exporter counts all the while, whoever looks. Each of its lives is a run: it begins at zero, its counters say when they
were created, and carry the number of the run, so that the book can be asked for every run by itself.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from random import Random

from meterbook.wire import instants
from tests.fakes.http_target import OPENMETRICS, FakeTarget, fake_target, page

METRIC = "units_total"
TENANT = "acme"
_PAUSE_S = 0.01


@dataclass
class Run:
    """One life: when it began, in microseconds, and what it has counted."""

    number: int
    began_us: int
    count: int = 0


@dataclass(frozen=True)
class Shown:
    """One answer: when it was given, in microseconds, by which run, and the count that it showed."""

    at_us: int
    run: int
    count: int


class Exporter:
    """A program with one counter. Safe to use from several threads."""

    def __init__(self, target: FakeTarget, random: Random) -> None:
        self.address = target.address
        self.runs = [Run(0, instants.now_us())]
        self.shown: list[Shown] = []
        self._random = random
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        target.answer = self._serve

    @property
    def total(self) -> Decimal:
        """What all runs have counted."""
        with self._lock:
            return Decimal(sum(run.count for run in self.runs))

    def begin(self) -> None:
        """Begin to count."""
        self._thread.start()

    def stop(self) -> None:
        """Count nothing more; safe to call twice."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def restart(self) -> None:
        """End as a process that is killed, and begin again at zero."""
        with self._lock:
            self.runs.append(Run(len(self.runs), instants.now_us()))

    def add(self, amount: int) -> None:
        """Count something now."""
        with self._lock:
            self.runs[-1].count += amount

    def seen(self, polls_us: Iterable[int]) -> dict[int, int]:
        """The last count of each run that was seen by polls that began at these times."""
        found: dict[int, int] = {}
        for poll_us in sorted(polls_us):
            place = bisect_left(self.shown, poll_us, key=lambda shown: shown.at_us)
            if place < len(self.shown):
                found[self.shown[place].run] = self.shown[place].count
        return found

    def _work(self) -> None:
        while not self._over.wait(self._random.expovariate(1 / _PAUSE_S)):
            self.add(self._random.randint(1, 50))

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            run, count = self.runs[-1], self.runs[-1].count
            labels = f'{{run="{run.number}",tenant="{TENANT}"}}'
            lines = [
                "# TYPE units counter",
                f"{METRIC}{labels} {count}",
                f"units_created{labels} {run.began_us / instants.SECOND_US:.6f}",
                "# EOF\n",
            ]
            self.shown.append(Shown(instants.now_us(), run.number, count))
        page("\n".join(lines).encode(), OPENMETRICS)(handler)


@contextmanager
def exporter(random: Random) -> Iterator[Exporter]:
    """An exporter that is up, and counts from :meth:`Exporter.begin` on."""
    with fake_target() as target:
        made = Exporter(target, random)
        try:
            yield made
        finally:
            made.stop()

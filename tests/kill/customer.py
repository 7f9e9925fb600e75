"""A customer's program: it appends events to a usage log, which is rotated under it, and its counters go up.

Among the events are late ones, of hours that may be booked already. Among the lines are duplicates, of events from this log
and from the other customer's. The log is rotated by renaming and by copying and truncating, at random.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from tests.fakes.log_writer import rotate_numbered
from tests.kill.tally import EVENT_TYPE, TENANTS, Tally

ACTS_PER_S = 40.0
DUPLICATE_SHARE, LATE_SHARE, ROTATION_SHARE = 0.1, 0.15, 0.008
LATE_S_MAX = 3 * 3_600.0
SILENCE_S_MAX = 1.5


class Customer:
    """One program at work between :meth:`start` and :meth:`stop`."""

    def __init__(self, name: str, log: Path, tally: Tally, random: Random, recent: deque[str]) -> None:
        """``recent`` are the lines that may be written again; customers share them."""
        self.name, self.log = name, log
        self.rotations = 0
        self._tally, self._random, self._recent = tally, random, recent
        self._made = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._failure: Exception | None = None
        for tenant in TENANTS:
            # What was there before anybody looked is nobody's usage.
            tally.work(name, tenant, random.randint(1, 1_000_000))
        log.touch()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Be silent from now on. Raises what stopped it before, if anything did."""
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        # As a program does that goes on after its log was rotated: one that is not there counts as not read.
        self.log.touch()

    def _work(self) -> None:
        try:
            while not self._stopping.wait(self._random.expovariate(ACTS_PER_S)):
                self._act()
        except Exception as error:  # noqa: BLE001 - the thread that stops this one is told
            self._failure = error

    def _act(self) -> None:
        random = self._random
        self._tally.work(self.name, random.choice(TENANTS), random.randint(1, 50))
        if self._recent and random.random() < DUPLICATE_SHARE:
            self._append(random.choice(self._recent))
            self._tally.duplicate()
        else:
            self._make_event()
        if random.random() < ROTATION_SHARE:
            self._rotate()
            if random.random() < 0.5:
                # The new file is seen empty, and rotated before anybody has seen what comes into it.
                self._stopping.wait(random.uniform(0, SILENCE_S_MAX))
                self._make_event()
                self._rotate()

    def _make_event(self) -> None:
        random = self._random
        tenant, value = random.choice(TENANTS), Decimal(random.randint(1, 99_999)) / 100
        late_s = random.uniform(0, LATE_S_MAX) if random.random() < LATE_SHARE else 0.0
        self._made += 1
        event = {
            "specversion": "1.0",
            "source": f"/{self.name}",
            "id": str(self._made),
            "type": EVENT_TYPE,
            "subject": tenant,
            "time": (datetime.now(UTC) - timedelta(seconds=late_s)).isoformat(),
            "data": {"value": str(value)},
        }
        line = json.dumps(event) + "\n"
        self._append(line)
        self._tally.event(tenant, value)
        self._recent.append(line)

    def _append(self, line: str) -> None:
        # Opened anew each time, so that a rotated log is left behind at once.
        with self.log.open("a") as file:
            file.write(line)

    def _rotate(self) -> None:
        if self.log.exists():
            self.rotations += 1
            rotate_numbered(self.log, copy=self._random.random() < 0.5)

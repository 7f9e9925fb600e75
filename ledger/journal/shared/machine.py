"""What a replica takes from the machine that it runs on, besides its services: threads, time and chance.

In one place, so that others can stand in for them: a history of faults is played again step by step, in one thread and no time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from ledger.journal.grouping import GroupCommit, Outcomes
from ledger.journal.record import Draft
from meterbook.wire.instants import now_us

_FETCHES = 6


class Machine:
    """The machine that this process runs on."""

    def gather(
        self, commit: Callable[[Any], Outcomes], place: str, prepare: Callable[[Sequence[Draft]], Any]
    ) -> GroupCommit:
        """What puts drafts into groups."""
        return GroupCommit(commit, place, prepare)

    def fetching(self) -> Executor:
        """What fetches several objects at once."""
        return ThreadPoolExecutor(_FETCHES, "fetch")

    def now_us(self) -> int:
        """The time, in microseconds since 1970."""
        return now_us()

    def passed_s(self) -> float:
        """A clock that only runs forward, in seconds."""
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        """Wait."""
        time.sleep(duration_s)

    def bits(self, count: int) -> int:
        """So many bits that nobody can guess."""
        return secrets.randbits(count)


MACHINE = Machine()

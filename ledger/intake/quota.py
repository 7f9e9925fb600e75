"""How many series an agent may define in an hour.

A label that holds a request's id makes a series of every request: memory and queries would drown in them, for all
tenants. What is over the quota is not lost: the batch waits in the agent's spool until the next hour.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ledger.intake.refusals import Refused
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.instants import HOUR_US, now_us, text


class SeriesQuota:
    """Counts what each agent defined in the current hour."""

    def __init__(self, per_hour_max: int, clock: Callable[[], int] = now_us) -> None:
        self._per_hour_max, self._clock = per_hour_max, clock
        self._hour = 0
        self._defined: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, agent: str, count: int) -> None:
        """Count ``count`` definitions of an agent. Raises Refused where they are too many for this hour."""
        if count == 0:
            return
        hour = self._clock() // HOUR_US
        with self._lock:
            if hour != self._hour:
                self._hour = hour
                self._defined.clear()
            taken = self._defined.get(agent, 0)
            # One batch may always define as much as fits in it: refused in every hour, it would stop its chain for ever.
            if taken and taken + count > self._per_hour_max:
                raise Refused(
                    intake_pb2.REFUSAL_CODE_UNAVAILABLE,
                    f"agent {agent} defined {taken} series this hour and sends {count} more, beyond series_per_hour_max "
                    f"{self._per_hour_max}; it goes on at {text((hour + 1) * HOUR_US)}",
                    "series_per_hour_max",
                )
            self._defined[agent] = taken + count

"""The schedule: when each lane ticks.

Ticks lie on the wall-clock grid, so that collections of different agents and of one agent before and after a
restart line up with each other and with the hours of the book. Each source is shifted by a fixed part of at most a
tenth of its interval, derived from its name: sources do not all start in the same instant, and two agents that read
the same source still read it together.

A lane never runs twice at a time. A tick that comes while the lane is busy, or too late to be of use, is told to
the lane, which accounts for it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import UTC

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from agent import coverage
from agent.runner import Lane
from meterbook.wire import instants

#: Largest shift of a source, as a part of its interval.
SHIFT_PART_MAX = 0.1


def shift_us(source: str, interval_us: int) -> int:
    """How far the ticks of a source lie after the grid: the same on every agent."""
    draw = int.from_bytes(hashlib.sha256(source.encode()).digest()[:8], "big")
    return draw % max(1, int(interval_us * SHIFT_PART_MAX))


class Schedule:
    """Ticks the lanes from threads of its own."""

    def __init__(self, lanes: Sequence[tuple[Lane, float]], threads_max: int) -> None:
        """Each lane with its interval in seconds."""
        # The scheduler logs every tick that it skips; the lanes account for those.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._lanes = {lane.source: lane for lane, _ in lanes}
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(max(1, min(threads_max, len(lanes))))}, timezone=UTC
        )
        self._scheduler.add_listener(self._missed, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        for lane, interval_s in lanes:
            start = instants.to_datetime(shift_us(lane.source, round(interval_s * instants.SECOND_US)))
            self._scheduler.add_job(
                lane.tick,
                IntervalTrigger(seconds=interval_s, start_date=start, timezone=UTC),
                id=lane.source,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=max(1, int(interval_s / 2)),
            )

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()

    def stop(self) -> None:
        """No more ticks; returns when the collections under way are done."""
        for lane in self._lanes.values():
            lane.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _missed(self, event: JobEvent) -> None:
        gap = coverage.STILL_RUNNING if event.code == EVENT_JOB_MAX_INSTANCES else coverage.TICK_MISSED
        self._lanes[event.job_id].missed(gap)

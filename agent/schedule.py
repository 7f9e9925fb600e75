"""The schedule: when each lane ticks.

Ticks lie on the wall-clock grid, so that collections of different agents and of one agent before and after a
restart line up with each other and with the hours of the book. Each source is shifted by a fixed part of at most a
tenth of its interval, derived from its name: sources do not all start in the same instant, and two agents that read
the same source still read it together.

What a collection reads is of the moment at which its tick was due, not of the moment at which a thread got to it: two agents
that read the same source give their samples the same time, and of two such samples one counts. Were they milliseconds apart, the
page that one asked for first could be answered last, and a counter would seem to fall.

The wall clock may be set. Forward, that is ticks missed; back, the next tick would be as far away as the clock went, so a
thread of its own looks for ticks that are further away than their interval, and plans all anew.

A lane never runs twice at a time. A tick that comes while the lane is busy, or too late to be of use, is told to
the lane, which accounts for it. Where the process stood still and several ticks are due at once, the last of them stands for all, and
the scheduler says nothing of the others: they are found by what lies between two ticks that it tells of.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta

from apscheduler.events import (
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobEvent,
    JobSubmissionEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from agent import coverage, memory
from agent.runner import Lane
from meterbook.wire import instants

#: Largest shift of a source, as a part of its interval.
SHIFT_PART_MAX = 0.1
#: By how much a tick may come before it is due: the scheduler counts in floating-point seconds.
_EARLY_US_MAX = 1_000
#: How often somebody looks whether the wall clock went back, and by how much it must have.
CLOCK_INTERVAL_S, CLOCK_BACK_S = 1.0, 0.5
#: How often freed memory is given back.
TRIM_INTERVAL_S = 20

_log = logging.getLogger(__name__)


def shift_us(source: str, interval_us: int) -> int:
    """How far the ticks of a source lie after the grid: the same on every agent."""
    draw = int.from_bytes(hashlib.sha256(source.encode()).digest()[:8], "big")
    return draw % max(1, int(interval_us * SHIFT_PART_MAX))


def due_us(source: str, interval_us: int, now_us: int) -> int:
    """When the latest tick of a source was due."""
    shift = shift_us(source, interval_us)
    return (now_us + _EARLY_US_MAX - shift) // interval_us * interval_us + shift


class Schedule:
    """Ticks the lanes from threads of its own."""

    def __init__(self, threads_max: int) -> None:
        """At most ``threads_max`` collections run at the same time."""
        # The scheduler logs every tick that it skips; the lanes account for those.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._lanes: dict[str, Lane] = {}
        #: When the last tick of each lane was due that the scheduler told of.
        self._told: dict[str, datetime] = {}
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(threads_max), "own": ThreadPoolExecutor(1)}, timezone=UTC
        )
        self._scheduler.add_listener(self._missed, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        self._scheduler.add_listener(self._told_of, EVENT_JOB_SUBMITTED | EVENT_JOB_MAX_INSTANCES)
        self._stopping = threading.Event()
        self._is_narrow, self._alone = False, threading.Lock()
        self._clock_thread = threading.Thread(target=self._watch_clock, name="clock", daemon=True)
        self.also(memory.trim, TRIM_INTERVAL_S)

    def also(self, call: Callable[[], object], interval_s: float) -> None:
        """Have something else done from time to time."""
        trigger = IntervalTrigger(seconds=interval_s, start_date=instants.to_datetime(0), timezone=UTC)
        self._scheduler.add_job(call, trigger, executor="own", coalesce=True)

    def add(self, lane: Lane, interval_s: float) -> None:
        """Have a lane tick from now on."""
        self._lanes[lane.source] = lane
        self._told.pop(lane.source, None)
        interval_us = round(interval_s * instants.SECOND_US)
        start = instants.to_datetime(shift_us(lane.source, interval_us))
        self._scheduler.add_job(
            lambda: self._tick(lane, due_us(lane.source, interval_us, instants.now_us())),
            IntervalTrigger(seconds=interval_s, start_date=start, timezone=UTC),
            id=lane.source,
            max_instances=1,
            coalesce=True,
            # One that had to wait for others is late, and better than none: else whoever is last in the queue would be last for ever.
            misfire_grace_time=max(1, int(interval_s)),
        )

    def remove(self, lane: Lane) -> None:
        """No more ticks of a lane; one may be under way."""
        lane.stop()
        self._told.pop(lane.source, None)
        if self._lanes.pop(lane.source, None) is not None:
            self._scheduler.remove_job(lane.source)

    def narrow(self, is_narrow: bool) -> None:
        """Whether collections that begin from now on run one at a time."""
        self._is_narrow = is_narrow

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()
        self._clock_thread.start()

    def stop(self) -> None:
        """No more ticks; returns when the collections under way are done."""
        self._stopping.set()
        if self._clock_thread.is_alive():
            self._clock_thread.join()
        for lane in self._lanes.values():
            lane.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _tick(self, lane: Lane, due_us: int) -> None:
        with self._alone if self._is_narrow else nullcontext():
            lane.tick(due_us)

    def _watch_clock(self) -> None:
        while not self._stopping.wait(CLOCK_INTERVAL_S):
            back_s = max((_back_s(job) for job in self._scheduler.get_jobs()), default=0.0)
            if back_s > CLOCK_BACK_S:
                _log.warning("the clock went back by %.1f s or more: ticks are planned anew", back_s)
                self._plan_anew()

    def _plan_anew(self) -> None:
        now = datetime.now(UTC)
        for job in self._scheduler.get_jobs():
            with suppress(JobLookupError):  # its source is gone since
                job.modify(next_run_time=job.trigger.get_next_fire_time(None, now))

    def _missed(self, event: JobEvent) -> None:
        gap = coverage.STILL_RUNNING if event.code == EVENT_JOB_MAX_INSTANCES else coverage.TICK_MISSED
        lane = self._lanes.get(event.job_id)
        if lane is not None:
            lane.missed(gap)

    def _told_of(self, event: JobSubmissionEvent) -> None:
        """The scheduler is at a tick: those that it passed over since the one before are counted. Called from its thread alone."""
        lane, due = self._lanes.get(event.job_id), event.scheduled_run_times[-1]
        if lane is None:
            return
        before = self._told.get(lane.source)
        self._told[lane.source] = due
        if before is not None and (between := round((due - before).total_seconds() / lane.interval_s) - 1) > 0:
            lane.passed(between)


def _back_s(job: Job) -> float:
    """By how much the clock went back since the next tick was planned, at least: it was at most an interval away."""
    planned: datetime = job.next_run_time
    away: timedelta = planned - datetime.now(UTC) - job.trigger.interval
    return away.total_seconds()

"""Lanes: each reads one source, window after window, and never dies.

The windows of a source tile: each begins where the one before ended, also over restarts, because the end of a
window is stored with its readings. What cannot be stored (the spool is full) leaves the end where it is, and the
next window is longer. Of a window longer than :data:`GAP_INTERVALS` intervals only the last interval was watched,
and the coverage says so and why (see ``coverage``).

A collector answers for what its source does wrong. What it raises is a bug of its own: the window is booked as
failed, the checkpoint stays, the log has the trace, and the next tick comes as ever.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent import coverage, memory
from agent.coverage import Gap
from agent.errors import SpoolFull, SpoolUnusable
from agent.faults import mask
from agent.inspection import inspect
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.tagged import TaggedSeries
from agent.tagger import Tagger
from collector.base import Collector
from collector.readings import Coverage, Readings, Status, Window
from meterbook import logs, tracing
from meterbook.wire import instants
from meterbook.wire.sections import Sections, sections

#: Collections without anything, one after the other, from which on a source cannot be read here.
FAILURES_MANY = 3
#: A window longer than so many intervals has a part that nobody watched.
GAP_INTERVALS = 1.5
#: How late a collection may begin and still count as one of the moment at which it was due, as a part of the interval and in seconds. A
#: collection takes two thirds of the interval at most unless told otherwise, and so is over before another agent begins with the next.
LATE_PART_MAX, LATE_S_MAX = 0.25, 10.0

_REASON_CHARACTERS_MAX = 200
#: Defining so many series leaves tens of megabytes of freed memory.
_FRESH_ROWS_MANY = 10_000
_GAPS_BY_REASON = {gap.reason: gap for gap in (coverage.SPOOL_FULL, coverage.SPOOL_UNUSABLE)}
_log = logging.getLogger(__name__)


class Lane:
    """One source and what becomes of its readings. Ticks of one lane must not overlap."""

    def __init__(
        self,
        collector: Collector,
        *,
        interval_us: int,
        tagger: Tagger,
        spool: Spool,
        metrics: SelfMetrics,
        clock: Callable[[], int] = instants.now_us,
    ) -> None:
        """A source that the spool does not know counts as watched from now on."""
        self.source = collector.source
        self.problem: str | None = None
        self._collector = collector
        self._interval_us = interval_us
        self._tagger = tagger
        self._spool = spool
        self._metrics = metrics
        self._clock = clock
        self._stopping = threading.Event()
        self._defined_many = False
        self._failures = 0
        self._busy = threading.Lock()
        metrics.begin(self.source)
        progress = spool.begin(self.source, clock())
        self._checkpoint = progress.checkpoint
        self._end_us = progress.window_end_us
        self._gap: Gap | None = _GAPS_BY_REASON.get(progress.gap, coverage.NOT_RUNNING)

    def tick(self, due_us: int | None = None) -> None:
        """Collects until the source has no more, from the moment ``due_us`` if it is not long ago, else from now. Raises nothing."""
        with self._busy, logs.bound(source=self.source):
            self._tick(due_us)
            if self._defined_many:
                # Only here everything is let go of.
                self._defined_many = False
                memory.trim()

    @property
    def interval_s(self) -> float:
        """How often it ticks."""
        return self._interval_us / instants.SECOND_US

    @property
    def is_busy(self) -> bool:
        """Whether a collection is under way."""
        return self._busy.locked()

    @property
    def is_failing(self) -> bool:
        """Whether the last few collections gave nothing."""
        return self._failures >= FAILURES_MANY

    def _tick(self, due_us: int | None) -> None:
        while not self._stopping.is_set():
            now_us = self._clock()
            if now_us <= self._end_us:
                self._wait_for_clock(now_us)
                return
            if due_us is not None and due_us <= self._end_us:
                # It was lived through already, before the clock went back a little.
                return
            end_us = now_us if due_us is None or self._is_late(due_us, now_us) else due_us
            due_us = None
            try:
                with tracing.collecting(self.source):
                    has_more = self._collect(Window(self._end_us, end_us))
                if not has_more:
                    return
            except Exception as error:  # noqa: BLE001 - a lane never dies, whatever is wrong in it
                _log.error("%s: collection abandoned: %r", self.source, error, exc_info=error)
                return

    def _is_late(self, due_us: int, now_us: int) -> bool:
        return now_us - due_us > min(self._interval_us * LATE_PART_MAX, LATE_S_MAX * instants.SECOND_US)

    def _wait_for_clock(self, now_us: int) -> None:
        """Nothing is read before the time that was told of already: no moment and no sample is told of twice."""
        behind_s = (self._end_us - now_us) / instants.SECOND_US
        if self.problem is None:
            _log.warning("%s: the clock is %.1f s behind the last collection: waiting for it", self.source, behind_s)
        self.problem = f"{self.source}: the clock is {behind_s:.1f} s behind the last collection, nothing is read until it has caught up"
        self.missed(coverage.CLOCK_WENT_BACK)

    def missed(self, gap: Gap) -> None:
        """A tick passed without a collection; kept for the coverage of the window that will span it."""
        self.passed(1)
        if self._gap is None:
            self._gap = gap

    def passed(self, ticks: int) -> None:
        """So many ticks passed without a collection, and nothing else is known of them."""
        self._metrics.ticks_missed.labels(self.source).inc(ticks)

    def stop(self) -> None:
        """The collection under way is the last."""
        self._stopping.set()

    def end(self) -> None:
        """The source is not there any more: store its last word. After :meth:`stop`. Raises nothing."""
        with self._busy, logs.bound(source=self.source):
            try:
                self._store_end()
            except Exception as error:  # noqa: BLE001 - what is gone must not stop what is there
                _log.warning("%s: its end is not told: %s", self.source, _text(error))

    def leave(self) -> None:
        """The lane is not used any more, whoever goes on with its source. After :meth:`stop`."""
        self._metrics.end(self.source)

    def _store_end(self) -> None:
        now_us = max(self._clock(), self._end_us)
        last = self._collector.end(now_us, self._checkpoint)
        if last is None or not last.samples.num_rows:
            return
        series = self._tagger.tag(last, Window(self._end_us, now_us)).series
        checkpoint, end_us = self._checkpoint, self._end_us
        content = sections(samples=last.samples)
        self._spool.append(content, series, source=self.source, checkpoint=checkpoint, window_end_us=end_us)

    def _collect(self, window: Window) -> bool:
        """One collection; gives whether the source has more just now."""
        began_s = time.monotonic()
        # Taken before and not cleared after: a tick missed meanwhile belongs to the next window.
        gap, self._gap = self._gap, None
        try:
            found = self._prepared(self._collector.collect(window, self._checkpoint), window, gap)
        except Exception as error:  # noqa: BLE001 - whatever a collector raises is its bug, WriteRefused included
            _log.error("%s: the collector failed: %s", self.source, _text(error), exc_info=error)
            reason = f"collector error: {_text(error)}"
            failed = Coverage(self.source, window.start_us, window.end_us, "failed", reason)
            found = self._prepared(Readings((failed,), checkpoint=self._checkpoint), window, gap)
        stored = self._store(found, gap)
        is_well = stored and found.status in ("complete", "partial")
        self._failures = 0 if is_well else self._failures + 1
        if not stored:
            return False
        readings = found.readings
        self._metrics.collection_seconds.labels(self.source).observe(time.monotonic() - began_s)
        self._metrics.collections.labels(self.source, found.status).inc()
        self._metrics.samples.labels(self.source).inc(readings.samples.num_rows)
        self._metrics.events.labels(self.source).inc(readings.events.num_rows)
        self._metrics.events_unassigned.labels(self.source).inc(found.events_unassigned)
        self._metrics.dead_letters.labels(self.source).inc(len(readings.dead_letters))
        for gap_status, gap_us in found.gaps_us.items():
            self._metrics.gap_seconds.labels(self.source, gap_status).inc(gap_us / instants.SECOND_US)
        return readings.more

    def _prepared(self, readings: Readings, window: Window, gap: Gap | None) -> _Prepared:
        """The readings tagged, with honest coverage, fit to be sealed. Raises whatever a faulty collector causes."""
        inspect(readings, window, catches_up=self._collector.catches_up)
        tagged = self._tagger.tag(readings, window)
        records = coverage.with_unassigned(readings.coverage, tagged.events_unassigned)
        has_gap = window.end_us - window.start_us > GAP_INTERVALS * self._interval_us
        # After the clock went back, more time has passed than it shows: no part of the window counts as watched throughout.
        is_dubious = gap is coverage.CLOCK_WENT_BACK and not has_gap
        if (has_gap or is_dubious) and not self._collector.catches_up:
            watched_us = 0 if is_dubious else self._interval_us
            records = coverage.with_gap(records, window, watched_us, gap or coverage.TICK_MISSED)
        content = sections(
            samples=readings.samples,
            events=tagged.events,
            coverage=coverage.coverage_table(records),
            dead_letters=coverage.dead_letter_table(readings.dead_letters),
            charges=readings.charges,
            bills=readings.bills,
        )
        until_us = max(window.start_us, *(record.end_us for record in records))
        gaps_us = coverage.gaps_us(records, window)
        return _Prepared(
            readings, tagged.series, content, until_us, records[-1].status, tagged.events_unassigned, gaps_us
        )

    def _store(self, found: _Prepared, gap: Gap | None) -> bool:
        checkpoint = found.readings.checkpoint
        try:
            self._spool.append(
                found.content,
                found.series,
                source=self.source,
                checkpoint=checkpoint,
                window_end_us=found.until_us,
            )
        except (SpoolFull, SpoolUnusable) as error:
            self._gap = coverage.SPOOL_FULL if isinstance(error, SpoolFull) else coverage.SPOOL_UNUSABLE
            self._metrics.collections.labels(self.source, self._gap.status).inc()
            if self._gap != gap:
                _log.error("%s: nothing is stored: %s", self.source, error)
                self._note(self._gap)
            self.problem = str(error)
            return False
        if self.problem is not None:
            _log.info("%s: collected and stored again", self.source)
        self.problem = None
        self._checkpoint, self._end_us = checkpoint, found.until_us
        self._defined_many = found.series.fresh is not None and found.series.fresh.num_rows > _FRESH_ROWS_MANY
        return True

    def _note(self, gap: Gap) -> None:
        try:
            self._spool.note_gap(self.source, gap.reason)
        except (SpoolFull, SpoolUnusable) as error:
            # The window stays open all the same: after a restart its reason is only less exact.
            _log.warning("%s: the reason of the gap is not stored: %s", self.source, error)


@dataclass(frozen=True)
class _Prepared:
    readings: Readings
    series: TaggedSeries
    content: Sections
    until_us: int
    status: Status
    events_unassigned: int
    gaps_us: Mapping[str, int]


def _text(error: Exception) -> str:
    """One short line that any log and any coverage record can hold."""
    line = mask(f"{type(error).__name__}: {error}".partition("\n")[0])[:_REASON_CHARACTERS_MAX]
    return line.encode(errors="replace").decode()

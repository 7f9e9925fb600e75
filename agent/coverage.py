"""Coverage, told honestly: what a collector says of its window, corrected by what only the agent knows.

A collector that is asked for two hours answers for two hours, but a gauge that was read once in them was not
observed in between. Only the agent knows that it was down, that a tick was missed or that the spool was full, so
the part of a long window that no collection watched gets a record of its own. A source that catches up (a log
file read to its end from a checkpoint) has no such part: what it says stands.

A usage event that no tag rule matched was observed and is kept, but not for the tenant it belongs to: the record
of its window is no longer ``complete``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from collector.readings import Coverage, DeadLetter, Status, Window
from meterbook.wire.sections import COVERAGE, DEAD_LETTERS


@dataclass(frozen=True)
class Gap:
    """Why nobody watched."""

    status: Status
    reason: str


NOT_RUNNING = Gap("partial", "agent was not running")
STILL_RUNNING = Gap("partial", "tick missed: collection still running")
TICK_MISSED = Gap("partial", "tick missed: the agent was busy")
CLOCK_WENT_BACK = Gap("partial", "tick missed: the clock went back")
SPOOL_FULL = Gap("lost", "spool full")
SPOOL_UNUSABLE = Gap("lost", "spool could not be written")


def with_unassigned(records: Sequence[Coverage], events_unassigned: int) -> tuple[Coverage, ...]:
    """Complete records become partial where events of the window went to nobody."""
    if not events_unassigned:
        return tuple(records)
    noun = "event" if events_unassigned == 1 else "events"
    reason = f"{events_unassigned} {noun} matched no tag rule"
    return tuple(
        replace(record, status="partial", reason=reason) if record.status == "complete" else record
        for record in records
    )


def with_gap(records: Sequence[Coverage], window: Window, watched_us: int, gap: Gap) -> tuple[Coverage, ...]:
    """The records, with ``gap`` instead of what they say of the window but for its last ``watched_us``."""
    watched_from_us = max(window.start_us, window.end_us - watched_us)
    told: list[Coverage] = []
    for record in records:
        if record.start_us < watched_from_us:
            unwatched = replace(record, end_us=min(record.end_us, watched_from_us))
            told.append(replace(unwatched, status=gap.status, reason=gap.reason))
        if record.end_us > watched_from_us:
            told.append(replace(record, start_us=max(record.start_us, watched_from_us)))
    return tuple(told)


def gaps_us(records: Sequence[Coverage], window: Window) -> dict[str, int]:
    """Microseconds of the window that are not told of as complete, by their status. Time before it was told of earlier."""
    found: dict[str, int] = {}
    for record in records:
        length_us = record.end_us - max(record.start_us, window.start_us)
        if record.status != "complete" and length_us > 0:
            found[record.status] = found.get(record.status, 0) + length_us
    return found


def coverage_table(records: Sequence[Coverage]) -> pa.Table:
    """Coverage records as the section of a batch."""
    time = COVERAGE.field("start").type
    return pa.table(
        [
            pa.array([record.source for record in records], pa.utf8()),
            pa.array([record.start_us for record in records], pa.int64()).cast(time),
            pa.array([record.end_us for record in records], pa.int64()).cast(time),
            pa.array([record.status for record in records], pa.utf8()),
            pa.array([record.reason for record in records], pa.utf8()),
        ],
        schema=COVERAGE,
    )


def dead_letter_table(letters: Sequence[DeadLetter]) -> pa.Table:
    """Dead letters as the section of a batch."""
    return pa.table(
        [pa.array([getattr(letter, name) for letter in letters], pa.utf8()) for name in DEAD_LETTERS.names],
        schema=DEAD_LETTERS,
    )

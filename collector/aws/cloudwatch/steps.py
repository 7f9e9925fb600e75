"""What is due, and what is gone: which periods of which streams are asked for next.

Told is what has settled, in whole periods. Where a stream stands inside of a period, because its configuration had a shorter one before, the rest
of that is told in pieces that fit. What was told last is asked for once more with what follows, which costs nothing as long as it is on
the same page, to see whether it stayed as it was.

CloudWatch keeps values of a period below five minutes for 15 days, below an hour for 63 days, and others for 455 days (API reference,
GetMetricData). What is older has not come in time and is lost: an empty answer would look like nothing used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from collector.aws.cloudwatch.progress import Progress
from collector.aws.cloudwatch.streams import Stream
from meterbook.wire.instants import DAY_US, HOUR_US, SECOND_US

#: Limits of one request (API reference, GetMetricData).
QUERIES_MAX, POINTS_MAX = 500, 100_800
_RETENTION_US = ((300 * SECOND_US, 15 * DAY_US), (HOUR_US, 63 * DAY_US))
_RETENTION_LONGEST_US = 455 * DAY_US
#: What ends soon may be gone when the request arrives.
_MARGIN_US = HOUR_US


@dataclass(frozen=True)
class Step:
    """Periods of a stream in [since, until), and in [check, since) those that were told last; those since ``keep_us`` are looked at again next."""

    stream: Stream
    progress: Progress
    period_us: int
    check_us: int
    since_us: int
    until_us: int
    keep_us: int


@dataclass(frozen=True)
class Plan:
    """Steps of one collection, what is lost for each stream as (stream, since, until), and the streams that are behind even then."""

    steps: tuple[Step, ...]
    lost: tuple[tuple[Stream, int, int], ...]
    behind: frozenset[Stream]


def oldest_us(period_us: int, now_us: int) -> int:
    """The earliest time whose values of a period can still be had."""
    kept_us = next((kept for below, kept in _RETENTION_US if period_us < below), _RETENTION_LONGEST_US)
    return now_us - kept_us + _MARGIN_US


def plan(
    streams: Mapping[Stream, tuple[int, Progress]],
    now_us: int,
    settled_us: int,
    *,
    points_max: int = POINTS_MAX,
    check_us: int = 0,
) -> Plan:
    """What to ask for of streams, by their periods in microseconds and their progress; at most ``points_max`` values or one each.

    Values are looked at again until they were told of for ``check_us``, or as many as fit.
    """
    due, lost = list[Step](), list[tuple[Stream, int, int]]()
    for stream, (period_us, progress) in sorted(streams.items(), key=lambda each: each[0]):
        since_us, piece_us = progress.until_us, math.gcd(progress.until_us, period_us)
        first_us = _up(oldest_us(piece_us, now_us), period_us)
        if since_us < first_us:
            lost.append((stream, since_us, first_us))
            since_us, piece_us = first_us, period_us
        until_us = settled_us // period_us * period_us
        if since_us % period_us:
            until_us = min(until_us, _up(since_us, period_us))
        told = progress.told
        is_checked = told is not None and told.period_us == piece_us and first_us <= told.since_us < since_us
        first_us = told.since_us if told is not None and is_checked else since_us
        if until_us > since_us:
            due.append(Step(stream, progress, piece_us, first_us, since_us, until_us, until_us))
    # Half of a page is for what is asked for once more.
    each = max(1, min(POINTS_MAX // min(max(len(due), 1), QUERIES_MAX) // 2, points_max // max(len(due), 1)))
    steps = tuple(_shortened(step, each, check_us) for step in due)
    behind = frozenset(
        step.stream for step in steps if step.until_us < settled_us // streams[step.stream][0] * streams[step.stream][0]
    )
    return Plan(steps, tuple(lost), behind)


def calls(steps: Sequence[Step]) -> Iterator[tuple[Step, ...]]:
    """Steps that one request can ask for: of the same time, and not too many."""
    together: dict[tuple[int, int], list[Step]] = {}
    for step in steps:
        together.setdefault((step.check_us, step.until_us), []).append(step)
    for _, group in sorted(together.items()):
        for place in range(0, len(group), QUERIES_MAX):
            yield tuple(group[place : place + QUERIES_MAX])


def _shortened(step: Step, periods_max: int, check_us: int) -> Step:
    most_us = periods_max * step.period_us
    until_us = min(step.until_us, step.since_us + most_us)
    keep_us = _up(max(step.check_us, until_us - min(check_us, most_us)), step.period_us)
    return replace(step, until_us=until_us, keep_us=keep_us)


def _up(time_us: int, period_us: int) -> int:
    return -(-time_us // period_us) * period_us

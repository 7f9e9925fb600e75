"""What a collection says of time: told, lost, not settled yet, or failed.

Usage of an hour is not complete before it has settled, and an invoice may wait for that. So the records tell of the time that values are of: until
where all streams are told it is complete, told once more where it had been said to be open, and what follows is partial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.aws.cloudwatch.steps import Step, oldest_us
from collector.aws.cloudwatch.streams import Stream
from collector.errors import SourceError
from collector.readings import Coverage, Status, Window
from meterbook.wire.instants import DAY_US, SECOND_US, text

_NAMED_MAX = 3


@dataclass(frozen=True)
class Reach:
    """Until where every stream was told before a collection, and after."""

    before_us: int
    after_us: int


def records(
    source: str,
    window: Window,
    reach: Reach,
    lost: Sequence[tuple[Step, int]],
    faults: Sequence[tuple[Stream, str]],
    stopped: SourceError | None,
    *,
    more: bool,
) -> tuple[Coverage, ...]:
    """Coverage of a collection that told of something, or had nothing to tell of.

    ``lost`` are steps and since when their streams had not been told, ``faults`` streams that were not answered, and why; ``stopped``
    is what ended it early. With ``more`` the records end where the next window is to begin.
    """
    found: list[Coverage] = []
    # What is open is told of as one, however often it was asked for: of how long it is, the ledger knows how long to be patient.
    at = reach.before_us if reach.after_us > reach.before_us else min(reach.after_us, window.start_us)
    gone_us = min(max((step.since_us for step, _ in lost), default=at), reach.after_us)
    if gone_us > at:
        found.append(Coverage(source, at, gone_us, "lost", _gone(lost, window.end_us)))
        at = gone_us
    if min(reach.after_us, window.end_us) > at:
        at_end = min(reach.after_us, window.end_us)
        found.append(Coverage(source, at, at_end, "complete"))
        at = at_end
    if at < window.end_us and not (more and found):
        status, reason = _open(at, faults, stopped)
        found.append(Coverage(source, at, window.end_us, status, reason))
    return tuple(found)


def unanswered(faults: Sequence[tuple[Stream, str]]) -> str:
    """Which streams were not answered, and why; nothing where there are none."""
    reasons = [f"{stream.path}: {reason}" for stream, reason in faults[:_NAMED_MAX]]
    if len(faults) > _NAMED_MAX:
        reasons.append(f"{len(faults) - _NAMED_MAX} more are not answered")
    return "; ".join(reasons)


def _open(at: int, faults: Sequence[tuple[Stream, str]], stopped: SourceError | None) -> tuple[Status, str]:
    if stopped is not None:
        return stopped.status, "; ".join(filter(None, [str(stopped), unanswered(faults)]))
    return "partial", unanswered(faults) or f"values after {text(at)} have not settled yet, and are read later"


def _gone(lost: Sequence[tuple[Step, int]], now_us: int) -> str:
    step, since_us = lost[0]
    kept = (now_us - oldest_us(step.period_us, now_us)) // DAY_US + 1
    others = f", and of {len(lost) - 1} more," if len(lost) > 1 else ""
    return (
        f"{step.stream.path}: values since {text(since_us)} of {step.period_us // SECOND_US} s{others} are not kept any more: "
        f"CloudWatch has them for {kept} days"
    )

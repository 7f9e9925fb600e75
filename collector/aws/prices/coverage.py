"""What a collection of prices says of time: read, lost, or not read yet.

Time is complete until where every question was read to its end, told once more where it had been said to be open, and what follows is partial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collector.aws.prices.config import SPOT_HISTORY_S
from collector.errors import SourceError
from collector.readings import Coverage, Window
from meterbook.wire.instants import DAY_US, SECOND_US, text


@dataclass(frozen=True)
class Reach:
    """Until where time was complete before a collection, and after; what is before ``lost_us`` was not read in time."""

    before_us: int
    after_us: int
    lost_us: int | None = None


def records(source: str, window: Window, reach: Reach, faults: Sequence[SourceError]) -> tuple[Coverage, ...]:
    """Coverage of a collection that has read something."""
    found: list[Coverage] = []
    at = reach.before_us
    if reach.lost_us is not None and at < min(reach.lost_us, reach.after_us):
        lost_us = min(reach.lost_us, reach.after_us)
        days = SPOT_HISTORY_S * SECOND_US // DAY_US
        reason = f"spot prices before {text(lost_us)} are not kept any more: their history is of {days} days"
        found.append(Coverage(source, at, lost_us, "lost", reason))
        at = lost_us
    if at < reach.after_us:
        found.append(Coverage(source, at, reach.after_us, "complete"))
        at = reach.after_us
    if not found:
        at = window.start_us
    if at < window.end_us:
        reason = reasons(faults) or f"prices are read until {text(at)}, and then on"
        found.append(Coverage(source, at, window.end_us, "partial", reason))
    return tuple(found)


def reasons(faults: Sequence[SourceError]) -> str:
    """Why questions were not answered; nothing where all were."""
    return "; ".join(str(fault) for fault in faults)

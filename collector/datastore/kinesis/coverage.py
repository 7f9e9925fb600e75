"""How well a shard was observed: told for the time at which records arrived, which is not that at which they are read.

A reader that is behind has read everything up to some time and knows nothing of what comes after, so that is what is called complete.
Where it falls behind, or waits, or is refused, the time is told as such, and once more when it is read.
"""

from __future__ import annotations

from dataclasses import dataclass

from collector.readings import Coverage, Status, Window


@dataclass(frozen=True)
class Reached:
    """What one collection got to.

    Everything that had arrived until ``since_us`` was read before. Until ``lost_until_us``, if that is given, something may be lost;
    from there until ``read_to_us``, if that is given, all was read. ``status`` and ``reason`` are of what is not; with ``more`` that is
    read next, and told of then.
    """

    since_us: int
    read_to_us: int | None = None
    lost_until_us: int | None = None
    lost: str = ""
    status: Status = "partial"
    reason: str = ""
    more: bool = False


def told(source: str, window: Window, reached: Reached) -> tuple[Coverage, ...]:
    """The records of a collection: those of the window, and of the time before that was not told of as read."""
    found: list[Coverage] = []
    at_us = min(reached.since_us, window.start_us)

    def tell(until_us: int | None, status: Status, reason: str = "") -> None:
        nonlocal at_us
        until_us = at_us if until_us is None else min(until_us, window.end_us)
        if until_us > at_us:
            found.append(Coverage(source, at_us, until_us, status, reason))
            at_us = until_us

    tell(reached.lost_until_us, "lost", reached.lost)
    tell(reached.read_to_us, "complete")
    if at_us < window.end_us and not (found and reached.more):
        if not found:
            at_us = window.start_us
        tell(window.end_us, reached.status, reached.reason)
    return tuple(found)

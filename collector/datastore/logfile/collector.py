"""One collection of a log file: every file of it that has something new, oldest first, within bounds.

Events come out in the order in which they were written, and the checkpoint says of each file how far it was read. The
same checkpoint gives the same events again as long as the files are there. A bound on bytes or lines that is reached
ends the collection early and asks for another one at once (``more``).

What can go wrong with a file is an answer: one coverage record over the window, whose status is the worst of what was
found, and whose reason tells all of it. Dead letters name the configured path and the byte at which the line begins
in its file; rotation changes names, but not what a replay has to repeat.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from collector.datastore.logfile.config import LogfileConfig
from collector.datastore.logfile.handles import Handles, RotatedMeanwhile
from collector.datastore.logfile.portions import Portions
from collector.datastore.logfile.rotation import LOOKS_MAX, Plan, Rules, Step, plan
from collector.datastore.logfile.tracked import Tracked, from_json
from collector.errors import SourceError
from collector.readings import Checkpoint, Coverage, Readings, Status, Window
from meterbook.wire.instants import SECOND_US

#: Most files that a checkpoint remembers, and how many of them may be gone; rotation rarely keeps more.
FILES_MAX, GONE_MAX = 32, 8

Beginning = Literal["oldest", "beginning", "end"]

#: Seconds before it is looked again the first time; twice as long before the next.
_PAUSE_S = 0.001

#: Of many faults of the files of a log so many are told.
_REASONS_MAX = 20


@dataclass(frozen=True)
class Followed:
    """Which file is followed, and as what. ``may_end`` says that it is no failure if it is not there any more."""

    path: str
    source: str
    start_at: Beginning
    may_end: bool = False


class LogfileCollector:
    """Follows one log file."""

    def __init__(self, config: LogfileConfig, followed: Followed | None = None) -> None:
        """``followed`` is one of the files of a pattern; the configured one if not given."""
        self._config = config
        self._what = followed or Followed(str(config.path), config.source, config.start_at)
        self._path = self._what.path
        self._handles = Handles()
        self._portions = Portions(config, self._what.source, self._path)
        #: Whether the file is gone, and the last collection has found nothing that was not stored before.
        self.is_over = False

    @property
    def source(self) -> str:
        """``logfile/<path>``, or the configured name."""
        return self._what.source

    @property
    def catches_up(self) -> bool:
        """A log is read on from where it was left, however long ago."""
        return True

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What was appended since ``checkpoint``."""
        self.is_over = False
        try:
            for number in range(LOOKS_MAX - 1):
                with suppress(RotatedMeanwhile):
                    return self._collect(window, checkpoint)
                # Whoever renames file after file is given time to finish.
                time.sleep(_PAUSE_S * 2**number)
            return self._collect(window, checkpoint, is_last=True)
        except SourceError as error:
            status, reason = error.status, str(error)
        except OSError as error:
            status, reason = "failed", f"{error.filename or self._path} cannot be read: {error.strerror or error}"
        # What was opened before it failed would be missing elsewhere.
        self._keep([from_json(document) for document in checkpoint.get("files", ())])
        coverage = Coverage(self.source, window.start_us, window.end_us, status, reason)
        return Readings(coverage=(coverage,), checkpoint=checkpoint)

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """What was written stays written."""

    def close(self) -> None:
        """Close the files."""
        self._handles.keep(())

    def _collect(self, window: Window, checkpoint: Checkpoint, *, is_last: bool = False) -> Readings:
        followed = [from_json(document) for document in checkpoint.get("files", ())]
        rules = Rules(_rests(window, self._config.packed_after_s), self._what.start_at == "oldest")
        found = plan(self._path, followed, self._handles, rules)
        if not checkpoint and self._what.start_at == "end":
            found.steps = [_at_end(step) for step in found.steps]
        taken = self._portions.begin(followed)
        read = [self._portions.read(step, taken, found) for step in found.steps]
        # Where files that look rotated come and go all the time, what was read is all that can be asked for.
        if not found.stays([self._path, *(step.path for step in found.steps if step.path)] if is_last else None):
            # One may have been taken for another, or a copy been missed of what was truncated meanwhile.
            raise RotatedMeanwhile(f"files were renamed, made or removed beside {self._path} while they were read")
        after = _bounded(read)
        # A collection may be repeated from its checkpoint: what that refers to stays open, too.
        self._keep([*followed, *after])
        status, reason = self._verdict(found)
        self.is_over = found.absent and status == "complete" and after == followed
        return Readings(
            coverage=(Coverage(self.source, window.start_us, window.end_us, status, reason),),
            events=taken.table(),
            dead_letters=tuple(taken.letters),
            checkpoint=self._checkpoint(after, checkpoint),
            more=taken.more,
        )

    def _keep(self, files: Sequence[Tracked]) -> None:
        """Let go of all but those of these files that are not read to their ends."""
        self._handles.keep({tracked.identity for tracked in files if not tracked.retired})

    def _checkpoint(self, after: Sequence[Tracked], before: Checkpoint) -> Checkpoint:
        """Empty until there was a file: but whoever starts at the end must know that a later file is a new one."""
        if not after and not before and self._what.start_at != "end":
            return before
        return {"files": [tracked.as_json() for tracked in after]}

    def _verdict(self, found: Plan) -> tuple[Status, str]:
        reasons = [*found.lost, *found.partial]
        absent = found.absent and not self._what.may_end
        if absent:
            reasons.append(f"{self._path} does not exist")
        told = "; ".join(reasons[:_REASONS_MAX])
        if len(reasons) > _REASONS_MAX:
            told += f"; and {len(reasons) - _REASONS_MAX} more"
        if found.lost:
            return "lost", told
        if found.partial:
            return "partial", told
        return ("failed", reasons[0]) if absent else ("complete", "")


def _rests(window: Window, after_s: float) -> Callable[[int], bool]:
    """Whether a time in nanoseconds is so long before the end of a window; one that is as long behind it is of another clock."""

    def rests(mtime_ns: int) -> bool:
        return abs(window.end_us - mtime_ns // 1_000) >= after_s * SECOND_US

    return rests


def _at_end(step: Step) -> Step:
    """A file to be read from its end on; the rest of a line that has begun there is skipped."""
    if step.content is None:
        return step
    size = step.content.size or 0
    inside_line = size > 0 and step.content.read(size - 1, 1) != b"\n"
    return replace(step, tracked=replace(step.tracked, offset=size, skipping=inside_line))


def _bounded(files: list[Tracked]) -> list[Tracked]:
    """The youngest files, few of them gone; of older ones only those that still have something to read."""
    gone = [tracked for tracked in files if tracked.gone]
    left = set(gone[: max(len(gone) - GONE_MAX, 0)])
    files = [tracked for tracked in files if tracked not in left]
    beyond = max(len(files) - FILES_MAX, 0)
    return [tracked for tracked in files[:beyond] if not tracked.retired] + files[beyond:]

"""One collection of a log file: every file of it that has something new, oldest first, within bounds.

Events come out in the order in which they were written, and the checkpoint says of each file how far it was read. The
same checkpoint gives the same events again as long as the files are there. A bound on bytes or lines that is reached
ends the collection early and asks for another one at once (``more``).

What can go wrong with a file is an answer: one coverage record over the window, whose status is the worst of what was
found, and whose reason tells all of it. Dead letters name the configured path and the byte at which the line begins
in its file; rotation changes names, but not what a replay has to repeat.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from collector.datastore.eventcolumns import EventReader
from collector.datastore.lines import cut
from collector.datastore.logfile.config import LogfileConfig
from collector.datastore.logfile.handles import Handles
from collector.datastore.logfile.rotation import Plan, Step, plan
from collector.datastore.logfile.tracked import FINGERPRINT_BYTES, Tracked, fingerprint, from_json
from collector.datastore.records import Records
from collector.errors import SourceError
from collector.readings import Checkpoint, Coverage, Readings, Status, Window

#: Most files that a checkpoint remembers; rotation rarely keeps more.
FILES_MAX = 32


@dataclass
class _Budget:
    """What one collection may still read."""

    bytes_left: int
    lines_left: int
    more: bool = False


class LogfileCollector:
    """Follows one log file."""

    def __init__(self, config: LogfileConfig) -> None:
        self._config = config
        self._path = str(config.path)
        self._handles = Handles()
        self._reader = EventReader(config.source, config.value_field)

    @property
    def source(self) -> str:
        """``logfile/<path>``, or the configured name."""
        return self._config.source

    @property
    def catches_up(self) -> bool:
        """A log is read on from where it was left, however long ago."""
        return True

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What was appended since ``checkpoint``."""
        try:
            return self._collect(window, checkpoint)
        except SourceError as error:
            status, reason = error.status, str(error)
        except OSError as error:
            status, reason = "failed", f"{self._path} cannot be read: {error.strerror or error}"
        coverage = Coverage(self.source, window.start_us, window.end_us, status, reason)
        return Readings(coverage=(coverage,), checkpoint=checkpoint)

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """What was written stays written."""

    def close(self) -> None:
        """Close the files."""
        self._handles.keep(())

    def _collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        followed = [from_json(document) for document in checkpoint.get("files", ())]
        found = plan(self._path, followed, self._handles)
        if not checkpoint and self._config.start_at == "end":
            found.steps = [_at_end(step) for step in found.steps]
        log = Records(self._reader)
        budget = _Budget(self._config.read_bytes_max, self._config.lines_max)
        read = [self._read(step, log, budget, found) for step in found.steps]
        after = _bounded([tracked for tracked in read if tracked is not None])
        # A collection may be repeated from its checkpoint: what that refers to stays open, too.
        self._handles.keep({tracked.identity for tracked in [*followed, *after] if not tracked.retired})
        status, reason = self._verdict(found)
        return Readings(
            coverage=(Coverage(self.source, window.start_us, window.end_us, status, reason),),
            events=log.table(),
            dead_letters=tuple(log.letters),
            checkpoint=self._checkpoint(after, checkpoint),
            more=budget.more,
        )

    def _checkpoint(self, after: Sequence[Tracked], before: Checkpoint) -> Checkpoint:
        """Empty until there was a file: but whoever starts at the end must know that a later file is a new one."""
        if not after and not before and self._config.start_at == "beginning":
            return before
        return {"files": [tracked.as_json() for tracked in after]}

    def _read(self, step: Step, log: Records, budget: _Budget, found: Plan) -> Tracked | None:
        """Read one file on; what to remember of it, None if it can never be found again."""
        tracked, descriptor = step.tracked, step.file.fileno()
        if budget.more:
            return tracked
        status = os.fstat(descriptor)
        chunk = _pread(descriptor, budget.bytes_left, tracked.offset)
        pieces = cut(
            chunk,
            tracked.offset,
            skipping=tracked.skipping,
            line_bytes_max=self._config.line_bytes_max,
            lines_max=budget.lines_left,
        )
        too_long = f"the line is longer than line_bytes_max {self._config.line_bytes_max}"
        log.add(
            chunk,
            pieces.starts,
            pieces.ends,
            lambda start: f"{self._path}:{tracked.offset + start}",
            {head.start: (head.text, too_long) for head in pieces.heads},
        )
        budget.more = len(chunk) == budget.bytes_left or pieces.lines == budget.lines_left
        budget.bytes_left -= len(chunk)
        budget.lines_left -= pieces.lines
        size = max(status.st_size, tracked.offset + len(chunk))
        at_end = pieces.offset == size
        if step.gone and not budget.more:
            if not at_end:
                found.lost.append(f"a file rotated from {self._path} was removed with an incomplete last line")
            return None
        head = min(size, FINGERPRINT_BYTES)
        return replace(
            tracked,
            offset=pieces.offset,
            skipping=pieces.skipping,
            fingerprint_bytes=head,
            fingerprint=fingerprint(step.file, head),
            size=size,
            mtime_ns=status.st_mtime_ns,
            retired=at_end and not step.live,
        )

    def _verdict(self, found: Plan) -> tuple[Status, str]:
        reasons = [*found.lost, *found.partial]
        if found.absent:
            reasons.append(f"{self._path} does not exist")
        if found.lost:
            return "lost", "; ".join(reasons)
        if found.partial:
            return "partial", "; ".join(reasons)
        return ("failed", reasons[0]) if found.absent else ("complete", "")


def _pread(descriptor: int, length: int, offset: int) -> bytes:
    """Up to ``length`` bytes from ``offset``; fewer only at the end of the file."""
    pieces = []
    while length > 0 and (piece := os.pread(descriptor, length, offset)):
        pieces.append(piece)
        length -= len(piece)
        offset += len(piece)
    return b"".join(pieces)


def _at_end(step: Step) -> Step:
    """A file to be read from its end on; the rest of a line that has begun there is skipped."""
    descriptor = step.file.fileno()
    size = os.fstat(descriptor).st_size
    inside_line = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    return replace(step, tracked=replace(step.tracked, offset=size, skipping=inside_line))


def _bounded(files: list[Tracked]) -> list[Tracked]:
    """The youngest files; of older ones only those that still have something to read."""
    beyond = max(len(files) - FILES_MAX, 0)
    return [tracked for tracked in files[:beyond] if not tracked.retired] + files[beyond:]

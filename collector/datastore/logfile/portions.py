"""What one collection takes of each file: complete lines from where it was read to, as events, and how far that is then.

A compressed file has no writer any more. What ends too early there is told as ``lost``, and a last line without an end is a dead letter; in a
file that is written it is waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from collector.datastore.lines import Cut, cut
from collector.datastore.logfile.config import LogfileConfig
from collector.datastore.logfile.contents import Content
from collector.datastore.logfile.handles import RotatedMeanwhile
from collector.datastore.logfile.places import HEAD_BYTES, key_of, names
from collector.datastore.logfile.readers import BadHeader, Readers
from collector.datastore.logfile.rotation import Plan, Step
from collector.datastore.logfile.tracked import TAIL_BYTES, Tracked, is_continued, seen
from collector.datastore.records import Records
from collector.readings import DeadLetter
from meterbook.wire.sections import EVENTS

#: Most bytes of a line without an end that a dead letter shows.
_SHOWN_BYTES = 4096


@dataclass
class Taken:
    """What one collection has taken, and what it may still take. ``ordinals`` has the last of each key (see ``places``)."""

    bytes_left: int
    lines_left: int
    ordinals: dict[str, int]
    more: bool = False
    tables: list[pa.Table] = field(default_factory=lambda: [EVENTS.empty_table()])
    letters: list[DeadLetter] = field(default_factory=list)

    def table(self) -> pa.Table:
        """The events in the order of their lines, with the schema ``EVENTS``."""
        return pa.concat_tables(self.tables)


class Portions:
    """Reads the files of one source on."""

    def __init__(self, config: LogfileConfig, source: str, path: str) -> None:
        self._config, self._source, self._path = config, source, path
        self._readers = Readers(source, config.mapping, config.value_field)
        self._is_by_place = config.mapping is not None and config.mapping.id is None

    def begin(self, followed: Sequence[Tracked]) -> Taken:
        """A collection that has taken nothing yet."""
        ordinals: dict[str, int] = {}
        for known in followed:
            if known.key:
                ordinals[known.key] = max(known.ordinal, ordinals.get(known.key, 0))
        return Taken(self._config.read_bytes_max, self._config.lines_max, ordinals)

    def read(self, step: Step, taken: Taken, found: Plan) -> Tracked:
        """Read one file on; what to remember of it. What is missing of it is told in the plan.

        Raises OSError, and RotatedMeanwhile where it was truncated while it was read.
        """
        tracked, content = step.tracked, step.content
        if content is None or taken.more:
            # One that is truncated before it is read for the first time must be missed: its copy may be left alone meanwhile.
            is_new = content is not None and tracked.is_fresh and not tracked.packed
            return seen(tracked, content, content.size or 0, tracked.mtime_ns) if content and is_new else tracked
        mtime_ns = content.status().st_mtime_ns
        try:
            begun = self._readers.begun(tracked, content)
        except BadHeader as error:
            return self._unusable(step, seen(tracked, content, content.size or 0, mtime_ns), str(error), found)
        # Without the whole header nothing can be read.
        chunk = content.read(begun.offset, taken.bytes_left) if begun is not None else b""
        tracked = begun or tracked
        pieces = cut(
            chunk,
            tracked.offset,
            skipping=tracked.skipping,
            line_bytes_max=self._config.line_bytes_max,
            lines_max=taken.lines_left,
        )
        tracked = self._called(tracked, content, taken)
        self._take(tracked, content, chunk, pieces, taken)
        taken.more = len(chunk) == taken.bytes_left or pieces.lines == taken.lines_left
        # What waits for its end is no progress: it would keep others from theirs for ever.
        taken.bytes_left -= pieces.offset - tracked.offset
        taken.lines_left -= pieces.lines
        began, size = tracked.offset, max(content.size or 0, tracked.offset + len(chunk))
        tracked = seen(replace(tracked, offset=pieces.offset, skipping=pieces.skipping), content, size, mtime_ns)
        if not taken.more and (step.gone or tracked.packed):
            return self._ended(step, tracked, content, taken, found)
        if not tracked.packed:
            _check_stays((step.tracked, tracked), content, began, chunk, self._path)
        return replace(tracked, retired=not taken.more and tracked.offset == size and not step.live)

    def _unusable(self, step: Step, tracked: Tracked, problem: str, found: Plan) -> Tracked:
        """A file whose header does not fit the mapping: another mapping may, as long as the file is there."""
        if step.gone:
            found.lost.append(f"a file rotated from {self._path} was removed before it was read: {problem}")
            return replace(tracked, retired=True, gone=True)
        found.partial.append(f"{step.path or self._path}: {problem}: nothing of it is read until the mapping fits it")
        return tracked

    def _called(self, tracked: Tracked, content: Content, taken: Taken) -> Tracked:
        """A file with what its lines are called by, as soon as that is known."""
        if not self._is_by_place or tracked.key:
            return tracked
        key = key_of(content.read(0, HEAD_BYTES), self._readers.has_header)
        if not key:
            return tracked
        ordinal = taken.ordinals[key] = taken.ordinals.get(key, -1) + 1
        return replace(tracked, key=key, ordinal=ordinal)

    def _take(self, tracked: Tracked, content: Content, chunk: bytes, pieces: Cut, taken: Taken) -> None:
        """Have the lines read."""
        if not pieces.lines:
            return
        head = content.read(0, HEAD_BYTES) if self._is_by_place else b""
        called = names(self._source, tracked.ordinal, head, tracked.offset, pieces.starts, pieces.ends)
        too_long = f"the line is longer than line_bytes_max {self._config.line_bytes_max}"
        records = Records(self._readers.reader(tracked, called))
        records.add(
            chunk,
            pieces.starts,
            pieces.ends,
            lambda start: f"{self._path}:{tracked.offset + start}",
            {head.start: (head.text, too_long) for head in pieces.heads},
        )
        taken.tables.append(records.table())
        taken.letters += records.letters

    def _ended(self, step: Step, tracked: Tracked, content: Content, taken: Taken, found: Plan) -> Tracked:
        """A file that nobody writes to any more, read to its end."""
        if content.damage and not step.rests:
            found.partial.append(
                f"{step.path}: {content.damage}: it was written just now, and is read on once it is whole"
            )
            return tracked
        if content.damage:
            found.lost.append(
                f"{step.path or self._path}: {content.damage}: "
                f"what stood in it after byte {tracked.size} unpacked cannot be read"
            )
        if tracked.offset != tracked.size and step.gone:
            found.lost.append(f"a file rotated from {self._path} was removed with an incomplete last line")
        elif tracked.offset != tracked.size and (rest := content.read(tracked.offset, _SHOWN_BYTES)).strip():
            document = rest.decode("utf-8", "replace")
            place = f"{self._path}:{tracked.offset}"
            taken.letters.append(DeadLetter(self._source, place, "the file ends within the line", document))
        at_end = replace(tracked, offset=tracked.size, skipping=False)
        # Read to its end, it has another tail.
        return replace(seen(at_end, content, tracked.size, tracked.mtime_ns), retired=True, gone=step.gone)


def _check_stays(known: Sequence[Tracked], content: Content, began: int, chunk: bytes, path: str) -> None:
    """Refuse what was read while the file was truncated.

    That can happen between any two looks at it: then what was read, and what the file would be known by, are of different contents, and
    neither its copy nor itself would be known again.
    """
    first, last = chunk[:TAIL_BYTES], chunk[-TAIL_BYTES:]
    stays = (
        content.read(began, len(first)) == first
        and content.read(began + len(chunk) - len(last), len(last)) == last
        and all(is_continued(each, content) for each in known)
    )
    if not stays:
        raise RotatedMeanwhile(f"{path} was truncated or rewritten while it was read")

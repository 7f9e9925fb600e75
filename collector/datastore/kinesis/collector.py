"""One collection of a shard: its records from where the last one stopped, within bounds, and what is known of the rest.

A shard that is a child waits until its parents are read to their ends, as its records came after theirs. A shard that is closed ends with
its last record; that the end is stored is seen by the next collection, which is asked for at once.

Records without an id of their own are known by the sequence number of their record and the number of their line in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from collector.datastore.kinesis.config import KinesisConfig
from collector.datastore.kinesis.coverage import Reached, told
from collector.datastore.kinesis.cursor import Cursor
from collector.datastore.kinesis.lineage import Lineage
from collector.datastore.kinesis.lines import Lines
from collector.datastore.kinesis.pace import Pace
from collector.datastore.kinesis.payloads import pieces
from collector.datastore.kinesis.position import Position, beginning, from_json
from collector.datastore.kinesis.shards import Shard
from collector.datastore.kinesis.stream import ShardGone, Stream
from collector.datastore.layouts import Places
from collector.datastore.records import RecordReader, Records
from collector.definitions import Known
from collector.errors import SourceError
from collector.readings import Checkpoint, Readings, Window, sample_table
from meterbook.wire import instants
from meterbook.wire.instants import HOUR_US, SECOND_US
from meterbook.wire.series import Series, canonical_json

_ANOTHER = "the stream was made anew under the same name: what was not read of the one before is lost"
_EXPIRED = "the shard is beyond the stream's retention: what was not read of it is lost"


#: Makes what reads the records of a source, given its name, and what gives for the starts of lines in the block that is being read how
#: they are found again (utf8): that is the identity of those that have none of their own.
MakeReader = Callable[[str, Callable[[Places], pa.Array]], RecordReader]


@dataclass
class _Run:
    """What one collection got: how far, what from, and what stopped it."""

    position: Position
    lines: Lines
    behind_us: int | None = None
    error: SourceError | None = None


class ShardCollector:
    """Reads one shard."""

    def __init__(
        self,
        config: KinesisConfig,
        shard_id: str,
        stream: Stream,
        lineage: Lineage,
        reader: MakeReader,
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        self.source = f"{config.source}/{shard_id}"
        self._config, self._shard_id = config, shard_id
        self._lineage = lineage
        self._lines = Lines(self.source, config.line_bytes_max)
        self._reader = reader(self.source, lambda starts: self._lines.names(starts))
        self._pace, self._clock = pace, clock
        self._cursor = Cursor(stream, pace, config.retention_h * HOUR_US)
        attributes = canonical_json({"stream": config.stream_name, "shard": shard_id})
        self._behind = Series(self.source, "kinesis_behind_seconds", "gauge", "seconds", "{}", attributes)

    @property
    def catches_up(self) -> bool:
        """A shard is read on from where it was left; what has expired meanwhile is told as lost."""
        return True

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """See :class:`collector.base.Collector`."""
        shard = self._lineage.shard(self._shard_id)
        position = from_json(checkpoint) if checkpoint else None
        if shard is None or (position is not None and position.ended and position.first == shard.first):
            if shard is not None:
                self._lineage.end(shard.key)
            return self._idle(window, Reached(window.start_us, window.end_us), checkpoint)
        if position is None:
            position = beginning(shard)
        elif position.first != shard.first:
            lost_until_us = None if position.ended else window.end_us
            reached = Reached(position.read_to_us, window.end_us, lost_until_us, _ANOTHER)
            return replace(self._idle(window, reached, beginning(shard).as_json()), more=True)
        awaited = self._lineage.awaited(shard)
        if awaited:
            reason = f"{self.source} waits until {' and '.join(awaited)} is read to its end"
            return self._idle(window, Reached(window.start_us, reason=reason), checkpoint)
        return self._readings(window, checkpoint, shard, position, self._read(window, shard, position))

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """A shard leaves when it has been read to its end: there is no more to say."""

    def close(self) -> None:
        """The stream is closed by whoever opened it."""

    def _idle(self, window: Window, reached: Reached, checkpoint: Checkpoint) -> Readings:
        return Readings(told(self.source, window, reached), checkpoint=checkpoint)

    def _read(self, window: Window, shard: Shard, position: Position) -> _Run:
        """Read on until the end of the window is reached, or a bound is."""
        config, cursor = self._config, self._cursor
        began_s = self._clock()
        run = _Run(position, Lines(self.source, config.line_bytes_max))
        cursor.stand_at(shard, position)
        try:
            while run.lines.count < config.lines_max and run.lines.size_bytes < config.read_bytes_max:
                elapsed_s = self._clock() - began_s
                if cursor.records:
                    self._take(run, shard)
                elif self._is_enough(run, window, elapsed_s):
                    break
                else:
                    run.behind_us = cursor.fetch(shard, run.position, window.end_us, int(elapsed_s * SECOND_US))
        except SourceError as error:
            run.error = error
        return run

    def _take(self, run: _Run, shard: Shard) -> None:
        record = self._cursor.records[0]
        texts = pieces(record.data, shard.hash_first, shard.hash_last, self._config.record_bytes_max)
        skip = run.position.lines if record.sequence == run.position.sequence else 0
        taken = run.lines.take(record.sequence, texts, skip, self._config.lines_max - run.lines.count)
        lines = 0 if taken.is_whole else skip + taken.lines
        run.position = replace(run.position, sequence=record.sequence, lines=lines)
        self._cursor.use(shard, run.position)

    def _is_enough(self, run: _Run, window: Window, elapsed_s: float) -> bool:
        """Whether nothing more is to be asked for: each collection asks once at least, to see that the shard is there."""
        if self._cursor.is_over or run.behind_us is None:
            return self._cursor.is_over
        return self._is_caught_up(window) or elapsed_s + self._pace.wait_s > self._config.deadline_s

    def _is_caught_up(self, window: Window) -> bool:
        reached_us = self._cursor.reached_us
        return not self._cursor.records and reached_us is not None and reached_us >= window.end_us

    def _readings(self, window: Window, checkpoint: Checkpoint, shard: Shard, before: Position, run: _Run) -> Readings:
        cursor = self._cursor
        has_progress = run.behind_us is not None or run.position != before
        reached_us = cursor.reached_us if has_progress and not cursor.records else None
        lost_until_us, lost = cursor.lost_until_us, self._lost(before, cursor.lost_until_us)
        is_gone = isinstance(run.error, ShardGone) and not self._lineage.is_listed(shard.shard_id)
        if is_gone:
            kept_from_us = cursor.kept_from_us(window.end_us)
            lost_until_us = kept_from_us if kept_from_us > before.read_to_us else window.end_us
            lost, run.error = f"{self.source}: {_EXPIRED}", None
        is_over = is_gone or (run.error is None and cursor.is_over and not cursor.records)
        if is_over:
            reached_us = window.end_us
        more = run.error is None and (is_over or not self._is_caught_up(window))
        status = run.error.status if run.error is not None else "partial"
        reason = str(run.error) if run.error is not None else f"{self.source} is behind and is read on at once"
        reached = Reached(before.read_to_us, reached_us, lost_until_us, lost, status, reason, more)
        known_us = [min(each, window.end_us) for each in (lost_until_us, reached_us) if each is not None]
        after = replace(run.position, read_to_us=max(before.read_to_us, *known_us, 0), ended=is_over)
        found = Readings(
            told(self.source, window, reached),
            checkpoint=after.as_json() if has_progress or is_gone else checkpoint,
            more=more,
        )
        return self._with_content(found, window, run)

    def _with_content(self, found: Readings, window: Window, run: _Run) -> Readings:
        """The readings with the events that the lines are, and with how far behind the shard is read."""
        if run.lines.count:
            records = Records(self._reader)
            self._lines = run.lines
            run.lines.read_into(records)
            self._lines = Lines(self.source, self._config.line_bytes_max)
            found = replace(found, events=records.table(), dead_letters=tuple(records.letters))
        if run.behind_us is None:
            return found
        samples = sample_table([self._behind.series_id], [window.end_us], [run.behind_us / SECOND_US])
        return replace(found, series=Known.by([self._behind]), samples=samples)

    def _lost(self, before: Position, until_us: int | None) -> str:
        if until_us is None:
            return ""
        span = [instants.to_datetime(each).isoformat() for each in (before.read_to_us, until_us)]
        return f"{self.source}: what arrived after {span[0]} and before {span[1]} is beyond the stream's retention, and lost"

"""Getting the records of a shard: where the last answer stopped, or anew from a position.

An answer that was not used up stays here, at most 10 MiB of it, and so does the iterator for what comes behind it. Both belong to the
place at which they stand: whoever comes back with an older position is served anew from there, and gets the same records again.

What is older than the stream's retention is gone without a word: a place that is gone counts as the oldest record there is, also for an
iterator. So whoever is that far behind goes on at the record that was read last, each time. If it is still there, or one that had
arrived before the time that was read, nothing is missing; otherwise what had arrived between may be lost, up to what the stream still
keeps (Kinesis developer guide, "Change the data retention period").
"""

from __future__ import annotations

from collections import deque

from collector.datastore.kinesis.pace import Pace
from collector.datastore.kinesis.position import Position
from collector.datastore.kinesis.shards import Shard
from collector.datastore.kinesis.stream import OLDEST, Answer, IteratorExpired, PlaceRefused, Record, Stream
from collector.errors import PermanentError
from meterbook.wire.instants import SECOND_US

#: Iterators that may expire one after the other before it is left to the next collection.
_RENEWALS_MAX = 2
#: How much earlier records may expire than they seem to: clocks differ, and times of arrival are approximate.
_MARGIN_US = 60 * SECOND_US


class Cursor:
    """Reads one shard."""

    def __init__(self, stream: Stream, pace: Pace, retention_us: int) -> None:
        self._stream, self._pace, self._old_us = stream, pace, retention_us - _MARGIN_US
        self._key: tuple[str, str, int] | None = None
        self._iterator: str | None = None
        #: Whether it is to be seen if something is missing, and whether the place was refused, whatever the stream keeps.
        self._to_verify, self._is_refused = False, False
        #: When the last record that was used had arrived, and whether the last answer had any.
        self._arrived_us, self._has_moved = 0, False
        #: Records that were fetched and not used.
        self.records: deque[Record] = deque()
        #: Until when everything has been fetched, on the clock of the windows; None before the first answer.
        self.reached_us: int | None = None
        #: Whether the shard is closed and nothing comes behind ``records``.
        self.is_over = False
        #: Until when records may be missing that had not been read; None where none are, or that is told and stored.
        self.lost_until_us: int | None = None

    def stand_at(self, shard: Shard, position: Position) -> None:
        """Go on from a position, wherever the cursor stands now."""
        key = (shard.first, *position.key)
        if key == self._key:
            if self.lost_until_us is not None and position.read_to_us >= self.lost_until_us:
                self.lost_until_us = None
            return
        self._key, self._iterator, self.reached_us, self.is_over = key, None, None, False
        self.lost_until_us = None
        self._arrived_us, self._has_moved = 0, False
        self.records.clear()

    def fetch(self, shard: Shard, position: Position, end_us: int, elapsed_us: int) -> int:
        """Get what comes next; gives how many microseconds behind the newest record that is. Raises SourceError.

        It is ``elapsed_us`` after the end of the window, or later.
        """
        is_old = max(position.read_to_us, self._arrived_us) <= self.kept_from_us(end_us)
        if is_old and self._has_moved:
            self._iterator = None
        try:
            answer = self._asked(shard, position, is_old=is_old)
        except PermanentError:
            # It may have been the iterator: another one is asked for.
            self._iterator = None
            raise
        self._iterator, self.is_over = answer.iterator, answer.iterator is None
        self._has_moved = bool(answer.records)
        self.reached_us = end_us + elapsed_us - answer.behind_us
        if self._to_verify:
            self._verify(answer, position, end_us)
        self.records.extend(record for record in answer.records if not position.has_read(record.sequence))
        return answer.behind_us

    def kept_from_us(self, end_us: int) -> int:
        """A time from which on the stream keeps everything at the end of a window."""
        return end_us - self._old_us

    def use(self, shard: Shard, position: Position) -> None:
        """The first record was read as far as the position says."""
        self._key = (shard.first, *position.key)
        self._arrived_us = max(self._arrived_us, self.records[0].arrival_us)
        if not position.lines:
            self.records.popleft()

    def _asked(self, shard: Shard, position: Position, *, is_old: bool) -> Answer:
        for _ in range(_RENEWALS_MAX):
            if self._iterator is None:
                self._iterator = self._begun(shard, position, is_old=is_old)
            self._pace.wait()
            try:
                answer = self._stream.records(shard.shard_id, self._iterator)
            except IteratorExpired:
                self._iterator = None
                continue
            self._pace.took(sum(len(record.data) for record in answer.records))
            return answer
        raise IteratorExpired(f"{shard.shard_id}: iterators expire as soon as they are given")

    def _begun(self, shard: Shard, position: Position, *, is_old: bool) -> str:
        self._to_verify, self._is_refused = is_old, False
        self._pace.wait()
        try:
            return self._stream.iterator(shard.shard_id, position.place(shard, verified=self._to_verify))
        except PlaceRefused:
            if not position.sequence:
                raise
        # The record is not known there any more.
        self._to_verify = self._is_refused = True
        self._pace.wait()
        return self._stream.iterator(shard.shard_id, OLDEST)

    def _verify(self, answer: Answer, position: Position, end_us: int) -> None:
        """See whether something between the position and the first answer is missing."""
        self._to_verify = False
        if answer.records and answer.records[0].sequence == position.sequence:
            return
        oldest_us = answer.records[0].arrival_us if answer.records else end_us - answer.behind_us
        if oldest_us > position.read_to_us:
            # What was refused is not bound to what the stream keeps: it may be another stream.
            self.lost_until_us = oldest_us if self._is_refused else min(oldest_us, self.kept_from_us(end_us))

"""One collection of a prefix: what the objects say that were not read before, within bounds.

A walk over the keys says which objects are next (``walk``). As many as there are readers are read at once (``turns``); the checkpoint
says how far the walk and each object got. A bound on bytes that is reached ends the collection early and asks for another at once.

What can go wrong is an answer: one coverage record over the window, whose status is the worst of what was found. An object that cannot
be read just now waits, and is tried again with every walk; one that can never be read is told of once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from threading import Event
from typing import Any

import pyarrow as pa

from collector.datastore.eventcolumns import EventReader
from collector.datastore.inflate import plain
from collector.datastore.mapping.formats import ParquetRecords
from collector.datastore.parsing import EventParsing, MappedParsing, Parsing
from collector.datastore.s3 import batch, content, found, rows, walk
from collector.datastore.s3.bucket import Bucket, NotThere, Page
from collector.datastore.s3.config import S3Config
from collector.datastore.s3.content import Content, Cuts, Portion, Position
from collector.datastore.s3.found import ARCHIVED, Found
from collector.datastore.s3.turns import Late, Reading, Turns
from collector.errors import PermanentError, SourceError, ThrottledError, TransientError, WriteRefused
from collector.readings import Checkpoint, Coverage, DeadLetter, Readings, Status, Window
from meterbook.wire import instants
from meterbook.wire.sections import EVENTS

_log = logging.getLogger(__name__)
#: From the least to the worst.
_STATUSES: tuple[Status, ...] = ("complete", "partial", "throttled", "failed", "lost")


@dataclass
class _Tally:
    """What one collection has found."""

    tables: list[pa.Table] = field(default_factory=lambda: [EVENTS.empty_table()])
    letters: list[DeadLetter] = field(default_factory=list)
    bytes: int = 0
    records: int = 0
    keys: int = 0
    status: Status = "complete"
    reasons: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was read."""
        return len(self.tables) == 1

    def add(self, portion: Portion) -> None:
        self.tables.append(portion.events)
        self.letters += portion.letters
        self.bytes += portion.bytes
        self.records += portion.events.num_rows + len(portion.letters)

    def fault(self, status: Status, reason: str) -> None:
        self.status = max(self.status, status, key=_STATUSES.index)
        self.reasons.append(reason)


class S3Collector:
    """Reads the objects below one prefix."""

    def __init__(self, config: S3Config, bucket: Bucket | None = None) -> None:
        """``bucket`` is who asks S3; one made from the configuration if not given."""
        self._config = config
        self._bucket = bucket or Bucket(config)
        self._cuts = Cuts(config.block_bytes, config.line_bytes_max)
        self._pace = walk.pace_of(config.overlap_s, config.multipart_s, config.sweep_interval_s, config.sweep_keys_max)
        self._turns = Turns(self._portions, config.readers, config.patience_s)
        self._walks = walk.from_json({}, self._pace)
        self._listed: Iterator[Found] | None = None
        #: Whether a list was under way where a checkpoint was taken.
        self._was_listed = False
        #: Until when no walk begins, nor goes on after a list that failed, while there is something to read.
        self._rests_until_us = 0
        self._has_more = False
        #: Behind what the collector stands; None where that is not known.
        self._stands: Checkpoint | None = {}

    @property
    def source(self) -> str:
        """``s3/<bucket>/<prefix>``, or the configured name."""
        return self._config.source

    @property
    def catches_up(self) -> bool:
        """Objects are read whenever they are found."""
        return True

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What the objects say that come next behind ``checkpoint``."""
        if checkpoint != self._stands:
            self._go_back(checkpoint)
        self._stands = None
        tally = _Tally()
        self._walk_on(window, tally)
        if tally.reasons and not self._turns.readings:
            coverage = Coverage(self.source, window.start_us, window.end_us, tally.status, _told(tally.reasons))
            return Readings(coverage=(coverage,), checkpoint=checkpoint)
        self._read(tally)
        for reading in self._turns.waiting:
            tally.fault(*self._told_fault(reading))
        coverage = Coverage(self.source, window.start_us, window.end_us, tally.status, _told(tally.reasons))
        self._has_more = bool(self._turns.active) or (self._listed is not None and not self._is_blocked)
        self._stands = self._checkpoint()
        return Readings(
            coverage=(coverage,),
            events=pa.concat_tables(tally.tables),
            dead_letters=tuple(tally.letters),
            checkpoint=self._stands,
            more=self._has_more,
        )

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """What was written stays written."""

    def close(self) -> None:
        """Let go of threads and connections."""
        self._turns.close()
        self._bucket.close()

    @property
    def _is_blocked(self) -> bool:
        return len(self._turns.waiting) >= self._config.waiting_max

    def _go_back(self, checkpoint: Checkpoint) -> None:
        """To where a checkpoint was: after a start, and where something could not be stored."""
        self._turns.clear()
        self._listed = None
        self._has_more, self._was_listed = checkpoint.get("more", False), checkpoint.get("listed", False)
        self._rests_until_us = checkpoint.get("rests", 0)
        self._walks = walk.from_json(checkpoint.get("walks", {}), self._pace)
        if checkpoint and checkpoint["chosen"] != [self._config.prefix, self._config.suffix]:
            # What was passed over then may be wanted now.
            self._walks.swept_us = 0
        for document in checkpoint.get("open", ()):
            self._turns.begin(found.from_json(document), content.from_json(document), _fault_of(document))
        self._turns.turn = checkpoint.get("turn", 0)

    def _checkpoint(self) -> dict[str, Any]:
        readings = []
        for each in self._turns.readings:
            fault = {"fault": list(self._told_fault(each))} if each.fault is not None else {}
            readings.append({**each.found.as_json(), **each.at.as_json(), **fault})
        return {
            "walks": self._walks.as_json(),
            "open": readings,
            "turn": self._turns.turn,
            "chosen": [self._config.prefix, self._config.suffix],
            "more": self._has_more,
            "listed": self._listed is not None,
            "rests": self._rests_until_us,
        }

    def _walk_on(self, window: Window, tally: _Tally) -> None:
        """Begin the next walk if it is time, or go on with the one under way."""
        rests = self._has_more and window.end_us < self._rests_until_us
        if not rests:
            self._rests_until_us = window.end_us + round(self._config.interval_s * instants.SECOND_US / 2)
            self._turns.retry()
        was_listed, self._was_listed = self._was_listed, False
        if self._listed is not None or (rests and not was_listed):
            return
        try:
            if self._walks.is_under_way:
                self._listed = _objects(self._bucket.pages(self._walks.after))
            else:
                self._begin_walk(window)
        except SourceError as error:
            tally.fault(error.status, str(error))

    def _begin_walk(self, window: Window) -> None:
        after = self._walks.plan(window.end_us)
        pages = self._bucket.pages(after)
        first = next(pages)
        since = self._config.since
        # Whichever clock is behind: what comes before it is there to be listed.
        now_us = min(first.told_us, window.end_us)
        since_us = instants.from_datetime(since) if since else now_us if self._config.start_at == "end" else 0
        self._walks.begin(after, now_us, since_us)
        self._listed = _objects(chain((first,), pages))

    def _read(self, tally: _Tally) -> None:
        """Read until there is enough, or nothing left."""
        while tally.bytes < self._config.read_bytes_max and tally.records < self._config.records_max:
            try:
                self._fill(tally)
            except SourceError as error:
                # It goes on behind the last key with the next tick.
                self._listed = None
                tally.fault(error.status if tally.is_empty else "partial", str(error))
            if not self._turns.active:
                return
            reading, portion = self._turns.take()
            if portion is None:
                if isinstance(reading.fault, Late):
                    # What comes next depends on time: it is the next collection's, whose checkpoint says who is late.
                    return
                self._refused(reading, tally)
                continue
            tally.add(portion)
            if portion.damage:
                tally.fault("partial", f"{self._bucket.place(reading.found)}: {portion.damage}")

    def _fill(self, tally: _Tally) -> None:
        """Begin objects while there are readers for them. Raises SourceError."""
        while self._listed is not None and self._turns.has_room and not self._is_blocked:
            if tally.keys == self._config.keys_max:
                return
            tally.keys += 1
            each = next(self._listed, None)
            if each is None:
                self._walks.end()
                self._listed = None
            elif self._walks.take(each, each.bytes > 0 and each.key.endswith(self._config.suffix)):
                if each.storage in ARCHIVED:
                    place = self._bucket.place(each)
                    tally.fault(
                        "lost", f"{place}: it is in an archive; what is restored and copied to another key is read"
                    )
                else:
                    self._turns.begin(each)

    def _refused(self, reading: Reading, tally: _Tally) -> None:
        error = reading.fault
        if isinstance(error, NotThere):
            self._turns.drop(reading)
            tally.fault("lost", str(error))
        elif isinstance(error, WriteRefused):
            raise error
        elif not isinstance(error, SourceError):
            _log.error("%s cannot be read: %r", self._bucket.place(reading.found), error, exc_info=error)
            reading.fault = PermanentError(
                f"{self._bucket.place(reading.found)}: {type(error).__name__}: {error}"[:300]
            )

    def _told_fault(self, reading: Reading) -> tuple[Status, str]:
        error = reading.fault
        assert isinstance(error, SourceError)
        place = f"{self._bucket.place(reading.found)}: " if isinstance(error, Late) else ""
        return "throttled" if error.status == "throttled" else "partial", f"{place}{error}"

    def _portions(self, each: Found, at: Position, dropped: Event) -> Iterator[Portion]:
        mapping, name = self._config.mapping, f"{self._config.bucket}/{each.key}@{each.etag}"
        if mapping is not None and isinstance(mapping.records, ParquetRecords):
            file = rows.ObjectFile(self._bucket, each, dropped)
            return rows.portions(file, self._bucket.place(each), self.source, mapping, name, at)
        if self._config.cloudevents == "batch":
            reader = EventReader(self.source, self._config.value_field)
            inflated = plain(self._bucket.read(each, dropped))
            return batch.portions(inflated, reader, self._bucket.place(each), self._config.batch_bytes_max)
        parsing: Parsing = EventParsing(self.source, self._config.value_field)
        if mapping is not None:
            parsing = MappedParsing(self.source, mapping, name)
        read = Content(parsing, self.source, self._bucket.place(each), self._cuts)
        return read.portions(plain(self._bucket.read(each, dropped)), at)


def _objects(pages: Iterator[Page]) -> Iterator[Found]:
    for page in pages:
        yield from page.objects


def _fault_of(document: Mapping[str, Any]) -> SourceError | None:
    """Why an object in the checkpoint could not be read on; None where it was read."""
    if "fault" not in document:
        return None
    status, reason = document["fault"]
    return ThrottledError(reason) if status == "throttled" else TransientError(reason)


def _told(reasons: list[str]) -> str:
    """The reasons in one sentence; of many the first few."""
    few = "; ".join(reasons[:3])
    return few if len(reasons) <= 3 else f"{few}; and {len(reasons) - 3} more"

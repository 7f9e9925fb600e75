"""The stream as a source of its own: which shards it has, and whether all of them are known.

Its checkpoint is the book of the shards (see ``shards``). A shard is read only once the book that has it is stored, so that whatever
happens between, nobody has to guess where its reading began. Children are found here, by the list, which tells the same of them as the
last answer of their parents does.
"""

from __future__ import annotations

from collector.datastore.kinesis.config import KinesisConfig
from collector.datastore.kinesis.lineage import Lineage
from collector.datastore.kinesis.shards import followed, from_json
from collector.datastore.kinesis.stream import Stream
from collector.errors import SourceError
from collector.readings import Checkpoint, Coverage, Readings, Window
from meterbook.wire import instants


class ListingCollector:
    """Lists the shards of one stream."""

    def __init__(self, config: KinesisConfig, stream: Stream, lineage: Lineage) -> None:
        self.source = config.source
        self._stream, self._lineage = stream, lineage
        self._start_at = config.start_at

    @property
    def catches_up(self) -> bool:
        """What the list does not show any more, the sources of the shards miss and tell of."""
        return True

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """Look for shards that have come or gone."""
        stored = from_json(checkpoint) if checkpoint else None
        if stored is not None:
            self._lineage.adopt(stored)
        ended = self._lineage.ended
        try:
            listed = self._stream.shards()
        except SourceError as error:
            failed = Coverage(self.source, window.start_us, window.end_us, error.status, str(error))
            return Readings((failed,), checkpoint=checkpoint)
        self._lineage.show([each.shard_id for each in listed])
        start_at = self._start_at if isinstance(self._start_at, str) else instants.from_datetime(self._start_at)
        shards = followed(stored, listed, ended, window, start_at)
        complete = Coverage(self.source, window.start_us, window.end_us, "complete")
        return Readings((complete,), checkpoint=shards.as_json(), more=shards.missing_in(stored))

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """Nothing was said that would have to end."""

    def close(self) -> None:
        """The stream is closed by whoever opened it."""

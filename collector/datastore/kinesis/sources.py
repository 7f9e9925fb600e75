"""The sources of a stream: the stream itself, and each of its shards that is not read to its end.

A shard that was read to its end leaves as soon as that is stored with the stream; nothing of it is needed any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from collector.base import Collector
from collector.datastore.kinesis.collector import MakeReader, ShardCollector
from collector.datastore.kinesis.config import KinesisConfig
from collector.datastore.kinesis.lineage import Lineage
from collector.datastore.kinesis.listing import ListingCollector
from collector.datastore.kinesis.pace import Pace
from collector.datastore.kinesis.stream import Stream


class KinesisSources:
    """The sources of one stream. ``current`` gives the same collectors again for as long as their shards are to be read."""

    def __init__(
        self,
        config: KinesisConfig,
        reader: MakeReader,
        *,
        stream: Stream | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """``reader`` makes what reads the records of a shard; ``stream`` is asked, if not a new one; ``clock`` and ``sleep`` are in seconds."""
        self._config, self._reader = config, reader
        self._clock, self._sleep = clock, sleep
        self._stream = stream if stream is not None else Stream(config)
        self._lineage = Lineage()
        self._listing = ListingCollector(config, self._stream, self._lineage)
        self._shards: dict[str, ShardCollector] = {}

    def current(self) -> Sequence[Collector]:
        """The sources that there are now; those of shards once it is stored that they are followed."""
        names = [shard.shard_id for shard in self._lineage.unread()]
        self._shards = {name: self._shards.get(name) or self._made(name) for name in names}
        return [self._listing, *self._shards.values()]

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()

    def _made(self, shard_id: str) -> ShardCollector:
        config = self._config
        pace = Pace(config.request_pause_s, config.bytes_per_s_max, self._clock, self._sleep)
        return ShardCollector(config, shard_id, self._stream, self._lineage, self._reader, pace, self._clock)

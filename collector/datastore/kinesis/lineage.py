"""What the sources of one stream tell each other: which shards are followed, and which have been read to their ends.

Only what is stored counts. The stream's source enters the shards of its checkpoint, and a shard's source says that it has ended when it
finds so in its own: what a collection gave out and nobody stored is given again, and so a child begins only where its parents will never
be read again. That the end is stored is told twice, by the shard and then by the stream, so that the shard can be forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Set

from collector.datastore.kinesis.shards import Key, Shard, Shards


class Lineage:
    """Shared by the sources of one stream, whose lanes run side by side."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stored: Shards | None = None
        self._listed: Set[str] | None = None
        self._ended: set[Key] = set()

    def adopt(self, stored: Shards) -> None:
        """These shards are followed, and this is stored."""
        with self._lock:
            self._stored = stored
            self._ended &= {shard.key for shard in stored.by_id.values()}

    def show(self, shard_ids: Collection[str]) -> None:
        """These shards were listed just now."""
        with self._lock:
            self._listed = frozenset(shard_ids)

    def end(self, key: Key) -> None:
        """A shard has been read to its end, and this is stored."""
        with self._lock:
            self._ended.add(key)

    @property
    def ended(self) -> Set[Key]:
        """Those that have said so."""
        with self._lock:
            return frozenset(self._ended)

    def unread(self) -> list[Shard]:
        """The shards that are to be read, in the order of their ids."""
        with self._lock:
            shards = [] if self._stored is None else self._stored.by_id.values()
            return sorted((shard for shard in shards if not shard.is_read), key=lambda shard: shard.shard_id)

    def shard(self, shard_id: str) -> Shard | None:
        """A shard that is followed."""
        with self._lock:
            return None if self._stored is None else self._stored.by_id.get(shard_id)

    def is_listed(self, shard_id: str) -> bool:
        """Whether the last listing showed a shard, or there was none yet."""
        with self._lock:
            return self._listed is None or shard_id in self._listed

    def awaited(self, shard: Shard) -> list[str]:
        """The parents of a shard that are not read to their ends. One that is not followed is past: it had expired at first sight, or was read."""
        with self._lock:
            known = {} if self._stored is None else self._stored.by_id
            parents = [known[parent] for parent in shard.parents if parent in known]
            return [each.shard_id for each in parents if not each.is_read and each.key not in self._ended]

"""Which shards of a stream are followed, and since when: what the stream's own source remembers.

A shard alone cannot know where to begin. One that was there at first sight begins where the configuration says; one that came later
begins with its first record, since all of it is new. So each is entered once, when it is first listed, with where its reading begins and
with a time before which nothing can have arrived in it that would have to be read: for a later one, that of the listing that did not
show it yet.

A shard is kept for as long as it is listed, and longer if it has not been read to its end: whoever expected it to be read must hear what
is lost. A shard whose starting sequence number is another one is another shard: the stream was made anew under the same name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from collector.datastore.kinesis.stream import Listed
from collector.readings import Checkpoint, Window

#: A shard by its id and its starting sequence number.
Key = tuple[str, str]


@dataclass(frozen=True)
class Shard:
    """A shard that is followed.

    Reading begins at ``begin_us``, or at the oldest record if None; nothing that had to be read arrived before ``since_us``. ``is_read``
    says that it was read to its end, and that this is stored.
    """

    shard_id: str
    parents: tuple[str, ...]
    first: str
    hash_first: int
    hash_last: int
    since_us: int
    begin_us: int | None = None
    is_read: bool = False

    @property
    def key(self) -> Key:
        """Tells it from another shard that has its id."""
        return self.shard_id, self.first


@dataclass(frozen=True)
class Shards:
    """The shards that are followed, by their ids, as of a listing that began after ``listed_us``."""

    listed_us: int
    by_id: Mapping[str, Shard]

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint. Hash keys have 128 bits, more than numbers of JSON are sure to have."""
        rows = [asdict(shard) for shard in self.by_id.values()]
        for row in rows:
            row |= {"hash_first": str(row["hash_first"]), "hash_last": str(row["hash_last"])}
        return {"listed_us": self.listed_us, "shards": rows}

    def missing_in(self, other: Shards | None) -> bool:
        """Whether another does not have all of these."""
        known = set[Key]() if other is None else {shard.key for shard in other.by_id.values()}
        return any(shard.key not in known for shard in self.by_id.values())


def from_json(document: Checkpoint) -> Shards:
    """Back from the checkpoint."""
    shards = [
        Shard(
            **{
                **row,
                "parents": tuple(row["parents"]),
                "hash_first": int(row["hash_first"]),
                "hash_last": int(row["hash_last"]),
            }
        )
        for row in document["shards"]
    ]
    return Shards(document["listed_us"], {shard.shard_id: shard for shard in shards})


def followed(
    before: Shards | None,
    listed: Sequence[Listed],
    read: Collection[Key],
    window: Window,
    start_at: int | Literal["trim_horizon", "latest"],
) -> Shards:
    """The shards to follow after a listing in ``window``; ``before`` are those followed so far, ``read`` those read to their ends since."""
    if before is None:
        begin_us = None if start_at == "trim_horizon" else window.start_us if start_at == "latest" else start_at
        since_us = window.start_us if begin_us is None else min(begin_us, window.start_us)
        first = {each.shard_id: _entered(each, since_us, begin_us) for each in listed}
        return Shards(window.start_us, first)
    kept: dict[str, Shard] = {}
    for each in listed:
        known = before.by_id.get(each.shard_id)
        is_known = known is not None and known.first == each.first
        kept[each.shard_id] = known if known is not None and is_known else _entered(each, before.listed_us, None)
    unlisted = {shard_id: shard for shard_id, shard in before.by_id.items() if shard_id not in kept}
    after = {
        shard_id: replace(shard, is_read=shard.is_read or shard.key in read)
        for shard_id, shard in {**unlisted, **kept}.items()
    }
    gone = {shard_id for shard_id in unlisted if after[shard_id].is_read}
    listed_us = max(before.listed_us, window.start_us)
    return Shards(listed_us, {shard_id: shard for shard_id, shard in after.items() if shard_id not in gone})


def _entered(each: Listed, since_us: int, begin_us: int | None) -> Shard:
    return Shard(each.shard_id, each.parents, each.first, each.hash_first, each.hash_last, since_us, begin_us)

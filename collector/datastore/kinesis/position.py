"""How far a shard was read: the checkpoint of its source."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from collector.datastore.kinesis.shards import Shard
from collector.datastore.kinesis.stream import Place
from collector.readings import Checkpoint, remembered


@dataclass(frozen=True)
class Position:
    """A place in a shard.

    ``first`` is the shard's starting sequence number, which tells it from one of the same id; ``sequence`` that of the last record that was
    read, empty before the first; ``lines`` how many of its lines were, 0 for all. What had arrived until ``read_to_us`` has been read.
    """

    first: str
    read_to_us: int
    sequence: str = ""
    lines: int = 0
    ended: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """What decides which record is next."""
        return self.sequence, self.lines

    def place(self, shard: Shard, *, verified: bool) -> Place:
        """Where to go on. To be ``verified`` it is the last record itself: if it is still there, nothing behind it is missing."""
        if not self.sequence:
            return Place(at_us=shard.begin_us)
        if self.lines or verified:
            return Place(at_sequence=self.sequence)
        return Place(after_sequence=self.sequence)

    def has_read(self, sequence: str) -> bool:
        """Whether a record was read to its end."""
        if not self.sequence:
            return False
        behind = int(sequence) - int(self.sequence)
        return behind < 0 or (behind == 0 and not self.lines)

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return asdict(self)


def beginning(shard: Shard) -> Position:
    """Where the reading of a shard begins."""
    return Position(shard.first, shard.since_us)


def from_json(document: Checkpoint) -> Position:
    """Back from the checkpoint."""
    return remembered(Position, document)

"""Objects that hold one JSON array of CloudEvents: read as a whole, so their size has a bound."""

from __future__ import annotations

from collections.abc import Iterator

from collector.datastore.eventcolumns import EventReader
from collector.datastore.inflate import Damaged
from collector.datastore.mapping.eventbatch import read_batch
from collector.datastore.s3.content import Portion, Position
from collector.readings import DeadLetter


def portions(plain: Iterator[bytes], reader: EventReader, place: str, batch_bytes_max: int) -> Iterator[Portion]:
    """The one portion of an object. Raises what ``plain`` raises, but for damage."""
    damage = ""
    pieces: list[bytes] = []
    length = 0
    try:
        for piece in plain:
            pieces.append(piece)
            length += len(piece)
            if length > batch_bytes_max:
                break
    except Damaged as error:
        damage = str(error)
    found = read_batch(b"".join(pieces), reader, place, batch_bytes_max=batch_bytes_max)
    letters = found.letters if not damage else (*found.letters, DeadLetter(reader.source, place, damage, ""))
    yield Portion(found.events, letters, length, Position(length, found.events.num_rows), is_last=True, damage=damage)

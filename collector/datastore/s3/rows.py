"""Objects of Parquet: rows by ranges of the object, which need not come as a whole.

A portion is a batch of rows, and its position the number of the row behind it; row groups before that are not asked for again.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from threading import Event
from typing import BinaryIO, cast

from collector.datastore.mapping.config import MappingConfig
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.parquet import RowReader
from collector.datastore.mapping.reader import numbered
from collector.datastore.mapping.rowgroups import RowGroups
from collector.datastore.s3.bucket import Bucket
from collector.datastore.s3.content import Portion, Position
from collector.datastore.s3.found import Found
from collector.errors import SourceError
from collector.readings import DeadLetter
from meterbook.wire.sections import EVENTS

#: Rows of a portion.
ROWS_MAX = 10_000


class ObjectFile(io.RawIOBase):
    """One version of an object as a file that can seek. ``error`` is why it could not be read."""

    def __init__(self, bucket: Bucket, found: Found, dropped: Event | None = None) -> None:
        super().__init__()
        self._bucket, self._found, self._at = bucket, found, 0
        self._dropped = dropped
        self.error: SourceError | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next bytes come from."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere else."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._found.bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; all that there are where it is negative."""
        left = max(0, self._found.bytes - self._at)
        length = left if size < 0 else min(size, left)
        if not length:
            return b""
        try:
            found = self._bucket.read_range(self._found, self._at, length, self._dropped)
        except SourceError as error:
            self.error = error
            raise
        self._at += len(found)
        return found


def portions(
    file: ObjectFile, place: str, source: str, mapping: MappingConfig, name: str, at: Position
) -> Iterator[Portion]:
    """What the rows behind ``at`` say; ``name`` is what the object is called in ids. Raises SourceError where it cannot be fetched."""
    try:
        groups = RowGroups(cast(BinaryIO, file), place)
        # Rows are counted from 0, and called by numbers from 1, as lines are.
        reader = RowReader(source, EventMap(mapping), groups.schema, lambda rows: numbered(name, rows + 1))
        for first, batch in groups.batches(reader.columns, rows_max=ROWS_MAX, first=at.records):
            rows = reader.read(batch, first)
            at = Position(records=first + batch.num_rows)
            size = max(batch.nbytes, rows.events.nbytes)
            yield Portion(rows.events, rows.letters, size, at, is_last=False)
    except (SourceError, ValueError) as error:
        if file.error is not None:
            raise file.error from None
        damage = str(error).removeprefix(f"{place}: ")
        letter = DeadLetter(source, f"{place}:{at.records + 1}", damage, "")
        yield Portion(EVENTS.empty_table(), (letter,), 0, at, is_last=True, damage=damage)
        return
    yield Portion(EVENTS.empty_table(), (), 0, at, is_last=True)

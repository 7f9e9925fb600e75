"""Records as events: block by block in columns, and the few odd ones one by one, in the order in which they stand.

What a record says does not depend on how it is read. A reader has a fast way, many times as fast, which leaves every record that it is
not certain of to the slow one, which knows all forms and says what is wrong with the others. For CloudEvents these are ``eventcolumns``
and ``cloudevents``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
import pyarrow as pa

from collector.datastore.cloudevents import Event, EventLog
from collector.datastore.eventcolumns import EventColumns
from collector.datastore.layouts import Places
from collector.readings import DeadLetter
from meterbook.wire.sections import EVENTS


class RecordReader(Protocol):
    """Reads the records of one source, both ways; what they say is the same."""

    @property
    def source(self) -> str:
        """The source that events are read from."""
        ...

    def read(self, block: bytes, starts: Places, ends: Places) -> EventColumns:
        """The records of a block that it is certain of; ``starts`` and ``ends`` are theirs in it, ascending, without line ends."""
        ...

    def parse(self, record: bytes) -> Event:
        """The event that one record is. Raises BadEvent."""
        ...


class Records:
    """What the records of one collection say: events, and dead letters for what is none."""

    def __init__(self, reader: RecordReader) -> None:
        self._reader = reader
        self._tables = [EVENTS.empty_table()]
        self.letters: list[DeadLetter] = []

    def add(
        self,
        block: bytes,
        starts: Places,
        ends: Places,
        place: Callable[[int], str],
        refused: Mapping[int, tuple[bytes, str]] = MappingProxyType({}),
    ) -> None:
        """Read the records of a block; ``place`` gives for the start of one in the block how it is found again.

        ``refused`` are records that are not to be read, by their starts: how each begins, and why.
        """
        found = self._reader.read(block, starts, ends)
        odd = EventLog(self._reader.source, self._reader.parse)
        rows = []
        left = dict(zip(starts[found.left].tolist(), found.left.tolist(), strict=True))
        for start in sorted([*left, *refused]):
            if start in refused:
                odd.refuse(refused[start][0], place(start), refused[start][1])
                continue
            before, row = len(odd.events), left[start]
            odd.add(block[start : ends[row]], place(start))
            if len(odd.events) > before:
                rows.append(row)
        self.letters += odd.letters
        table = found.events
        if rows:
            order = np.argsort(np.concatenate([found.rows, rows]))
            table = pa.concat_tables([table, odd.table()]).take(pa.array(order))
        self._tables.append(table)

    def table(self) -> pa.Table:
        """The events in the order of their records, with the schema ``EVENTS``."""
        return pa.concat_tables(self._tables)

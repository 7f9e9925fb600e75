"""NDJSON as events: block by block in columns, and the few odd lines one by one, in the order in which they stand.

What a line says does not depend on how it is read. ``eventcolumns`` is the fast way, twenty times as fast, and leaves every line
that it is not certain of to ``cloudevents``, which knows all forms and says what is wrong with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from collector.datastore.cloudevents import EventLog
from collector.datastore.eventcolumns import EventReader
from collector.datastore.layouts import Places
from collector.readings import DeadLetter
from meterbook.wire.sections import EVENTS


class EventLines:
    """What the lines of one collection say: events, and dead letters for what is none."""

    def __init__(self, reader: EventReader) -> None:
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
        """Read the lines of a block; ``place`` gives for the start of one in the block how it is found again.

        ``refused`` are lines that are not to be read, by their starts: how each begins, and why.
        """
        found = self._reader.read(block, starts, ends)
        odd = EventLog(self._reader.source, self._reader.value_field)
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
        """The events in the order of their lines, with the schema ``EVENTS``."""
        return pa.concat_tables(self._tables)

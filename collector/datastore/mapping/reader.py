"""Records of one object, stream or file as events, both ways: what is certain in columns, the rest one by one.

A form is made for one object, since a header names the columns of that alone; it keeps what it learns of its records from block to block. Where
records have no id of their own, they are called by their place, so a reader is made where that is known: for an object, or for a block of it. What is left by
:meth:`MappedReader.read` is no event, and ``parse`` says why.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.cloudevents import BadEvent, Event, EventLog
from collector.datastore.eventcolumns import EventColumns
from collector.datastore.layouts import Places
from collector.datastore.mapping.columns import Identify, mapped
from collector.datastore.mapping.config import MappingConfig, required
from collector.datastore.mapping.csvrows import CsvRows, columns_of
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.formats import CsvRecords, JsonRecords, RegexRecords
from collector.datastore.mapping.jsonlines import JsonLines
from collector.datastore.mapping.pieces import without_returns
from collector.datastore.mapping.regexlines import RegexLines
from collector.datastore.mapping.shapes import Shape
from meterbook.wire.sections import EVENTS


class Form(Protocol):
    """How the bytes of records become fields."""

    def record(self, record: bytes) -> Mapping[str, Any]:
        """The fields of one record. Raises BadEvent."""
        ...

    def shapes(self, block: bytes, starts: Places, ends: Places) -> Iterator[Shape]:
        """The records of a block, those of one shape together; what is in none is to be read one by one."""
        ...


def numbered(place: str, numbers: Places) -> pa.Array:
    """Ids of records by their numbers in what they are read from: ``usage/2026/01.csv@9b2c#17``."""
    return pc.binary_join_element_wise(f"{place}#", pa.array(numbers, pa.int64()).cast(pa.utf8()), "")


def form_of(config: MappingConfig, header: bytes | None = None) -> Form:
    """How the records of one object are read. ``header`` is its first row, for CSV without declared columns.

    Raises MissingFields where the header has not what events are made from, and ValueError where it cannot be read.
    """
    match config.records:
        case JsonRecords():
            return JsonLines()
        case RegexRecords() as records:
            return RegexLines(records)
        case CsvRecords(columns=None) as records:
            if header is None:
                raise ValueError("the columns are neither declared nor named by a header")
            names = columns_of(header, records)
            required(config, dict.fromkeys(names), "the header has")
            return CsvRows(records, names, EventMap(config).tops(dict.fromkeys(names)))
        case CsvRecords(columns=tuple() as names) as records:
            return CsvRows(records, names, EventMap(config).tops(dict.fromkeys(names)))
        case _:
            raise ValueError(f"records of the format {config.records.format} are not read as bytes")


class MappedReader:
    """Reads records of one object. See :class:`collector.datastore.records.RecordReader`.

    ``identify`` gives for the starts of records in the block that is being read what each is called (utf8): the same
    however the object is cut. It is asked where the mapping names no id.
    """

    def __init__(
        self, source: str, event_map: EventMap, form: Form, identify: Callable[[Places], pa.Array] | None = None
    ) -> None:
        self.source = source
        #: Records that were left out on purpose so far.
        self.skipped = 0
        self._map, self._form, self._identify = event_map, form, identify
        if event_map.id is None and identify is None:
            raise ValueError("records without an id are told apart by their place: identify has to give it")

    def read(self, block: bytes, starts: Places, ends: Places) -> EventColumns:
        """The records of a block that are events; those that are left are none, and are not those that were left out."""
        ends = without_returns(block, starts, ends)
        held = np.flatnonzero(ends > starts)
        if BOM_UTF8 in block:
            marked = [block.startswith(BOM_UTF8, start) for start in starts[held].tolist()]
            held = held[~np.array(marked, bool)]

        def identify(rows: Places) -> pa.Array:
            assert self._identify is not None
            return self._identify(starts[rows])

        tables, places, settled = [EVENTS.empty_table()], [np.empty(0, np.int64)], np.zeros(len(starts), bool)
        settled[ends == starts] = True
        for shape in self._form.shapes(block, starts[held], ends[held]):
            found = mapped(self._map, Shape(shape.record, held[shape.rows], shape.sure), self.source, identify)
            tables.append(found.events)
            places.append(found.rows)
            settled[found.rows] = settled[found.skipped] = True
            self.skipped += len(found.skipped)
        odd, rows, left = self._one_by_one(block, starts, ends, np.flatnonzero(~settled), identify)
        tables.append(odd)
        places.append(rows)
        order = np.argsort(np.concatenate(places))
        table, rows = pa.concat_tables(tables), np.concatenate(places)[order]
        is_ordered = bool(np.all(order == np.arange(len(order))))
        return EventColumns(table if is_ordered else table.take(pa.array(order)), rows, left)

    def parse(self, record: bytes) -> Event:
        """The event that a record is. Raises BadEvent for one that :meth:`read` has left."""
        event = self._map.event(self._form.record(record.removesuffix(b"\r")), "")
        assert event is not None and event.id, "what can be read, or is left out, was not left"
        return event

    def _one_by_one(
        self, block: bytes, starts: Places, ends: Places, rows: Places, identify: Identify
    ) -> tuple[pa.Table, Places, Places]:
        """Events of these records, their rows, and the rows that are no events."""
        log, found, left = EventLog(self.source, self.parse), list[int](), list[int]()
        ids = identify(rows).to_pylist() if self._map.id is None else [""] * len(rows)
        for row, identity in zip(rows.tolist(), ids, strict=True):
            try:
                event = self._map.event(self._form.record(block[starts[row] : ends[row]]), identity)
            except BadEvent:
                left.append(row)
                continue
            if event is None:
                self.skipped += 1
                continue
            log.events.append(event)
            found.append(row)
        return log.table(), np.array(found, np.int64), np.array(left, np.int64)

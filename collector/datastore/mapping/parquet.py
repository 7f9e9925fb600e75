"""Rows of Parquet as events: batch by batch in columns, and the odd rows one by one.

What a column must be is known before any row is read: one that the mapping needs and the file has not, or of a type that says nothing, is
an error of the file and not of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.cloudevents import BadEvent, EventLog, json_text
from collector.datastore.layouts import Places
from collector.datastore.mapping.arrowcells import LeafCells, cells_of
from collector.datastore.mapping.cells import Cells
from collector.datastore.mapping.columns import mapped
from collector.datastore.mapping.config import MissingFields, required
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.formats import distinct
from collector.datastore.mapping.leaves import check_readable, leaves_of, plain_type
from collector.datastore.mapping.paths import Path, Step, look
from collector.datastore.mapping.shapes import Leaf, Shape
from collector.datastore.mapping.texts import without_moments
from collector.readings import DeadLetter


@dataclass(frozen=True)
class Rows:
    """What rows become: events (schema EVENTS) and dead letters, each in the order of the rows, and how many were left out on purpose."""

    events: pa.Table
    letters: tuple[DeadLetter, ...]
    skipped: int


class RowReader:
    """Reads the rows of one file. ``identify`` gives what rows are called by their numbers in it, 0 the first (utf8)."""

    def __init__(
        self, source: str, event_map: EventMap, schema: pa.Schema, identify: Callable[[Places], pa.Array]
    ) -> None:
        """Raises MissingFields where the schema has not what events are made from, UnreadableColumn where it cannot be read, ValueError
        where two columns have one name.
        """
        self._source, self._map, self._identify = source, event_map, identify
        names = dict.fromkeys(distinct(tuple(schema.names)))
        required(event_map.config, names, "the columns are")
        for attribute, path in event_map.config.attributes.items():
            _check_inner(attribute, path, schema)
        #: The columns that are read.
        self.columns = [name for name in names if name in event_map.tops(names)]
        for name in self.columns:
            check_readable(name, schema.field(name).type)

    def read(self, batch: pa.RecordBatch, first: int) -> Rows:
        """The rows of a batch, the first of which has the number ``first`` in the file."""
        batch = batch.select(self.columns)
        rows = np.arange(batch.num_rows)

        def identify(chosen: Places) -> pa.Array:
            return self._identify(chosen + first)

        shape = BatchShape(_Columns(batch), rows, np.ones(len(rows), bool), batch)
        found = mapped(self._map, shape, self._source, identify)
        settled = np.zeros(len(rows), bool)
        settled[found.rows] = settled[found.skipped] = True
        log, places = EventLog(self._source, _unasked), list[int]()
        odd = np.flatnonzero(~settled)
        skipped = len(found.skipped)
        ids = identify(odd).to_pylist()
        for row, identity, record in zip(odd.tolist(), ids, _taken(batch, odd), strict=True):
            try:
                event = self._map.event(record, identity)
            except BadEvent as error:
                log.refuse(json_text(without_moments(record)).encode("utf-8", "replace"), identity, str(error))
                continue
            skipped += event is None
            if event is not None:
                log.events.append(event)
                places.append(row)
        table = found.events
        if places:
            order = np.argsort(np.concatenate([found.rows, places]))
            table = pa.concat_tables([table, log.table()]).take(pa.array(order))
        return Rows(table, tuple(log.letters), skipped)


def records_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch as records."""
    columns = {name: leaves_of(batch.column(place)) for place, name in enumerate(batch.schema.names)}
    return [{name: held[row] for name, held in columns.items()} for row in range(batch.num_rows)]


def _taken(batch: pa.RecordBatch, rows: Places) -> list[dict[str, Any]]:
    """Some rows of a batch as records."""
    if not len(rows):
        return []
    try:
        return records_of(batch.take(pa.array(rows)))
    except pa.ArrowNotImplementedError:
        # Of some types, such as views of texts, Arrow cannot take rows.
        records = records_of(batch)
        return [records[row] for row in rows.tolist()]


class _Columns(Mapping[str, Cells]):
    """The columns of a batch as fields."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def __getitem__(self, name: str) -> Cells:
        if name not in self._batch.schema.names:
            raise KeyError(name)
        return cells_of(self._batch.column(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch.schema.names)

    def __len__(self) -> int:
        return len(self._batch.schema.names)


@dataclass(frozen=True)
class BatchShape(Shape):
    """All rows of a batch."""

    batch: pa.RecordBatch

    def look(self, path: Path) -> Leaf:
        """See :class:`Shape`. Members of structs are columns; what is inside of lists and maps is looked at row by row."""
        top, inner = path.top(self.record), path.inner(self.record)
        if top not in self.record:
            return None
        column = plain_type(self.batch.column(top))
        for place, step in enumerate(inner):
            if pa.types.is_struct(column.type) and isinstance(step, str):
                if column.type.get_field_index(step) < 0:
                    return None
                column = plain_type(pc.struct_field(column, [column.type.get_field_index(step)]))
                continue
            return _looked_at(leaves_of(column), inner[place:])
        return cells_of(column)


def _looked_at(leaves: Sequence[Any], steps: tuple[Step, ...]) -> LeafCells:
    """What stands behind these steps in each of the leaves."""
    found = [look({"": leaf}, Path("", ("", *steps))) for leaf in leaves]
    return LeafCells(lambda: found, is_nested=any(isinstance(leaf, dict | list) for leaf in found))


def _check_inner(attribute: str, path: Path, schema: pa.Schema) -> None:
    """Raises MissingFields where a struct has no member that the path goes through."""
    names = dict.fromkeys(schema.names)
    column = schema.field(path.top(names)).type
    for step in path.inner(names):
        if not isinstance(column, pa.StructType) or not isinstance(step, str):
            return
        if column.get_field_index(step) < 0:
            members = ", ".join(each.name for each in column)
            raise MissingFields(f"{path} ({attribute}) is missing: its column has the members {members}")
        column = column.field(step).type


def _unasked(record: bytes) -> Any:
    raise AssertionError(f"rows are not read from bytes: {record!r}")

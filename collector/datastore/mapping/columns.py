"""Records of one shape as events, all at once: the fast way. Who is not certain of a record here leaves it to ``events``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.layouts import Places
from collector.datastore.mapping.cells import Cells, Rows, as_rows, empty, filled
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.paths import Path
from collector.datastore.mapping.properties import canonical, repeated
from collector.datastore.mapping.shapes import Shape
from collector.datastore.mapping.texts import property_of
from meterbook.wire.sections import EVENTS, QUANTITY

#: The ids of records without one, by their places in the block (utf8).
Identify = Callable[[Places], pa.Array]


@dataclass(frozen=True)
class Mapped:
    """Events (schema EVENTS) of the records at ``rows``, ascending; ``skipped`` are left out on purpose, all others are not certain."""

    events: pa.Table
    rows: Places
    skipped: Places


class _Uncertain(Exception):
    """Nothing is certain of records of this shape."""


def mapped(event_map: EventMap, shape: Shape, origin: str, identify: Identify) -> Mapped:
    """What records of a shape become; ``origin`` is the source that they are read from."""
    count, sure = len(shape.rows), shape.sure.copy()
    try:
        skipped = _skipped(event_map, shape, sure)
        columns = _columns(event_map, shape, origin, identify, skipped, sure)
    except _Uncertain:
        nothing = np.empty(0, np.int64)
        return Mapped(EVENTS.empty_table(), nothing, nothing)
    chosen = sure & ~skipped
    events = pa.table(columns if chosen.all() else [each.filter(pa.array(chosen)) for each in columns], schema=EVENTS)
    assert events.num_rows <= count
    return Mapped(events, shape.rows[chosen], shape.rows[shape.sure & skipped])


def _skipped(event_map: EventMap, shape: Shape, sure: Rows) -> Rows:
    """Which records are left out. Takes from ``sure`` those of which that is not certain."""
    skipped = np.zeros(len(sure), bool)
    for path, texts in event_map.skips:
        found = shape.look(path)
        if found is None or isinstance(found, bool):
            skipped |= property_of(found) in texts
            continue
        if isinstance(found, dict | list) or found.is_nested:
            raise _Uncertain
        column, certain = found.texts()
        sure &= certain
        skipped |= as_rows(pc.is_in(column, pa.array(sorted(texts), pa.utf8())))
    return skipped & sure


def _columns(
    event_map: EventMap, shape: Shape, origin: str, identify: Identify, skipped: Rows, sure: Rows
) -> list[pa.Array]:
    """The columns of EVENTS. Takes from ``sure`` what is neither certain nor skipped."""
    count = len(shape.rows)
    certain = np.ones(count, bool)

    def attribute(named: Path | str) -> pa.Array:
        if isinstance(named, str):
            return repeated(named, count)
        column = _texts(shape, named, certain)
        held = as_rows(pc.fill_null(pc.greater(pc.binary_length(column), 0), False))
        certain.__iand__(held)
        return filled(column, held, "")

    source, type_ = attribute(event_map.source), attribute(event_map.type)
    id_ = identify(shape.rows) if event_map.id is None else attribute(event_map.id)
    subject = event_map.subject
    if isinstance(subject, str):
        subjects = repeated(subject, count)
    elif shape.look(subject) is None:
        subjects = repeated("", count)
    else:
        subjects = pc.fill_null(_texts(shape, subject, certain), "")
    instants, certain_times = _cells(shape, event_map.time).instants(event_map.clock)
    values, certain_values = _values(event_map, shape, count)
    properties, certain_properties = canonical(_members(event_map, shape), count)
    certain &= certain_times & certain_values & certain_properties & ~empty(instants) & ~empty(values)
    sure &= certain | skipped
    return [
        repeated(origin, count),
        source,
        id_,
        type_,
        subjects,
        repeated("", count),
        instants.cast(EVENTS.field("time").type),
        values,
        properties,
    ]


def _texts(shape: Shape, path: Path, certain: Rows) -> pa.Array:
    """An attribute's texts, null where there are none. Takes from ``certain`` what is not."""
    found = shape.look(path)
    if isinstance(found, bool):
        return repeated(property_of(found) or "", len(certain))
    column, sure = _cells(shape, path).texts()
    certain &= sure
    return column


def _cells(shape: Shape, path: Path) -> Cells:
    found = shape.look(path)
    if found is None or isinstance(found, bool | dict | list) or found.is_nested:
        raise _Uncertain
    cells: Cells = found
    return cells


def _values(event_map: EventMap, shape: Shape, count: int) -> tuple[pa.Array, Rows]:
    if event_map.value is None:
        return pa.array(np.ones(count, np.int64)).cast(QUANTITY), np.ones(count, bool)
    return _cells(shape, event_map.value).quantities()


def _members(event_map: EventMap, shape: Shape) -> dict[str, Any]:
    if event_map.properties is None:
        return {name: shape.record[name] for name in event_map.others(shape.record)}
    return {name: each if isinstance(each, str) else shape.look(each) for name, each in event_map.properties.items()}

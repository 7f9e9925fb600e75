"""Mappings as the tests declare them, and what blocks of records become, both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from collector.datastore.cloudevents import BadEvent, Event, EventLog, parse_event
from collector.datastore.layouts import Places
from collector.datastore.mapping.config import MappingConfig
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.reader import Form, MappedReader, form_of, numbered

#: A mapping of every attribute.
WHOLE: dict[str, Any] = {
    "time": "at",
    "type": {"const": "request"},
    "source": "from",
    "id": "key",
    "subject": "who",
    "value": "amount",
}


def config(**settings: Any) -> MappingConfig:
    """The whole mapping with these settings; None takes one out."""
    return MappingConfig.model_validate(
        {name: each for name, each in {**WHOLE, **settings}.items() if each is not None}
    )


def event_of(record: dict[str, Any], **settings: Any) -> Event | None:
    """What a record becomes."""
    return EventMap(config(**settings)).event(record, "place#7")


def reader(given: MappingConfig, header: bytes | None = None, form: Form | None = None) -> MappedReader:
    """A reader in which a record is called by where it starts."""
    return MappedReader(
        "s3/usage", EventMap(given), form or form_of(given, header), lambda starts: numbered("here", starts)
    )


def one_by_one(
    given: MappingConfig, form: Form, records: list[bytes], starts: Places
) -> tuple[pa.Table, list[int], list[int], int]:
    """Events, the records that they are, those that are none, and how many are left out: each record by itself."""
    event_map, log = EventMap(given), EventLog("s3/usage", parse_event)
    rows, bad, skipped = list[int](), list[int](), 0
    for row, record in enumerate(records):
        plain = record.removesuffix(b"\r")
        if not plain:
            continue
        try:
            event = event_map.event(form.record(plain), f"here#{starts[row]}")
        except BadEvent:
            bad.append(row)
            continue
        if event is None:
            skipped += 1
        else:
            log.events.append(event)
            rows.append(row)
    return log.table(), rows, bad, skipped


def check_both_ways(given: MappingConfig, records: list[bytes], header: bytes | None = None) -> None:
    """A block says what its records say one by one, to the last character."""
    lengths = np.array([len(record) for record in records], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    starts = ends - lengths
    made = reader(given, header)
    found = made.read(b"\n".join([*records, b""]), starts, ends)
    table, rows, bad, skipped = one_by_one(given, form_of(given, header), records, starts)
    found.events.validate(full=True)
    assert found.rows.tolist() == rows
    assert found.left.tolist() == bad
    assert made.skipped == skipped
    assert found.events.equals(table)


def certain(given: MappingConfig, records: list[bytes], header: bytes | None = None) -> int:
    """How many records are read in columns, and not one by one."""
    form = _Counting(form_of(given, header))
    made = reader(given, form=form)
    lengths = np.array([len(record) for record in records], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    made.read(b"\n".join([*records, b""]), ends - lengths, ends)
    return len(records) - form.asked


class _Counting:
    def __init__(self, form: Form) -> None:
        self._form, self.asked = form, 0
        self.shapes = form.shapes

    def record(self, record: bytes) -> Any:
        self.asked += 1
        return self._form.record(record)

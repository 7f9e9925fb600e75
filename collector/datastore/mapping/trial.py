"""What the first records of a sample become, before a mapping is trusted with all of them.

A sample is read one by one, the slow way: it is asked for what is wrong, not for speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Any

from collector.datastore.cloudevents import DOCUMENT_LENGTH_MAX, BadEvent, Event, json_text
from collector.datastore.mapping import rowcut
from collector.datastore.mapping.config import MappingConfig
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.formats import CsvRecords, ParquetRecords
from collector.datastore.mapping.parquet import RowReader, records_of
from collector.datastore.mapping.reader import form_of, numbered
from collector.datastore.mapping.rowgroups import RowGroups
from collector.datastore.mapping.texts import without_moments


@dataclass(frozen=True)
class Tried:
    """What one record of a sample becomes: an event, or nothing with the reason why.

    ``record`` is as it stands in the sample, cut, or as JSON where that has no text; ``number`` counts records from 0.
    """

    number: int
    record: str
    event: Event | None
    reason: str = ""
    is_skipped: bool = False


def tried(config: MappingConfig, sample: bytes, *, records_max: int = 10, place: str = "sample") -> tuple[Tried, ...]:
    """The first records of a sample: lines, of CSV with their header where no columns are declared, or a whole Parquet file.

    A record without an id is called by ``place``, ``#`` and its number. Raises ValueError where no record can be read, such as
    MissingFields and UnreadableColumn, and PermanentError for what is no Parquet.
    """
    event_map = EventMap(config)
    if isinstance(config.records, ParquetRecords):
        return tuple(_rows(event_map, sample, records_max, place))
    return tuple(_texts(event_map, sample, records_max, place))


def _rows(event_map: EventMap, sample: bytes, records_max: int, place: str) -> Iterator[Tried]:
    groups = RowGroups(BytesIO(sample), place)
    reader = RowReader(place, event_map, groups.schema, lambda numbers: numbered(place, numbers))
    for first, batch in groups.batches(reader.columns, rows_max=records_max):
        for row, record in enumerate(records_of(batch)):
            shown = json_text(without_moments(record))
            yield _tried(event_map, first + row, shown, place, partial(dict, record))
        return


def _texts(event_map: EventMap, sample: bytes, records_max: int, place: str) -> Iterator[Tried]:
    records = _cut(event_map.config, sample)
    header = None
    if isinstance(event_map.config.records, CsvRecords) and event_map.config.records.columns is None:
        header = next(records, (None, ""))[0]
    form = form_of(event_map.config, header)
    for number, (record, reason) in enumerate(islice(records, records_max)):
        shown = record.decode("utf-8", "replace")
        if reason:
            yield Tried(number, shown[:DOCUMENT_LENGTH_MAX], None, reason)
        else:
            yield _tried(event_map, number, shown, place, partial(form.record, record))


def _cut(config: MappingConfig, sample: bytes) -> Iterator[tuple[bytes, str]]:
    """Records that are not empty, without their line ends; and why one cannot be read."""
    sample += b"" if sample.endswith(b"\n") else b"\n"
    quote = config.records.quote if isinstance(config.records, CsvRecords) else None
    found = rowcut.cut(
        sample, 0, skipping=False, row_bytes_max=len(sample), rows_max=len(sample), quote=quote, is_last=True
    )
    ends = dict(zip(found.starts.tolist(), found.ends.tolist(), strict=True))
    heads = {head.start: head.text for head in found.heads}
    for start in sorted([*ends, *heads]):
        record = heads[start] if start in heads else sample[start : ends[start]].removesuffix(b"\r")
        if record:
            yield record, "a quote that begins here does not end" if start in heads else ""


def _tried(event_map: EventMap, number: int, shown: str, place: str, read: Callable[[], Mapping[str, Any]]) -> Tried:
    shown = shown[:DOCUMENT_LENGTH_MAX]
    try:
        event = event_map.event(read(), f"{place}#{number}")
    except BadEvent as error:
        return Tried(number, shown, None, str(error))
    return Tried(number, shown, event, is_skipped=event is None)

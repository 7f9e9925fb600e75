"""Arrays of CloudEvents: one JSON array an object (CloudEvents JSON format 1.0, section 4, ``application/cloudevents-batch+json``).

The array is cut into its elements, and these are read as lines are, in columns where they are alike. So one that is no event is refused alone. Where the
array itself ends too early, or goes on with what is no JSON, what stands before that is read and the rest is one dead letter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from collector.datastore.cloudevents import EventLog, shortened
from collector.datastore.eventcolumns import EventReader
from collector.datastore.records import Records
from collector.readings import DeadLetter
from meterbook.wire.sections import EVENTS

#: Most elements of an array: of two characters each there would be millions.
ELEMENTS_MAX = 500_000
_SPACE = " \t\r\n"


@dataclass(frozen=True)
class EventBatch:
    """Events (schema EVENTS) in the order of the array, and dead letters whose places end with ``#`` and the number in it, from 0."""

    events: pa.Table
    letters: tuple[DeadLetter, ...]


def read_batch(data: bytes, reader: EventReader, place: str, *, batch_bytes_max: int) -> EventBatch:
    """The events of one array. ``place`` finds it again: ``usage/2026/01.json@9b2c``."""
    log = EventLog(reader.source, reader.parse)
    if len(data) > batch_bytes_max:
        log.refuse(data[:batch_bytes_max], place, f"the batch is longer than batch_bytes_max {batch_bytes_max}")
        return EventBatch(EVENTS.empty_table(), tuple(log.letters))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        log.refuse(data, place, f"the batch is not UTF-8 at its byte {error.start}")
        return EventBatch(EVENTS.empty_table(), tuple(log.letters))
    elements, stop, reason = _elements(text)
    pieces = [text[start:end].encode() for start, end in elements]
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    starts = ends - lengths
    numbers = {start: number for number, start in enumerate(starts.tolist())}
    records = Records(reader)
    records.add(b"\n".join([*pieces, b""]), starts, ends, lambda start: f"{place}#{numbers[start]}")
    if reason:
        log.refuse(text[stop : stop + batch_bytes_max].encode(), f"{place}#{len(pieces)}", reason)
    return EventBatch(records.table(), (*records.letters, *log.letters))


def _elements(text: str) -> tuple[list[tuple[int, int]], int, str]:
    """Where the elements of an array start and end; where reading stopped, and why if that is not behind the array."""
    found: list[tuple[int, int]] = []
    # What a number is, and that NaN is none, is seen when an element is read by itself.
    decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
    place = _behind_space(text, 0)
    if text[place : place + 1] != "[":
        return found, place, "the batch is not a JSON array"
    place = _behind_space(text, place + 1)
    if text[place : place + 1] == "]":
        return found, place, _rest(text, place + 1)
    while True:
        try:
            end = decoder.raw_decode(text, place)[1]
        except (ValueError, RecursionError) as error:
            told = shortened(str(error) or type(error).__name__)
            return found, place, f"the batch cannot be read from its element {len(found)} on ({told})"
        found.append((place, end))
        place = _behind_space(text, end)
        mark = text[place : place + 1]
        if mark == "]":
            return found, place, _rest(text, place + 1)
        if len(found) == ELEMENTS_MAX:
            return found, place, f"the batch has more than {ELEMENTS_MAX} elements"
        if mark != ",":
            return found, place, f"the batch ends behind its element {len(found) - 1} without a bracket"
        place = _behind_space(text, place + 1)


def _rest(text: str, place: int) -> str:
    return "something stands behind the array" if _behind_space(text, place) < len(text) else ""


def _behind_space(text: str, place: int) -> int:
    while place < len(text) and text[place] in _SPACE:
        place += 1
    return place

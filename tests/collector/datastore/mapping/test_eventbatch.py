"""Arrays of CloudEvents: each element is an event or a dead letter of its own, and an array that ends too early loses only its rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.cloudevents import BadEvent, EventLog, parse_event
from collector.datastore.eventcolumns import EventReader
from collector.datastore.mapping.eventbatch import EventBatch, read_batch

EVENT = {"id": "a1", "source": "/gateway", "type": "request", "time": "2026-01-31T09:30:00Z", "data": {"value": 1.50}}
ELEMENTS = st.one_of(
    st.builds(lambda number, more: {**EVENT, "id": f"k{number}", **more}, st.integers(0, 9), st.sampled_from([{}, {"subject": 'é"'}, {"time": "no"}])),
    st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
)  # fmt: skip


def read(data: bytes, batch_bytes_max: int = 1 << 20) -> EventBatch:
    return read_batch(data, EventReader("s3/usage", "value"), "a.json@9b2c", batch_bytes_max=batch_bytes_max)


@given(st.lists(ELEMENTS, max_size=6), st.sampled_from([None, 2]), st.booleans())
def test_an_array_says_what_its_elements_say(elements: list[Any], indent: int | None, ascii_only: bool) -> None:
    found = read(json.dumps(elements, indent=indent, ensure_ascii=ascii_only).encode())
    log, bad = EventLog("s3/usage", parse_event), []
    for number, element in enumerate(elements):
        try:
            log.events.append(parse_event(json.dumps(element).encode()))
        except BadEvent as error:
            bad.append((f"a.json@9b2c#{number}", str(error)))
    assert found.events.equals(log.table())
    assert [(letter.place, letter.reason) for letter in found.letters] == bad


def test_numbers_are_as_they_were_written() -> None:
    data = b"[" + json.dumps(EVENT).encode().replace(b"1.5", b"0.1000000000000000000") + b"]"
    assert str(read(data).events["value"][0].as_py()) == "0.100000000"
    letters = read(data.replace(b"0.1000000000000000000", b"NaN")).letters
    assert [letter.reason for letter in letters] == ["NaN is no JSON number"]


@pytest.mark.parametrize(
    ("data", "events", "place", "reason"),
    [
        (b"", 0, "#0", "the batch is not a JSON array"),
        (json.dumps(EVENT).encode(), 0, "#0", "the batch is not a JSON array"),
        (b"[", 0, "#0", "cannot be read from its element 0 on"),
        (json.dumps([EVENT, EVENT]).encode()[:-3], 1, "#1", "cannot be read from its element 1 on"),
        (json.dumps([EVENT, EVENT]).encode()[:-1], 2, "#2", "ends behind its element 1 without a bracket"),
        (json.dumps([EVENT]).encode()[:-1] + b",]", 1, "#1", "cannot be read from its element 1 on"),
        (json.dumps([EVENT]).encode() + b" []", 1, "#1", "something stands behind the array"),
        (b"[] x", 0, "#0", "something stands behind the array"),
        (b"[" * 100_000, 0, "#0", "cannot be read from its element 0 on"),
        (b"\xff", 0, "", "the batch is not UTF-8 at its byte 0"),
        (b"[" + b" " * (1 << 20) + b"]", 0, "", "the batch is longer than batch_bytes_max 1048576"),
    ],
)
def test_what_is_no_array_says_so(data: bytes, events: int, place: str, reason: str) -> None:
    found = read(data)
    assert found.events.num_rows == events
    (letter,) = found.letters
    assert letter.place == f"a.json@9b2c{place}"
    assert reason in letter.reason
    assert len(letter.document) <= 4096


@given(st.binary(max_size=20) | st.text('[]{},: "a1\\', max_size=12).map(str.encode))
def test_any_bytes_are_an_object(data: bytes) -> None:
    read(data).events.validate(full=True)

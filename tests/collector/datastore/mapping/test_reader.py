"""The records of an object become the same events however it is read, each called by its place where it has no id."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.cloudevents import BadEvent
from collector.datastore.lines import cut
from collector.datastore.mapping.config import MappingConfig
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.reader import MappedReader, form_of, numbered
from collector.datastore.records import Records
from collector.readings import DeadLetter
from tests.collector.datastore.mapping.declared import config

LINES = [
    b'{"at": "2026-01-31T09:30:00Z", "from": "/g", "who": "acme", "amount": 1}',
    b'{"at": "2026-01-31T09:30:00Z", "from": "/g", "who": "acme", "amount": 2, "note": "\\\\"}',
    b'{"at": "2026-01-31T09:30:00Z", "from": "/g", "who": "acme", "amount": "x"}',
    b'{"at": "2026-01-31T09:30:00Z", "from": "/g", "who": "test", "amount": 1}',
    b'{"at": "2026-01-31T09:30:00Z", "from": "/g", "who": "test", "amount": 1, "note": "\\\\"}',
    b"",
    b"\r",
    b"  ",
    b"no JSON",
]
PLACED = config(id=None, skip=[{"field": "who", "equals": ["test"]}])


def read(given_config: MappingConfig, data: bytes, block_bytes: int) -> tuple[pa.Table, list[DeadLetter], int]:
    """An object in blocks, whose records are called by their bytes."""
    form, offset, tables, letters, skipped = form_of(given_config), 0, [], list[DeadLetter](), 0
    while offset < len(data):
        size = block_bytes
        pieces = cut(data[offset : offset + size], offset, skipping=False, line_bytes_max=1_000, lines_max=1_000)
        while pieces.offset == offset:
            size += block_bytes
            pieces = cut(data[offset : offset + size], offset, skipping=False, line_bytes_max=1_000, lines_max=1_000)
        base = offset

        def identify(starts: np.ndarray, base: int = base) -> pa.Array:  # type: ignore[type-arg]
            return numbered("usage/a.json@9b2c", starts + base)

        reader = MappedReader("s3/usage", EventMap(given_config), form, identify)
        records = Records(reader)
        records.add(
            data[offset : pieces.offset], pieces.starts, pieces.ends, lambda start, base=base: f"a:{base + start}"
        )  # type: ignore[misc]
        tables.append(records.table())
        letters += records.letters
        skipped += reader.skipped
        offset = pieces.offset
    return pa.concat_tables(tables), letters, skipped


def test_an_object() -> None:
    data = b"\n".join([*LINES, b""])
    events, letters, skipped = read(PLACED, data, len(data))
    second = data.index(LINES[1])
    assert events["id"].to_pylist() == ["usage/a.json@9b2c#0", f"usage/a.json@9b2c#{second}"]
    assert events["origin"].to_pylist() == ["s3/usage"] * 2
    assert [(letter.place, letter.reason.split(" (")[0]) for letter in letters] == [
        (f"a:{data.index(LINES[2])}", 'value amount "x" is not a number'),
        (f"a:{data.index(LINES[8])}", "the line is not JSON that can be read"),
    ]
    assert skipped == 2


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=8), st.integers(1, 300))
def test_blocks_are_no_matter(lines: list[bytes], block_bytes: int) -> None:
    data = b"\n".join([*lines, b""])
    whole, letters, skipped = read(PLACED, data, len(data))
    events, others, left_out = read(PLACED, data, block_bytes)
    assert events.equals(whole)
    assert (others, left_out) == (letters, skipped)


def test_what_is_left_says_why() -> None:
    reader = MappedReader("s3/usage", EventMap(PLACED), form_of(PLACED), lambda starts: numbered("a", starts))
    with pytest.raises(BadEvent, match=r'^value amount "x" is not a number$'):
        reader.parse(LINES[2] + b"\r")


def test_an_event_has_an_id_or_a_place() -> None:
    with pytest.raises(ValueError, match="identify has to give it"):
        MappedReader("s3/usage", EventMap(PLACED), form_of(PLACED))
    with pytest.raises(ValueError, match="records of the format parquet are not read as bytes"):
        form_of(config(records={"format": "parquet"}))

"""Objects of any shape, from a real bucket: CSV with a header, JSON without ids, lines of text, Parquet; stopped anywhere."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.collector.datastore.s3.following import Agent
from tests.servers.usage_bucket import UsageBucket, usage_bucket

COUNT = 400
SMALL = {"read_bytes_max": 3_000, "block_bytes": 2_000, "line_bytes_max": 500}
CSV = {
    "records": {"format": "csv"},
    "time": {"field": "at", "form": "unix_s"},
    "type": {"const": "job"},
    "source": {"const": "/jobs"},
    "subject": "who",
    "value": "cost",
}
JSON = {**CSV, "records": {"format": "json"}}
REGEX = {**CSV, "records": {"format": "regex", "pattern": r"(?P<at>\d+) (?P<who>\S+) (?P<cost>\S+)"}}
PARQUET = {**CSV, "records": {"format": "parquet"}, "time": {"field": "at", "form": "unix_s"}}


def csv() -> bytes:
    rows = [f'{1_767_225_600 + number},"t\n{number}",{number}.25' for number in range(COUNT)]
    return "\r\n".join(["at,who,cost", *rows]).encode()


def texts() -> bytes:
    return "".join(f"{1_767_225_600 + number} t{number} {number}.25\n" for number in range(COUNT)).encode()


def objects() -> bytes:
    rows = [{"at": 1_767_225_600 + number, "who": f"t{number}", "cost": f"{number}.25"} for number in range(COUNT)]
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())


def parquet() -> bytes:
    table = pa.table(
        {
            "at": pa.array([1_767_225_600 + number for number in range(COUNT)], pa.int64()),
            "who": [f"t{number}" for number in range(COUNT)],
            "cost": pa.array([Decimal(number) + Decimal("0.25") for number in range(COUNT)], pa.decimal128(12, 2)),
            "other": ["x" * 100] * COUNT,
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=70)
    return file.getvalue()


@pytest.fixture
def bucket() -> Iterator[UsageBucket]:
    with usage_bucket() as made:
        yield made


@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize(
    ("mapping", "body", "first"), [(CSV, csv(), 2), (JSON, objects(), 1), (REGEX, texts(), 1), (PARQUET, parquet(), 1)]
)
def test_every_record_is_an_event_once(
    bucket: UsageBucket, mapping: dict[str, Any], body: bytes, first: int, stops: bool
) -> None:
    bucket.put("jobs/a", body)
    ((_, etag),) = bucket.listed()
    one = Agent({**bucket.settings, **SMALL, "mapping": mapping})
    draw, rows = random.Random(7), list[dict[str, Any]]()
    more = True
    while more:
        if stops and draw.random() < 0.3:
            one.restart()
        if stops and draw.random() < 0.3:
            one.collect(is_stored=False)
            continue
        readings = one.collect()
        rows += readings.events.to_pylist()
        more = readings.more
    one.collector.close()
    names = [f"{bucket.name}/jobs/a@{etag.strip(chr(34))}#{number + first}" for number in range(COUNT)]
    assert [row["id"] for row in rows] == names
    assert [row["value"] for row in rows] == [Decimal(number) + Decimal("0.25") for number in range(COUNT)]
    newline = "\n" if mapping is CSV else ""
    assert [row["subject"] for row in rows] == [f"t{newline}{number}" for number in range(COUNT)]
    assert {record.status for record in one.coverage} == {"complete"}


@pytest.mark.parametrize(
    ("mapping", "body", "told"),
    [
        (CSV, b"when,who,cost\n1,a,2\n", "its header cannot be used: at"),
        (PARQUET, b"PAR1 and no more", "Parquet"),
        ({**PARQUET, "value": "price"}, parquet(), "price"),
    ],
)
def test_an_object_with_other_columns_is_told_once(
    bucket: UsageBucket, mapping: dict[str, Any], body: bytes, told: str
) -> None:
    bucket.put("a", body)
    one = Agent({**bucket.settings, "mapping": mapping})
    assert one.tick() == []
    assert one.coverage[-1].status == "partial"
    assert told in one.coverage[-1].reason
    assert [letter.partition(" ")[0] for letter in one.letters] == [f"s3://{bucket.name}/a:1"]
    assert one.tick() == []
    assert one.coverage[-1].status == "complete"
    one.collector.close()


def test_texts_that_are_no_utf8_are_damage_and_reach_nobody(bucket: UsageBucket) -> None:
    bad = pa.Array.from_buffers(
        pa.utf8(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")]
    )
    file = io.BytesIO()
    pq.write_table(pa.table({"at": pa.array([1], pa.int64()), "who": bad, "cost": ["1"]}), file)
    bucket.put("a", file.getvalue())
    bucket.put("b", parquet())
    one = Agent({**bucket.settings, "mapping": PARQUET})
    assert len(one.tick()) == COUNT
    assert one.coverage[0].status == "partial"
    assert [letter.partition(" ")[0] for letter in one.letters] == [f"s3://{bucket.name}/a:1"]
    one.collector.close()


def test_arrays_of_events(bucket: UsageBucket) -> None:
    event = {"id": "a", "source": "s", "type": "t", "time": "2026-01-01T00:00:00Z"}
    bucket.put("a", gzip.compress(json.dumps([event, {**event, "id": "b"}, {"id": "c"}]).encode()))
    bucket.put("b", json.dumps([event] * 50).encode())
    bucket.put("c", gzip.compress(json.dumps([{**event, "id": "d"}]).encode())[:-12])
    one = Agent({**bucket.settings, "cloudevents": "batch", "batch_bytes_max": 1_000})
    assert one.tick()[:2] == ["a", "b"]
    places = {letter.partition(" ")[0] for letter in one.letters}
    assert places == {f"s3://{bucket.name}/{place}" for place in ("a#2", "b", "c", "c#0")}
    assert one.coverage[-1].reason == f"s3://{bucket.name}/c: it ends within its gzip data"
    one.collector.close()

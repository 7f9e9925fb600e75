"""What the tables add up is what adding up one by one gives, whatever the properties are and however often an event came."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.meter import Meter
from ledger.journal import eventsums
from ledger.metering.subjects import dimensions_of, told_by

HOUR_US = 3_600_000_000
NAMES = ["region", "a/b~c", 'say "hi"', "$.x", "é"]

DEEP = "[" * 2_000 + "]" * 2_000
ODD = [
    "",
    "{}",
    "[]",
    '["eu"]',
    '"region"',
    "not JSON",
    '{"region":"eu"} ',
    '{"region":"eu"',
    '{"region":"eu","region":"us"}',
    '{"region":"eu","x":1,"x":2}',
    '{"region":"e\\u0075"}',
    '{"region":"\\ud800"}',
    '{"re\\u0067ion":"eu"}',
    '{"region":"eu\\n"}',
    '{"region":null}',
    '{"region":NaN}',
    '{"region":1e2}',
    '{"region":1.0}',
    '{"region":1.10}',
    '{"region":123456789012345678901234567890}',
    '{"region":true}',
    '{"region":{"b":1,"a":"x"}}',
    '{"region":[1, 2]}',
    '{"region":"\t"}',
    '{"region":""}',
    '{"region":' + DEEP + "}",
    '{"region":"eu","x":' + DEEP + "}",
]
members = st.sampled_from(["eu", "us", '"', "\\", 1, None]) | st.text(max_size=3) | st.integers() | st.floats()
objects = st.dictionaries(st.sampled_from(NAMES), members, max_size=4)
documents = (
    objects.map(lambda each: json.dumps(each, ensure_ascii=True))
    | objects.map(lambda each: json.dumps(each, ensure_ascii=False).encode(errors="replace").decode())
    | st.sampled_from(ODD)
)
Event = tuple[int, str, str, str, int, int, str]
events: st.SearchStrategy[list[Event]] = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from(["sale", "other"]),
        st.integers(-HOUR_US, 3 * HOUR_US),
        st.integers(-(10**12), 10**12),
        documents,
    ),
    max_size=12,
)


@pytest.mark.parametrize("properties", ODD)
@pytest.mark.parametrize("names", [[], ["region"], ["region", "x"]])
def test_one_event(properties: str, names: list[str]) -> None:
    (found,) = asked([(1, "a", "1", "sale", 0, 10**9, properties)], names, 1, 0, HOUR_US)
    meter = metering(names)
    assert dimensions_of(meter, told_by(found["told"])) == dimensions_of(meter, told_by(properties))
    assert (found["step_us"], found["value"], found["events"]) == (0, 1, 1)


@pytest.mark.slow
@given(events=events, names=st.lists(st.sampled_from(NAMES), unique=True, max_size=3), hours=st.integers(0, 3))
def test_as_one_by_one(events: list[Event], names: list[str], hours: int) -> None:
    last, end_us = 3, hours * HOUR_US
    meter = metering(names)
    amounts: dict[tuple[str, str | None, int], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in asked(events, names, last, -HOUR_US, end_us):
        cell = amounts[row["tenant"], dimensions_of(meter, told_by(row["told"])), row["step_us"]]
        cell[0] += row["value"]
        cell[1] += row["events"]
    first: dict[tuple[str, str], Event] = {}
    # By position, time, type, tenant, value and properties, of which texts are ordered by their bytes.
    for each in sorted(events, key=lambda each: (each[0], each[4], each[3].encode(), each[5], each[6].encode())):
        if each[0] <= last:
            first.setdefault((each[1], each[2]), each)
    wanted: dict[tuple[str, str | None, int], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for _, source, _, type_, time_us, nano, properties in first.values():
        if type_ == "sale" and -HOUR_US <= time_us < end_us:
            cell = wanted[f"t{source}", dimensions_of(meter, told_by(properties)), time_us // HOUR_US * HOUR_US]
            cell[0] += Decimal(nano).scaleb(-9)
            cell[1] += 1
    assert amounts == wanted


def metering(names: list[str]) -> Meter:
    return Meter.model_validate({"source": {"event": "sale"}, "aggregation": "sum", "unit": "one", "group_by": names})


def asked(events: list[Event], names: list[str], last: int, start_us: int, end_us: int) -> list[dict[str, Any]]:
    rows = [
        {
            "position": position,
            "origin": "o",
            "source": source,
            "id": id_,
            "type": type_,
            "tenant": f"t{source}",
            "time": time_us,
            "value": Decimal(value).scaleb(-9),
            "properties": properties,
        }
        for position, source, id_, type_, time_us, value, properties in events
    ]
    fields = {"position": pa.int64(), "time": pa.timestamp("us"), "value": pa.decimal128(38, 9)}
    names_of = ["position", "origin", "source", "id", "type", "tenant", "time", "value", "properties"]
    schema = pa.schema([(name, fields.get(name, pa.utf8())) for name in names_of])
    question, more = eventsums.sql(names)
    with duckdb.connect() as connection:
        connection.register("events", pa.Table.from_pylist(rows, schema=schema))
        span = [last, start_us, end_us]
        connection.register("many", connection.execute(eventsums.REPEATED, span).to_arrow_table())
        answer = connection.execute(question, [*span, "sale", *more])
        found: list[dict[str, Any]] = answer.to_arrow_table().to_pylist()
        return found

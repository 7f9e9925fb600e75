"""Blocks of events say the same as their lines one by one: in what is read, and in what is left."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.cloudevents import BadEvent, EventLog, parse_event
from collector.datastore.eventcolumns import EventColumns, EventReader
from meterbook.wire.sections import EVENTS
from tests.collector.datastore.test_layouts import edges

WHOLE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "a1",
    "source": "/gateway",
    "type": "request",
    "subject": "acme",
    "time": "2026-01-31T09:30:00Z",
    "data": {"value": 12.5, "region": "eu", "bytes": 10, "cold": True, "nothing": None},
    "tier": "gold",
}
TEXTS = st.text(max_size=5)
TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,7})?(Z|[+-]0[0-9]:00)",
        fullmatch=True,
    ),
    TEXTS,
)
NUMBERS = st.one_of(
    st.integers(-(10**31), 10**31),
    st.floats(),
    st.decimals(allow_nan=False, allow_infinity=False, places=10).map(str),
    st.sampled_from(["1e3", "-0", "0.10", "007", "12abc", "", None, True]),
)
MEMBERS = st.one_of(TEXTS, NUMBERS, st.lists(st.integers(), max_size=2), st.dictionaries(TEXTS, TEXTS, max_size=2))
LINES = st.builds(
    lambda changed, data, dropped, dense: json.dumps(
        {name: member for name, member in {**WHOLE, **changed, **data}.items() if name not in dropped},
        separators=(",", ":") if dense else None,
        ensure_ascii=False,
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "specversion": st.sampled_from(["1.0", "1.1", None, 1]),
            "id": TEXTS,
            "source": MEMBERS,
            "subject": MEMBERS,
            "time": TIMES,
            "dataschema": MEMBERS,
            "tier": MEMBERS,
            "region": MEMBERS,
            "data_base64": TEXTS,
        },
    ),
    st.one_of(
        st.just({}),
        MEMBERS.map(lambda data: {"data": data}),
        st.fixed_dictionaries({}, optional={"value": NUMBERS, "region": MEMBERS, "b": MEMBERS, "tier": MEMBERS}).map(
            lambda data: {"data": data}
        ),
    ),
    st.sets(st.sampled_from(sorted(WHOLE)), max_size=1),
    st.booleans(),
)


def read(lines: list[bytes], reader: EventReader | None = None) -> EventColumns:
    reader = reader or EventReader("s3/usage", "value")
    return reader.read(b"\n".join([*lines, b""]), *edges(lines))


def one_by_one(lines: list[bytes]) -> pa.Table:
    log = EventLog("s3/usage", parse_event)
    for line in lines:
        log.add(line, "here")
    return log.table()


def fits(line: bytes) -> bool:
    try:
        parse_event(line)
    except BadEvent:
        return False
    return True


@given(st.lists(LINES, min_size=1, max_size=6), st.data())
def test_the_same_as_line_by_line(texts: list[str], data: st.DataObject) -> None:
    lines = [text.encode("utf-8", "surrogatepass") for text in texts]
    if data.draw(st.booleans()):
        # A byte here and there is another one.
        number = data.draw(st.integers(0, len(lines) - 1))
        place = data.draw(st.integers(0, len(lines[number]) - 1))
        byte = data.draw(st.sampled_from(b'0x",:{}[] \\\x00\xff1.e-'))
        lines[number] = lines[number][:place] + bytes([byte]) + lines[number][place + 1 :]
    found = read(lines)
    assert sorted([*found.rows.tolist(), *found.left.tolist()]) == list(range(len(lines)))
    assert np.all(np.diff(found.rows) > 0)
    sure = [lines[row] for row in found.rows]
    assert all(fits(line) for line in sure)
    found.events.validate(full=True)
    assert found.events.equals(one_by_one(sure))


def test_usual_lines_are_read_at_once() -> None:
    lines = [
        json.dumps({**WHOLE, "id": str(number), "data": {"value": number / 8, "region": "eu"}, **more}).encode()
        for number in range(300)
        for more in ({}, {"subject": None}, {"tier": 7}, {"type": f"t{number}"})
    ]
    found = read(lines)
    assert not len(found.left)
    assert found.events.schema.equals(EVENTS)
    assert found.events.equals(one_by_one(lines))


@pytest.mark.parametrize(
    "odd",
    [
        b"no JSON",
        b"\xff",
        json.dumps({**WHOLE, "time": "2026-02-30T00:00:00Z"}).encode(),
        json.dumps({**WHOLE, "id": 'quoted " here'}).encode(),
        json.dumps({**WHOLE, "data": {"value": "1e3"}}).encode(),
    ],
)
def test_an_odd_line_leaves_the_others_as_they_are(odd: bytes) -> None:
    lines = [json.dumps({**WHOLE, "id": str(number)}).encode() for number in range(10)]
    lines.insert(4, odd)
    found = read(lines)
    assert 4 in found.left
    assert found.events.equals(one_by_one([lines[row] for row in found.rows]))


def test_nothing_at_all() -> None:
    found = read([])
    assert found.events.equals(EVENTS.empty_table())
    assert not len(found.rows) and not len(found.left)

"""The lines of a collection become events in their order, however each of them is read, and dead letters that say where they stood."""

from __future__ import annotations

import json
from typing import Any

from collector.datastore.eventcolumns import EventReader
from collector.datastore.records import Records
from meterbook.wire.sections import EVENTS
from tests.collector.datastore.test_layouts import edges


def line(number: int, **more: Any) -> bytes:
    return json.dumps({"id": str(number), "source": "s", "type": "t", "time": "2026-01-31T09:30:00Z", **more}).encode()


def test_events_keep_the_order_of_their_lines() -> None:
    lines = Records(EventReader("logfile/x", "value"))
    first = [
        line(0),
        line(1, subject='"'),
        b"",
        line(2),
        b"no JSON",
        line(3, time="2026-01-31T10:30:00+01:00"),
        line(4),
    ]
    second = [line(5, subject="\\"), line(6)]
    lines.add(b"\n".join([*first, b""]), *edges(first), "a:{}".format)
    lines.add(b"\n".join([*second, b""]), *edges(second), "b:{}".format, {99: (b"xxx", "too long")})
    table = lines.table()
    assert table.schema.equals(EVENTS)
    assert table["id"].to_pylist() == [str(number) for number in range(7)]
    assert table["subject"].to_pylist() == ["", '"', "", "", "", "\\", ""]
    assert len(set(table["time"].to_pylist())) == 1
    assert [(letter.source, letter.place, letter.document) for letter in lines.letters] == [
        ("logfile/x", f"a:{sum(len(each) + 1 for each in first[:4])}", "no JSON"),
        ("logfile/x", "b:99", "xxx"),
    ]


def test_no_lines_are_no_events() -> None:
    assert Records(EventReader("logfile/x", "value")).table().equals(EVENTS.empty_table())

"""Lines as events: what each field becomes, and why a line is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.datastore.cloudevents import BadEvent, Event, EventLog, exact, parse_event
from meterbook.wire.instants import parse
from meterbook.wire.sections import EVENTS

WHOLE: dict[str, Any] = {"id": "a1", "source": "/gateway", "type": "request", "time": "2026-01-31T09:30:00+01:00"}


def line(**members: Any) -> bytes:
    """A line with the members given; None removes one."""
    return json.dumps({name: member for name, member in {**WHOLE, **members}.items() if member is not None}).encode()


def with_value(text: str) -> bytes:
    """A line whose data has this value, written so."""
    return line(data={"value": 0}).replace(b'"value": 0', b'"value": ' + text.encode())


def test_an_event() -> None:
    event = parse_event(
        b'{"specversion": "1.0", "id": "a1", "source": "/gateway", "type": "api.request", "subject": "acme",'
        b' "time": "2026-01-31T09:30:00.5Z", "datacontenttype": "application/json", "dataschema": "urn:x",'
        b' "data": {"value": 12.50, "region": "eu", "bytes": 10, "rate": 1.50, "cold": true, "nothing": null,'
        b' "path": {"b": [1, 2.50, null], "a": "\xc3\xa9"}, "tier": "data"}, "tier": "gold", "traceparent": "00-1"}'
    )
    properties = event.properties
    assert event == Event(
        source="/gateway",
        id="a1",
        type="api.request",
        subject="acme",
        time_us=parse("2026-01-31T09:30:00.5Z"),
        value=Decimal("12.5"),
        properties=properties,
    )
    assert json.loads(properties) == {
        "region": "eu",
        "bytes": "10",
        "rate": "1.50",
        "cold": "true",
        "path": '{"a":"é","b":[1,2.50,null]}',
        "tier": "data",
        "ce_tier": "gold",
        "traceparent": "00-1",
    }


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0", "0"),
        ("-0.0", "0"),
        ("0.1", "0.1"),
        ("1e2", "100"),
        ("-12.5", "-12.5"),
        ('"7.25"', "7.25"),
        ('"+7"', "7"),
        ("0.123456789", "0.123456789"),
        ("0.1234567890000", "0.123456789"),
        ("12345678901234567890123456789.987654321", "12345678901234567890123456789.987654321"),
        ("1e28", "1" + "0" * 28),
        ("100e-11", "0.000000001"),
    ],
)
def test_values_are_exact(written: str, value: str) -> None:
    log = EventLog("logfile/x", parse_event)
    log.add(with_value(written), "x:0")
    assert log.letters == []
    (row,) = log.table().to_pylist()
    assert row["value"] == Decimal(value)


def test_an_event_without_a_value_counts_one() -> None:
    assert parse_event(line()).value == parse_event(line(data={"bytes": 5})).value == Decimal(1)
    assert parse_event(line(data={"bytes": 5}), "bytes").value == Decimal(5)
    assert parse_event(line(data={"bytes": 5}), "bytes").properties == "{}"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"GET / HTTP/1.1", r"the line is not JSON that can be read \(Expecting value"),
        (b"[" * 100_000, "the line is not JSON that can be read"),
        (b'{"a": 1e9999999999999999999}', "the line is not JSON that can be read"),
        (b"\xff\xfe", "the line is not UTF-8 at its byte 0"),
        (b"[1]", "the line is a list, not a JSON object"),
        (b"17", "the line is 17, not a JSON object"),
        (line(id=None), "^id is missing$"),
        (line(source=None), "^source is missing$"),
        (line(type=None), "^type is missing$"),
        (line(time=None), "^time is missing$"),
        (line(id=7), "^id 7 is not a text"),
        (line(id=""), '^id "" is not a text'),
        (line(subject=["a"]), "^subject a list is not a text"),
        (line(time="yesterday"), "^time 'yesterday' is not an RFC 3339 time"),
        (line(time="2026-01-31T09:30:00"), "^time '2026-01-31T09:30:00' has no offset"),
        (line(time="2026-02-30T09:30:00Z"), "^time .* is not a time: day is out of range"),
        (line(time="0000-01-01T00:00:00Z"), "^time .* is not a time: year 0 is out of range"),
        (line(time="9999-12-31T23:59:59-01:00"), "^time .* is outside the years 1 to 9999 in UTC"),
        (line(time="0001-01-01T00:00:00+01:00"), "^time .* is outside the years 1 to 9999 in UTC"),
        (line(specversion="0.3"), '^specversion "0.3" is not 1.0'),
        (line(specversion=1.0), "^specversion 1.0 is not 1.0"),
        (line(data=[1]), "^data a list is not an object"),
        (line(data="text"), '^data "text" is not an object'),
        (line(data_base64="aGk="), "^data_base64 is binary"),
        (line(id="\ud800"), "^half a surrogate pair"),
        (line(data={"x": {"y": "\udfff"}}), "^half a surrogate pair"),
        (with_value("NaN"), "^NaN is no JSON number"),
        (with_value("-Infinity"), "^-Infinity is no JSON number"),
        (with_value('"NaN"'), '^value "NaN" is not a number'),
        (with_value('"1_000"'), '^value "1_000" is not a number'),
        (with_value('" 1"'), '^value " 1" is not a number'),
        (with_value('"\u0661"'), "^value .* is not a number"),
        (with_value("true"), "^value true is not a number"),
        (with_value("null"), "^value null is not a number"),
        (with_value("[1]"), "^value a list is not a number"),
        (with_value("0.1234567891"), "^value 0.1234567891 has more than 9 digits after the point"),
        (with_value("1e-400000"), "^value 1E-400000 has more than 9 digits after the point"),
        (with_value("1e29"), r"^value 1E\+29 has more than 29 digits before the point"),
        (with_value("9" * 5000), "^value of many digits has more than 29 digits before the point"),
    ],
)
def test_a_line_that_is_no_event_is_kept_with_its_reason(raw: bytes, reason: str) -> None:
    log = EventLog("logfile/x", parse_event)
    log.add(line(id="before"), "x:0")
    log.add(raw, "x:77")
    log.add(line(id="after"), "x:99")
    assert log.table()["id"].to_pylist() == ["before", "after"]
    (letter,) = log.letters
    assert (letter.source, letter.place) == ("logfile/x", "x:77")
    assert letter.document == raw.decode("utf-8", "replace")[:4096]
    letter.reason.encode()
    with pytest.raises(BadEvent, match=reason):
        parse_event(raw)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2027-06-01"])
def test_times_far_away_are_left_to_the_ledger(time: str) -> None:
    log = EventLog("logfile/x", parse_event)
    log.add(line(time=time), "x:0")
    assert log.letters == []
    assert log.table()["time"].cast("int64").to_pylist() == [parse(time)]


def test_white_space_is_no_line() -> None:
    log = EventLog("logfile/x", parse_event)
    for text in (b"", b"  ", b"\r"):
        log.add(text, "x:0")
    log.add(b"\xef\xbb\xbf" + line() + b"\r", "x:0")
    assert (len(log.events), log.letters) == (1, [])


def test_the_table_is_of_the_wire() -> None:
    assert EventLog("x", parse_event).table().schema.equals(EVENTS)
    assert EventLog("x", parse_event).table().num_rows == 0


@given(st.decimals(allow_nan=False, allow_infinity=False))
@example(Decimal("1E+28"))
def test_a_number_is_exact_or_refused(number: Decimal) -> None:
    try:
        assert exact(number, "value") == number
    except BadEvent:
        assert number.adjusted() >= 29 or (Fraction(number) * 10**9).denominator != 1


@given(st.binary())
def test_any_bytes_are_a_line(raw: bytes) -> None:
    log = EventLog("logfile/x", parse_event)
    log.add(raw, "x:0")
    assert len(log.events) + len(log.letters) <= 1
    log.table().validate(full=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(["id", "source", "time", "data", "subject", "extra", "specversion"]), JSON),
    st.dictionaries(st.sampled_from(["value", "x"]), JSON),
)
def test_any_json_is_a_line(members: dict[str, Any], data: dict[str, Any]) -> None:
    for document in ({**WHOLE, **members}, {**WHOLE, "data": data}):
        log = EventLog("logfile/x", parse_event)
        log.add(json.dumps(document).encode(), "x:0")
        assert len(log.events) + len(log.letters) == 1
        log.table().validate(full=True)

"""Lines that an expression takes apart become events: in columns as one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.cloudevents import BadEvent
from collector.datastore.mapping.reader import form_of
from tests.collector.datastore.mapping.declared import certain, check_both_ways, config, event_of

#: An access log as web servers write it.
PATTERN = (
    r'(?P<who>\S+) \S+ \S+ \[(?P<at>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>[^" ]*)[^"]*" (?P<status>\d{3}) (?P<amount>\d+|-)'
    r'(?: "(?P<agent>[^"]*)")?'
)
ACCESS = config(
    records={"format": "regex", "pattern": PATTERN},
    time={"field": "at", "form": "%d/%b/%Y:%H:%M:%S %z"},
    id=None,
    source={"const": "/web"},
    skip=[{"field": "method", "equals": ["OPTIONS"]}],
)
LINES = st.builds(
    '{} - - [{:02d}/Jan/2026:10:30:{:02d} +0100] "{} /{} HTTP/1.1" {} {}{}'.format,
    st.sampled_from(["acme", "é", "", "a b"]),
    st.integers(1, 32),
    st.integers(0, 61),
    st.sampled_from(["GET", "OPTIONS", "get"]),
    st.text(max_size=3),
    st.sampled_from([200, 20]),
    st.sampled_from([17, 0, "-", "9" * 30]),
    st.sampled_from(["", ' "curl"', ' "a\\b\x01"', "\r", " "]),
)


@given(st.lists(st.one_of(LINES, st.text(max_size=5)).map(lambda text: text.replace("\n", "")), min_size=1, max_size=6))
def test_a_block_says_what_its_lines_say(lines: list[str]) -> None:
    check_both_ways(ACCESS, [line.encode() for line in lines])


def test_usual_lines_are_read_at_once() -> None:
    line = '10.0.0.%d - - [31/Jan/2026:10:30:00 +0100] "%s /a?b HTTP/1.1" 200 %d%s'
    lines = [
        (line % (number, method, number, agent)).encode()
        for number in range(50)
        for method in ("GET", "OPTIONS")
        for agent in ("", ' "curl/8 (\\x)"')
    ]
    check_both_ways(ACCESS, lines)
    assert certain(ACCESS, lines) == len(lines)


def test_a_line_that_does_not_match_says_so() -> None:
    form = form_of(ACCESS)
    for line in (b"GET /", b'a - - [now] "GET / HTTP/1.1" 200 1 and more'):
        with pytest.raises(BadEvent, match=r"^the line .* is not what the pattern of the records matches$"):
            form.record(line)
    with pytest.raises(BadEvent, match=r"^the line is not UTF-8 at its byte 1$"):
        form.record(b"a\xff")


def test_one_line_that_is_no_text_leaves_the_others_as_they_are() -> None:
    good = b'acme - - [31/Jan/2026:10:30:00 +0100] "GET / HTTP/1.1" 200 17'
    check_both_ways(ACCESS, [good, b"\xff" + good, good])


def test_no_line_takes_longer_than_its_length() -> None:
    mapping = config(
        records={"format": "regex", "pattern": r"(?P<at>(?:a*)*b)(?P<key>.)(?P<who>.)(?P<amount>.)(?P<from>.)"}
    )
    check_both_ways(mapping, [b"a" * 50_000])


def test_groups_are_fields() -> None:
    record = form_of(ACCESS).record(b'acme - - [31/Jan/2026:10:30:00 +0100] "GET /x HTTP/1.1" 200 17')
    assert record == {
        "who": "acme",
        "at": "31/Jan/2026:10:30:00 +0100",
        "method": "GET",
        "path": "/x",
        "status": "200",
        "amount": "17",
        "agent": "",
    }
    event = event_of(
        dict(record), time={"field": "at", "form": "%d/%b/%Y:%H:%M:%S %z"}, id=None, source={"const": "/web"}
    )
    assert event is not None
    assert (event.id, event.subject, event.value) == ("place#7", "acme", 17)

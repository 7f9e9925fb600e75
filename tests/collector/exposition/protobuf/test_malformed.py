"""Bytes that are no page: refused as a whole, with what is wrong and where, in bounded time and memory."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import PermanentError, SourceError, TransientError
from collector.exposition.heads import HeadError, parse_head
from collector.exposition.page import Page
from collector.exposition.protobuf.fields import FIELDS_MAX
from collector.exposition.reader import PageReader
from tests.fakes import metric_messages as messages
from tests.fakes.metric_messages import field

LONG = b"\xff" * 9 + b"\x01"
TOO_LONG = b"\xff" * 9 + b"\x02"


def read(body: bytes, samples_max: int = 10_000) -> None:
    PageReader("target", samples_max).read(Page(body, "protobuf"))


def family(metric: bytes, type: int = messages.GAUGE) -> bytes:
    """A page of one family with one metric; the metric begins at byte 8."""
    return messages.delimited([field(1, b"a") + field(3, type) + field(4, metric)])


def gauge(content: bytes) -> bytes:
    """A page of one gauge, whose message has this content."""
    return family(field(2, content))


def histogram(content: bytes) -> bytes:
    return family(field(7, content), messages.HISTOGRAM)


FINE = family(field(1, field(1, b"a") + field(2, b"b")) + field(2, field(1, 1.0)) + field(6, 5))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x80", r"byte 0 begins the length of a family, which is cut off"),
        (b"\x05\x0a", r"byte 0 begins a family of 5 bytes, of which there are 1"),
        (FINE + FINE[:-1], r"byte \d+ begins a family of \d+ bytes, of which there are \d+"),
        (b"\xff\xff\xff\xff\x7f", r"begins a family of 34359738367 bytes"),
        (LONG + b"\x0a", r"begins a family of 18446744073709551615 bytes, of which there are 1"),
    ],
)
def test_a_page_without_its_end_was_cut_off(body: bytes, reason: str) -> None:
    with pytest.raises(TransientError, match=f"^target answered a page that was cut off: .*{reason}"):
        read(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (TOO_LONG, "byte 0 begins a varint of more than 64 bits"),
        (b"\xff" * 11, "byte 0 begins a varint of more than 64 bits"),
        (b"<html><body>no</body></html>" * 4, "byte 1 begins a group|wire type"),
        (messages.delimited([b"\x0a\x05a"]), "byte 1 begins a field that is longer than the family around it"),
        (messages.delimited([b"\x0a\xff"]), "byte 2 begins a varint that is cut off"),
        (messages.delimited([b"\x22"]), "byte 2 begins a varint that is cut off"),
        (messages.delimited([b"\x22\x85"]), "byte 2 begins a varint that is cut off"),
        (messages.delimited([b"\x22\x85\x01"]), "byte 1 begins a field that is longer than the family around it"),
        (messages.delimited([field(1, 3)]), "byte 1 begins name of a MetricFamily with wire type 0, not 2"),
        (messages.delimited([field(3, b"x")]), "byte 1 begins type of a MetricFamily with wire type 2, not 0"),
        (messages.delimited([b"\x25\0\0\0\0"]), "byte 1 begins metric of a MetricFamily with wire type 5, not 2"),
        (messages.delimited([b"\x0b\x0c"]), "byte 1 begins or ends a group, which no page has, in a MetricFamily"),
        (messages.delimited([b"\x02\x00"]), "byte 1 begins a field numbered 0 in a MetricFamily"),
        (messages.delimited([b"\x0f"]), "byte 1 begins a field of wire type 7, in a MetricFamily"),
        (messages.delimited([b"\x99\x06\0"]), "byte 1 begins a field that is longer than the family around it"),
        (messages.delimited([field(4, b"")]), "byte 0 begins a family with no name"),
        (messages.delimited([field(1, b"\xff") + field(4, b"")]), "byte 0 begins a family with a name or unit that is"),
        (messages.delimited([field(1, b"a") + field(5, b"\xff") + field(4, b"")]), r"not UTF-8: b'a' b'\\xff'"),
        (messages.delimited([field(1, b"a") + field(2, b"\xff") + field(4, b"")]), "byte 1 begins a family whose help"),
        (family(b"", 9), "byte 0 begins the family 'a' of the unknown type 9"),
        (family(b""), "byte 8 begins a metric without the value of its type, which is gauge"),
        (family(b"\x13\x14"), "byte 8 begins or ends a group, which no page has, in a Metric"),
        (family(b"\x13" * 99), "byte 8 begins or ends a group, which no page has, in a Metric"),
        (family(b"\x02\x00"), "byte 8 begins a field numbered 0 in a Metric"),
        (family(b"\x12\x05"), "byte 8 begins a field that is longer than the message around it"),
        (family(b"\x12" + LONG), "byte 8 begins a field that is longer than the message around it"),
        (family(b"\x12" + TOO_LONG), "byte 9 begins a varint of more than 64 bits"),
        (family(b"\x12" + b"\xff" * 11), "byte 9 begins a varint of more than 64 bits"),
        (family(b"\x80"), "byte 8 begins a varint that is cut off"),
        (family(field(2, b"") + field(6, b"")), "begins timestamp_ms of a Metric with wire type 2, not 0"),
        (family(field(2, b"") + field(2, b"")), "byte 10 begins another gauge in the same Metric"),
        (family(field(2, b"") + field(6, 2**63)), "gives the time -9223372036854775808 ms, which is beyond the year"),
        (family(field(2, b"") + field(6, 10**15 + 1)), "gives the time 1000000000000001 ms, which is beyond the year"),
        (gauge(b"\x09\0\0\0"), "byte 10 begins a field that is longer than the message around it"),
        (gauge(b"\x0d\0\0\0\0"), "byte 10 begins value of a Gauge with wire type 5, not 1"),
        (gauge(b"\x08\x01"), "byte 10 begins value of a Gauge with wire type 0, not 1"),
        (family(field(1, field(1, b"\xff")) + field(2, b"")), r"byte 12 begins a label's name that is not UTF-8"),
        (
            family(field(1, field(1, b"a") + field(2, b"b\xc3")) + field(2, b"")),
            r"byte 15 begins a label's value that is not UTF-8: b'b\\xc3'",
        ),
        (family(field(1, b"\x0a\x09a") + field(2, b"")), "byte 10 begins a field that is longer than the message"),
        (family(field(3, field(2, field(1, b"\x0a\x03"))), messages.COUNTER), "longer than the message around it"),
        (family(field(3, field(3, field(1, b""))), messages.COUNTER), "begins seconds of a Timestamp with wire type 2"),
        (family(field(3, field(3, b"") * 2), messages.COUNTER), "begins another created_timestamp in the same Counter"),
        (family(field(4, field(3, field(1, 1))), messages.SUMMARY), "begins quantile of a Quantile with wire type 0"),
        (histogram(field(3, field(1, 1.0))), "begins cumulative_count of a Bucket with wire type 1, not 0"),
        (histogram(field(12, b"\x0b")), "begins or ends a group, which no page has, in a BucketSpan"),
        (histogram(field(16, field(3, b"\x80"))), "begins a varint that is cut off"),
        (histogram(field(3, field(3, b"\x08\x01"))), "begins label of a Exemplar with wire type 0"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(body: bytes, reason: str) -> None:
    with pytest.raises(
        PermanentError, match=f"^target answered what is no page of metrics in protobuf: .*(?:{reason})"
    ):
        read(body)


def test_an_empty_page_is_no_page() -> None:
    with pytest.raises(PermanentError, match=r"^target answered an empty page$"):
        read(b"")


@pytest.mark.parametrize("cut", range(1, len(FINE)))
def test_no_cut_goes_unnoticed(cut: int) -> None:
    with pytest.raises(TransientError, match="cut off"):
        read(FINE[:cut])


def test_a_page_that_failed_changes_nothing() -> None:
    reader = PageReader("target", 10)
    first = reader.read(Page(FINE, "protobuf"))
    for body in (FINE[:-1], family(b"")):
        with pytest.raises(SourceError):
            reader.read(Page(body, "protobuf"))
    assert reader.read(Page(FINE, "protobuf")).layout is first.layout


NEST = field(7, b"")
for _ in range(500):
    NEST = field(7, NEST)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (family(field(1, b"") * (FIELDS_MAX + 1) + field(2, b"")), f"beyond the {FIELDS_MAX} fields that a Metric may"),
        (histogram(b"\x68\x02" * 1_000_000), f"is beyond the {FIELDS_MAX} fields that a Histogram may have"),
        (messages.delimited([field(1, b"a") + field(4, b"") * 1_000_000]), "exposes more than samples_max 10000 samp"),
        (histogram(field(3, b"") * 4_000) * 3, "exposes more than samples_max 10000 samples"),
        (b"\0" * 1_000_000, "exposes more families than samples_max 10000$"),
        (family(field(1, field(2, b"x" * 100_000)) + field(7, field(3, b"") * 4_000), 4), "repeats the labels of hist"),
        (NEST, "begins a field|begins or ends a group|cut off|wire type"),
    ],
    ids=["fields", "deltas", "metrics", "buckets", "families", "labels", "nest"],
)
def test_a_hostile_page_takes_little_memory(body: bytes, reason: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=reason):
            read(body)
        assert tracemalloc.get_traced_memory()[1] < 16 * len(body) + (8 << 20)
    finally:
        tracemalloc.stop()


@given(
    cuts=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=4)), max_size=4),
    native=st.booleans(),
)
@settings(deadline=None)
def test_any_bytes_are_a_page_or_a_source_error(cuts: list[tuple[int, int, bytes]], native: bool) -> None:
    """A valid page with some bytes put in the place of others."""
    counter = messages.family("jobs_total", messages.COUNTER, help="Jobs.")
    one = messages.metric(counter, {"queue": "mail"}, time_ms=5)
    one.counter.value = 3
    one.counter.exemplar.label.add(name="trace_id", value="x")
    one.counter.created_timestamp.seconds = 17
    lat = messages.family("lat", messages.HISTOGRAM, unit="seconds")
    messages.metric(lat, {"path": "/"}).histogram.bucket.add(upper_bound=1, cumulative_count=300)
    if native:
        lat.metric[0].histogram.positive_span.add(offset=1, length=1)
        lat.metric[0].histogram.positive_delta.append(-1)
    body = messages.delimited([counter, lat])
    reader = PageReader("target", 100)
    reader.read(Page(body, "protobuf"))
    for place, taken, put in cuts:
        body = body[:place] + put + body[place + taken :]
    try:
        found = reader.read(Page(body, "protobuf"))
    except SourceError:
        with pytest.raises(SourceError, match=r"^target "):
            read(body)
        return
    fresh = PageReader("target", 100).read(Page(body, "protobuf"))
    assert found.values.tobytes() == fresh.values.tobytes()
    assert found.layout.heads.equals(fresh.layout.heads)
    for head in fresh.layout.heads.to_pylist():
        # A label may have no name, or be there twice.
        with suppress(HeadError):
            parse_head(head)

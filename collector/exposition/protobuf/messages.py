"""The messages of a page, as ``io/prometheus/client/metrics.proto`` of prometheus/client_model numbers them.

A page is a sequence of MetricFamily messages, each behind its length (``encoding=delimited``). This table, and not code
made by protoc, is what pages are read with:

* Generated code makes an object of every message, each label of a hundred thousand series among them, only to have its few bytes
  looked at and thrown away: microseconds a series at every scrape, where the columns that are read here need a tenth of one.
* It cannot tell where in the page a number stood. That is what lets the next page be taken as it is: everything but the numbers
  is compared, and the numbers are picked up from their places.
* It takes any number of messages into memory before the first limit can be applied.
* Its package would be called ``io``, which in Python is another.

The types are held to: a known field of another wire type fails the page, as it does in Prometheus. Fields that are not known are
skipped. ``start_timestamp`` is the newer name of ``created_timestamp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from collector.exposition.protobuf.malformed import Malformed

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_GROUPS = (3, 4)
#: Bytes of what has a fixed length.
FIXED = {FIXED64: 8, FIXED32: 4}


class MetricType(IntEnum):
    """The type of a family."""

    COUNTER = 0
    GAUGE = 1
    SUMMARY = 2
    UNTYPED = 3
    HISTOGRAM = 4
    GAUGE_HISTOGRAM = 5


@dataclass(frozen=True)
class Field:
    """A field: the wire types it may have, and the message that it holds, if it holds one."""

    name: str
    wires: tuple[int, ...]
    message: Message | None = None


@dataclass(frozen=True)
class Message:
    """A message: its fields by number. ``single`` are messages that may stand in it only once."""

    name: str
    fields: Mapping[int, Field] = field(repr=False)
    single: frozenset[str] = frozenset()


def _message(name: str, fields: Mapping[int, Field], single: tuple[str, ...] = ()) -> Message:
    return Message(name, fields, frozenset(single))


def _varint(name: str) -> Field:
    return Field(name, (VARINT,))


def _double(name: str) -> Field:
    return Field(name, (FIXED64,))


def _text(name: str) -> Field:
    return Field(name, (LENGTH,))


def _of(name: str, message: Message) -> Field:
    return Field(name, (LENGTH,), message)


TIMESTAMP = _message("Timestamp", {1: _varint("seconds"), 2: _varint("nanos")})
LABEL = _message("LabelPair", {1: _text("name"), 2: _text("value")})
EXEMPLAR = _message(
    "Exemplar", {1: _of("label", LABEL), 2: _double("value"), 3: _of("timestamp", TIMESTAMP)}, ("timestamp",)
)
_COUNTER = _message(
    "Counter",
    {1: _double("value"), 2: _of("exemplar", EXEMPLAR), 3: _of("created_timestamp", TIMESTAMP)},
    ("exemplar", "created_timestamp"),
)
QUANTILE = _message("Quantile", {1: _double("quantile"), 2: _double("value")})
_SUMMARY = _message(
    "Summary",
    {
        1: _varint("sample_count"),
        2: _double("sample_sum"),
        3: _of("quantile", QUANTILE),
        4: _of("created_timestamp", TIMESTAMP),
    },
    ("created_timestamp",),
)
BUCKET = _message(
    "Bucket",
    {
        1: _varint("cumulative_count"),
        2: _double("upper_bound"),
        3: _of("exemplar", EXEMPLAR),
        4: _double("cumulative_count_float"),
    },
    ("exemplar",),
)
SPAN = _message("BucketSpan", {1: _varint("offset"), 2: _varint("length")})
_HISTOGRAM = _message(
    "Histogram",
    {
        1: _varint("sample_count"),
        2: _double("sample_sum"),
        3: _of("bucket", BUCKET),
        4: _double("sample_count_float"),
        5: _varint("schema"),
        6: _double("zero_threshold"),
        7: _varint("zero_count"),
        8: _double("zero_count_float"),
        9: _of("negative_span", SPAN),
        10: Field("negative_delta", (VARINT, LENGTH)),
        11: Field("negative_count", (FIXED64, LENGTH)),
        12: _of("positive_span", SPAN),
        13: Field("positive_delta", (VARINT, LENGTH)),
        14: Field("positive_count", (FIXED64, LENGTH)),
        15: _of("created_timestamp", TIMESTAMP),
        16: _of("exemplars", EXEMPLAR),
    },
    ("created_timestamp",),
)
_VALUE = {1: _double("value")}

METRIC = _message(
    "Metric",
    {
        1: _of("label", LABEL),
        2: _of("gauge", _message("Gauge", _VALUE)),
        3: _of("counter", _COUNTER),
        4: _of("summary", _SUMMARY),
        5: _of("untyped", _message("Untyped", _VALUE)),
        6: _varint("timestamp_ms"),
        7: _of("histogram", _HISTOGRAM),
    },
    ("gauge", "counter", "summary", "untyped", "histogram"),
)
FAMILY = _message(
    "MetricFamily",
    {1: _text("name"), 2: _text("help"), 3: _varint("type"), 4: _of("metric", METRIC), 5: _text("unit")},
)


def check_tag(message: Message, number: int, wire: int, at: int) -> None:
    """Raise Malformed where a message can have no field of this number and wire type."""
    if number == 0:
        raise Malformed(at, f"begins a field numbered 0 in a {message.name}")
    if wire not in (VARINT, FIXED64, LENGTH, FIXED32):
        what = "begins or ends a group, which no page has" if wire in _GROUPS else f"begins a field of wire type {wire}"
        raise Malformed(at, f"{what}, in a {message.name}")
    known = message.fields.get(number)
    if known is not None and wire not in known.wires:
        raise Malformed(at, f"begins {known.name} of a {message.name} with wire type {wire}, not {known.wires[0]}")

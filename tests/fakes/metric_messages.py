"""The messages of ``io/prometheus/client/metrics.proto``, encoded by the protobuf library.

An oracle for the reader of such pages: what is written here by somebody else's code has to be read by ours. The messages are declared
at run time, since generated code would need a package called ``io``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

CONTENT_TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM = range(6)

_PACKAGE = "io.prometheus.client"
_SCALARS = {
    kind: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind.upper()}")
    for kind in ("double", "uint64", "sint64", "int64", "sint32", "uint32", "string")
}
#: A star stands for repeated fields; what is no scalar is a message.
_MESSAGES = {
    "LabelPair": "name=1 string, value=2 string",
    "Gauge": "value=1 double",
    "Exemplar": "label=1 LabelPair*, value=2 double, timestamp=3 Timestamp",
    "Counter": "value=1 double, exemplar=2 Exemplar, created_timestamp=3 Timestamp",
    "Quantile": "quantile=1 double, value=2 double",
    "Summary": "sample_count=1 uint64, sample_sum=2 double, quantile=3 Quantile*, created_timestamp=4 Timestamp",
    "Untyped": "value=1 double",
    "BucketSpan": "offset=1 sint32, length=2 uint32",
    "Bucket": "cumulative_count=1 uint64, upper_bound=2 double, exemplar=3 Exemplar, cumulative_count_float=4 double",
    "Histogram": (
        "sample_count=1 uint64, sample_sum=2 double, bucket=3 Bucket*, sample_count_float=4 double, schema=5 sint32,"
        "zero_threshold=6 double, zero_count=7 uint64, zero_count_float=8 double, negative_span=9 BucketSpan*,"
        "negative_delta=10 sint64*, negative_count=11 double*, positive_span=12 BucketSpan*, positive_delta=13 sint64*,"
        "positive_count=14 double*, created_timestamp=15 Timestamp, exemplars=16 Exemplar*"
    ),
    "Metric": (
        "label=1 LabelPair*, gauge=2 Gauge, counter=3 Counter, summary=4 Summary, untyped=5 Untyped, timestamp_ms=6 int64,"
        "histogram=7 Histogram"
    ),
    "MetricFamily": "name=1 string, help=2 string, type=3 MetricType, metric=4 Metric*, unit=5 string",
}


def _declared() -> type[Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="metrics.proto", package=_PACKAGE, syntax="proto2", dependency=["google/protobuf/timestamp.proto"]
    )
    kinds = file.enum_type.add(name="MetricType")
    for number, name in enumerate(("COUNTER", "GAUGE", "SUMMARY", "UNTYPED", "HISTOGRAM", "GAUGE_HISTOGRAM")):
        kinds.value.add(name=name, number=number)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split(","):
            place, kind = field.split()
            label, number = place.split("=")
            one = message.field.add(name=label, number=int(number), label=3 if kind.endswith("*") else 1)
            kind = kind.rstrip("*")
            if kind in _SCALARS:
                one.type = _SCALARS[kind]
                continue
            one.type = one.TYPE_ENUM if kind == "MetricType" else one.TYPE_MESSAGE
            one.type_name = ".google.protobuf.Timestamp" if kind == "Timestamp" else f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.MetricFamily"))


MetricFamily: Any = _declared()


def family(name: str, type: int, **fields: Any) -> Any:
    """A family without metrics yet."""
    return MetricFamily(name=name, type=type, **fields)


def metric(family: Any, labels: dict[str, str] | None = None, time_ms: int | None = None) -> Any:
    """A metric of a family, to be filled in."""
    one = family.metric.add(timestamp_ms=time_ms)
    for name, value in (labels or {}).items():
        one.label.add(name=name, value=value)
    return one


def varint(number: int) -> bytes:
    """A varint."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def field(number: int, content: bytes | int | float) -> bytes:
    """One field: bytes with their length, an integer as a varint, a float as a double."""
    if isinstance(content, bytes):
        return varint(number << 3 | 2) + varint(len(content)) + content
    if isinstance(content, float):
        return varint(number << 3 | 1) + struct.pack("<d", content)
    return varint(number << 3) + varint(content)


def delimited(families: Iterable[Any]) -> bytes:
    """Families as a page; bytes are taken for an encoded one."""
    page = b""
    for one in families:
        body = one if isinstance(one, bytes) else one.SerializeToString()
        page += varint(len(body)) + body
    return page

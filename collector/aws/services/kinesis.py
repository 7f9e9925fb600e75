"""Kinesis streams: how many shards are open."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import SHARDS, Resource, Service, labels, measures, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for name in ask.each("list_streams", "StreamNames", 1_000):
        answer = ask.one("describe_stream_summary", "ResourceNotFoundException", StreamName=name)
        if answer is None:
            continue
        stream = answer["StreamDescriptionSummary"]
        yield Resource(
            "kinesis:stream",
            name,
            stream["StreamARN"],
            labels(mode=stream.get("StreamModeDetails", {}).get("StreamMode")),
            measures((SHARDS, stream.get("OpenShardCount"))),
            began_us=time_us(stream.get("StreamCreationTimestamp")),
        )


_SUMMARY = Operation("kinesis", "DescribeStreamSummary", "kinesis:DescribeStreamSummary")
service = Service(
    "kinesis",
    (
        Grant((Operation("kinesis", "ListStreams", "kinesis:ListStreams"),)),
        Grant((_SUMMARY,), ("arn:aws:kinesis:*:*:stream/*",)),
    ),
    _resources,
    tagged_as=("kinesis:stream",),
)

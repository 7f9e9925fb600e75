"""SQS queues, which a listing tells of by their addresses alone: ``https://<host>/<account>/<name>``."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import Resource, Service, labels


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for url in ask.each("list_queues", "QueueUrls", 1_000):
        name = url.rpartition("/")[2]
        kind = "fifo" if name.endswith(".fifo") else "standard"
        yield Resource("sqs:queue", name, ask.where.arn("sqs", name), labels(kind=kind))


service = Service("sqs", (Grant((Operation("sqs", "ListQueues", "sqs:ListQueues"),)),), _resources, tagged_as=("sqs",))

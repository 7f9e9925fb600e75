"""Collects from a fake CloudWatch as the agent does, and keeps what is told as the ledger does: the first of an identity, for ever."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agent.inspection import inspect
from collector.account.session import Account
from collector.aws.cloudwatch.collector import CloudwatchCollector
from collector.aws.cloudwatch.config import CloudwatchConfig
from collector.readings import Checkpoint, Coverage, DeadLetter, Readings, Window
from tests.collector.conftest import series_of
from tests.fakes.aws.cloudwatch import FakeCloudWatch
from tests.fakes.aws.server import AwsServer

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
#: A midnight.
BEGIN = 1_767_225_600 * SECOND

INVOCATIONS = {"namespace": "AWS/Lambda", "metrics": ["Invocations"], "dimensions": {"FunctionName": "checkout"}}
CHECKOUT = {"FunctionName": "checkout"}


@dataclass
class Book:
    """What was accepted."""

    events: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    samples: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    coverage: list[Coverage] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def accept(self, readings: Readings) -> None:
        for event in readings.events.to_pylist():
            self.events.setdefault((event["source"], event["id"]), event)
        defined = series_of(readings)
        for row in readings.samples.to_pylist():
            one = defined[row["series_id"]]
            held = self.samples.setdefault((one.metric, one.labels), {})
            time_us = round(row["time"].timestamp() * SECOND)
            if math.isnan(held.get(time_us, math.nan)):
                held[time_us] = row["value"]
        self.coverage += readings.coverage
        self.letters += readings.dead_letters

    def amounts(self, event_type: str) -> dict[int, Decimal]:
        """Values of events by their time."""
        found: dict[int, Decimal] = {}
        for event in self.events.values():
            if event["type"] == event_type:
                time_us = round(event["time"].timestamp() * SECOND)
                found[time_us] = found.get(time_us, Decimal(0)) + event["value"]
        return found

    def levels(self, metric: str, labels: str | None = None) -> Iterator[tuple[int, int, float]]:
        """From when until when a gauge is held at which value, -1 for what is held still; of all labels, or of some."""
        for (name, told), samples in self.samples.items():
            times = sorted(samples)
            for time_us, next_us in zip(times, [*times[1:], -1], strict=True):
                if name == metric and labels in (None, told) and not math.isnan(samples[time_us]):
                    yield time_us, next_us, samples[time_us]

    def complete_us(self) -> set[int]:
        """Minutes that are told to be complete."""
        return {
            minute
            for record in self.coverage
            if record.status == "complete"
            for minute in range(record.start_us, record.end_us, MINUTE)
        }


class Follower:
    """One collector and the book that it fills."""

    def __init__(
        self, cloud: FakeCloudWatch, config: CloudwatchConfig, account: Account, book: Book | None = None
    ) -> None:
        self.cloud, self.config, self.account = cloud, config, account
        self.book = book or Book()
        self.collector = CloudwatchCollector(config, account)
        self.checkpoint: Checkpoint = {}
        self.window_end_us = cloud.now_us

    def read_at(self, now_us: int, *, stored: bool = True) -> list[Readings]:
        """Collect at a time until there is no more; the first may be lost before it is stored."""
        self.cloud.now_us = now_us
        found: list[Readings] = []
        while True:
            window = Window(self.window_end_us, now_us + len(found))
            readings = self.collector.collect(window, self.checkpoint)
            inspect(readings, window, catches_up=True)
            found.append(readings)
            if not stored:
                return found
            self.book.accept(readings)
            self.checkpoint = json.loads(json.dumps(dict(readings.checkpoint)))
            self.window_end_us = max(self.window_end_us, *(record.end_us for record in readings.coverage))
            if not readings.more:
                return found

    def restart(self) -> None:
        self.collector = CloudwatchCollector(self.config, self.account)

    def configure(self, **changes: Any) -> None:
        """Restart with another configuration."""
        document = json.loads(self.config.model_dump_json())
        self.config = CloudwatchConfig.model_validate({**document, **changes})
        self.restart()


def settings(server: AwsServer, *queries: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A configuration that reads from a server."""
    return {
        "name": "usage",
        "account": {"endpoint": server.endpoint, "attempts_max": 1},
        "account_id": "123456789012",
        "region": "eu-central-1",
        "queries": list(queries) or [INVOCATIONS],
        "settle_s": 600,
        **changes,
    }


def follower(
    cloud: FakeCloudWatch, server: AwsServer, account: Account, *queries: Mapping[str, Any], **changes: Any
) -> Follower:
    """A collector that has read nothing yet."""
    return Follower(cloud, CloudwatchConfig.model_validate(settings(server, *queries, **changes)), account)


def statuses(readings: Readings) -> list[str]:
    return [record.status for record in readings.coverage]

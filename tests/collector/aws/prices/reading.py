"""Collects prices as the agent does, and keeps them as the ledger does: an event by source and id, once for ever."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from agent.inspection import inspect
from collector.account.session import Account
from collector.aws.prices.collector import PricesCollector
from collector.aws.prices.config import PricesConfig
from collector.readings import Checkpoint, Coverage, DeadLetter, Readings, Window
from tests.fakes.aws.pricing import FakePriceList
from tests.fakes.aws.server import AwsServer
from tests.fakes.aws.spot import FakeSpotPrices, PriceServer

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
#: 2026-01-20, midnight.
BEGIN = 1_768_867_200 * SECOND
REGION, OTHER = "eu-central-1", "us-west-2"
SOURCE = "aws_prices/public"
LINUX = {
    "regionCode": REGION,
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "preInstalledSw": "NA",
}


@dataclass
class Book:
    """What was accepted."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    coverage: list[Coverage] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    told: int = 0

    def accept(self, readings: Readings) -> None:
        self.told += readings.events.num_rows
        for event in readings.events.to_pylist():
            assert event["source"] == SOURCE
            before = self.events.setdefault(event["id"], event)
            assert before == event, "an identity is one price"
        self.coverage += readings.coverage
        self.letters += readings.dead_letters

    def prices(self, kind: str = "aws.price") -> set[tuple[str, int, str]]:
        """Subject, time and price."""
        return {
            (event["subject"], round(event["time"].timestamp() * SECOND), json.loads(event["properties"])["price"])
            for event in self.events.values()
            if event["type"] == kind
        }

    def statuses(self) -> list[str]:
        return [record.status for record in self.coverage]

    def complete_until_us(self) -> int:
        """Until when time is complete or lost without a gap."""
        done = sorted(
            (each for each in self.coverage if each.status in ("complete", "lost")), key=lambda each: each.end_us
        )
        at = BEGIN
        for record in done:
            assert record.start_us <= at, "no gap"
            at = max(at, record.end_us)
        return at


class Follower:
    """One collector and the book that it fills."""

    def __init__(self, spots: FakeSpotPrices, config: PricesConfig, account: Account) -> None:
        self.spots, self.config, self.account = spots, config, account
        self.book = Book()
        self.collector = PricesCollector(config, account)
        self.checkpoint: Checkpoint = {}
        self.window_end_us = BEGIN

    def read_at(self, now_us: int, *, stored: bool = True, collections_max: int | None = None) -> list[Readings]:
        """Collect at a time until there is no more, or so often; the first may be lost before it is stored."""
        self.spots.now_us = now_us
        found: list[Readings] = []
        while len(found) != collections_max:
            assert len(found) < 200, "it comes to an end"
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
        return found

    def restart(self) -> None:
        self.collector = PricesCollector(self.config, self.account)

    def configure(self, **changes: Any) -> None:
        """Restart with another configuration."""
        self.config = PricesConfig.model_validate({**self.config.model_dump(mode="json"), **changes})
        self.restart()


def settings(server: AwsServer, **changes: Any) -> dict[str, Any]:
    """A configuration that reads from a server."""
    return {"account": {"endpoint": server.endpoint, "attempts_max": 1}, "regions": [REGION], **changes}


def price_server(prices: FakePriceList, spots: FakeSpotPrices) -> PriceServer:
    """A server of both, not up yet."""
    return PriceServer({"pricing": prices, "ec2": spots})


def machine(prices: FakePriceList, sku: str, price: str, **changes: Any) -> None:
    """A type of instance with Linux and its price."""
    prices.publish(sku, {**LINUX, "instanceType": f"m5.{sku}"}, {"USD": price}, **changes)

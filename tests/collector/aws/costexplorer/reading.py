"""Collects from a fake Cost Explorer as the agent does, and keeps bills as the ledger does: a version stands once it is whole, until the next does."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Any

from agent.inspection import inspect
from collector.account.session import Account
from collector.aws.costexplorer.collector import CostExplorerCollector
from collector.aws.costexplorer.config import CostExplorerConfig
from collector.readings import Checkpoint, Coverage, Readings, Window
from meterbook.wire.sections import BILLS, CHARGES
from tests.fakes.aws.costexplorer import FakeCostExplorer
from tests.fakes.aws.server import AwsServer

SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
#: 2026-01-20, midnight.
BEGIN = 1_768_867_200 * SECOND
PAYER, MEMBER = "123456789012", "210987654321"
SOURCE = f"aws_cost_explorer/{PAYER}"

#: By day, account and service: billed, effective.
Costs = dict[tuple[date, str, str], tuple[Decimal, Decimal]]


@dataclass
class Book:
    """What was accepted."""

    charges: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    bills: list[dict[str, Any]] = field(default_factory=list)
    coverage: list[Coverage] = field(default_factory=list)

    def accept(self, readings: Readings) -> None:
        assert readings.charges.schema.equals(CHARGES) and readings.bills.schema.equals(BILLS)
        for row in readings.charges.to_pylist():
            self.charges.setdefault((month_of(row), row["version"]), []).append(row)
        for bill in readings.bills.to_pylist():
            lines = self.charges.get((month_of(bill), bill["version"]), [])
            assert [row["line"] for row in lines] == list(range(bill["charges"])), "a version is whole"
            with localcontext(prec=60):
                assert sum((row["BilledCost"] for row in lines), Decimal(0)) == bill["billed"]
            assert bill["nature"] == "reconciliation"
            self.bills.append(bill)
        assert set(self.charges) <= {(month_of(bill), bill["version"]) for bill in self.bills}
        self.coverage += readings.coverage

    def versions(self, month: str) -> list[str]:
        return [bill["version"] for bill in self.bills if month_of(bill) == month]

    def standing(self, month: str) -> list[dict[str, Any]]:
        """The charges of the last version of a month."""
        return self.charges.get((month, self.versions(month)[-1]), [])

    def costs(self, month: str) -> Costs:
        return {
            (row["ChargePeriodStart"].date(), row["SubAccountId"], row["ServiceName"]): (
                row["BilledCost"],
                row["EffectiveCost"],
            )
            for row in self.standing(month)
        }


class Follower:
    """One collector and the book that it fills."""

    def __init__(self, cloud: FakeCostExplorer, config: CostExplorerConfig, account: Account) -> None:
        self.cloud, self.config, self.account = cloud, config, account
        self.book = Book()
        self.collector = CostExplorerCollector(config, account)
        self.checkpoint: Checkpoint = {}
        self.window_end_us = cloud.now_us

    def read_at(self, now_us: int, *, stored: bool = True) -> Readings:
        self.cloud.now_us = now_us
        window = Window(self.window_end_us, now_us)
        readings = self.collector.collect(window, self.checkpoint)
        inspect(readings, window, catches_up=True)
        assert not readings.more
        if stored:
            self.book.accept(readings)
            self.checkpoint = json.loads(json.dumps(dict(readings.checkpoint)))
            self.window_end_us = now_us
        return readings

    def read_days(self, days: Iterable[int]) -> None:
        """Collect on days since BEGIN, an hour after midnight."""
        for day in days:
            self.read_at(BEGIN + day * DAY + HOUR)

    def restart(self) -> None:
        """As after a crash: what is not in the checkpoint is forgotten."""
        self.collector = CostExplorerCollector(self.config, self.account)


def settings(server: AwsServer, **changes: Any) -> dict[str, Any]:
    """A configuration that reads from a server."""
    return {"account": {"endpoint": server.endpoint, "attempts_max": 1}, "account_id": PAYER, **changes}


def truth(cloud: FakeCostExplorer, month: str, until: date) -> Costs:
    """What a month costs, of the days before one."""
    return {
        key: (Decimal(cost.unblended), Decimal(cost.amortized))
        for key, cost in cloud.costs.items()
        if str(key[0]).startswith(month) and key[0] < until
    }


def fill(cloud: FakeCostExplorer, first: date, days: int, *services: str) -> None:
    """So many days of costs of services, each day and account another."""
    for place in range(days):
        for number, service in enumerate(services or ("Amazon EC2", "AWS Lambda")):
            for account in (PAYER, MEMBER):
                cloud.cost(first + timedelta(days=place), account, service, f"{place + 1}.{number}{account[0]}01234567")


def month_of(row: dict[str, Any]) -> str:
    return f"{row['period']:%Y-%m}"

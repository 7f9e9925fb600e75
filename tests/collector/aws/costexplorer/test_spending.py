"""Every page is counted, and asking ends at the budget: over restarts, failures, and what could not be stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from tests.collector.aws.costexplorer.reading import BEGIN, DAY, HOUR, Follower, fill
from tests.collector.conftest import series_of
from tests.fakes.aws.costexplorer import LIMIT_EXCEEDED, FakeCostExplorer
from tests.fakes.aws.server import AwsServer

Follow = Callable[..., Follower]


def test_pages_are_counted(cloud: FakeCostExplorer, follow: Follow) -> None:
    fill(cloud, date(2026, 1, 1), 5)
    cloud.page_groups_max = 6
    reader = follow()
    reader.read_days([0])
    reader.restart()
    readings = reader.read_at(BEGIN + DAY)
    (series,) = series_of(readings).values()
    assert (series.metric, series.kind) == ("cost_explorer_requests_total", "counter")
    assert readings.samples["value"].to_pylist() == [8.0]
    assert Decimal(reader.checkpoint["spent"]["month_usd"]) == Decimal("0.08")


def test_beyond_the_budget_nothing_is_asked_until_the_month_is_over(
    cloud: FakeCostExplorer, server: AwsServer, follow: Follow
) -> None:
    fill(cloud, date(2026, 1, 1), 60)
    reader = follow(budget_per_month_usd="0.025")
    for day in (0, 1, 2, 3):
        reader.restart()
        reader.read_days([day])
    assert len(server.requests) == 2
    assert [record.status for record in reader.book.coverage] == ["complete", "complete", "failed", "failed"]
    assert reader.book.coverage[-1].reason == (
        "aws_cost_explorer/123456789012: the budget of 0.025 USD for 2026-01 does not allow for another request: "
        "0.02 USD are spent, in 2 requests that were answered; it begins anew at 2026-02-01T00:00:00Z"
    )
    reader.read_days([13])
    assert len(reader.book.versions("2026-01")) == 3


def test_the_budget_may_end_between_the_pages_of_a_month(cloud: FakeCostExplorer, follow: Follow) -> None:
    fill(cloud, date(2026, 1, 1), 5)
    cloud.page_groups_max = 6
    reader = follow(budget_per_month_usd="0.03")
    readings = reader.read_at(BEGIN + HOUR)
    assert (readings.charges.num_rows, readings.bills.num_rows) == (0, 0)
    assert readings.coverage[0].status == "failed"
    assert readings.checkpoint["spent"]["month_requests"] == 3


def test_what_was_asked_in_vain_or_could_not_be_stored_was_spent_all_the_same(
    cloud: FakeCostExplorer, server: AwsServer, follow: Follow
) -> None:
    reader = follow(budget_per_month_usd="0.04")
    for _ in range(2):
        reader.read_at(BEGIN + HOUR, stored=False)
    server.always = LIMIT_EXCEEDED
    for hour in range(2, 6):
        reader.read_at(BEGIN + hour * HOUR)
    assert len(server.requests) == 4
    assert [record.status for record in reader.book.coverage] == ["throttled"] * 2 + ["failed"] * 2

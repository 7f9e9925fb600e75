"""What asking costs is told, and ends at the budget: over restarts, months, failures, and what could not be stored."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.collector.aws.cloudwatch.reading import BEGIN, CHECKOUT, DAY, HOUR, INVOCATIONS, Follower, statuses
from tests.fakes.aws.cloudwatch import FakeCloudWatch
from tests.fakes.aws.server import THROTTLING, AwsServer

Follow = Callable[..., Follower]
#: One metric costs a dollar, and so does one list.
DEAR = {"price_per_1000_metrics_usd": "1000", "price_per_1000_requests_usd": "1000"}


def counted(reader: Follower, metric: str) -> float:
    return max(
        value for (name, _), samples in reader.book.samples.items() if name == metric for value in samples.values()
    )


def test_what_was_asked_for_is_counted(cloud: FakeCloudWatch, follow: Follow) -> None:
    cloud.publish("AWS/Lambda", "Invocations", CHECKOUT, BEGIN, 1.0)
    query = {"namespace": "AWS/Lambda", "metrics": ["Invocations"], "each": ["FunctionName"]}
    reader = follow({**query, "statistics": ["Sum", "Maximum"]}, list_interval_s=7_200, list_delay_s=0, settle_s=1_800)
    for hour in (1, 2, 3):
        reader.read_at(BEGIN + hour * HOUR)
        reader.restart()
    # Two lists, and two statistics twice: of the second hour nothing is told before there is another list.
    assert counted(reader, "cloudwatch_requests_total") == 4
    assert counted(reader, "cloudwatch_metrics_requested_total") == 4
    assert Decimal(reader.checkpoint["spent"]["month_usd"]) == Decimal("0.00006")


def test_beyond_the_budget_nothing_is_asked_until_the_month_is_over(
    cloud: FakeCloudWatch, server: AwsServer, follow: Follow
) -> None:
    cloud.publish("AWS/Lambda", "Invocations", CHECKOUT, BEGIN + 20 * DAY, 5.0)
    reader = follow(INVOCATIONS, **DEAR, budget_per_month_usd="2.5")
    for hour in (1, 2):
        assert statuses(reader.read_at(BEGIN + hour * HOUR)[0]) == ["complete", "partial"]
    for day in (10, 21, 30):
        reader.restart()
        (readings,) = reader.read_at(BEGIN + day * DAY)
        assert statuses(readings) == ["failed"]
        assert readings.coverage[0].reason == (
            "cloudwatch/123456789012/eu-central-1/usage: the budget of 2.5 USD for 2026-01 does not allow for another request: "
            "2 USD are spent, for 2 metrics in 2 requests that were answered; it begins anew at 2026-02-01T00:00:00Z"
        )
    assert len(server.requests) == 2
    reader.restart()
    reader.read_at(BEGIN + 31 * DAY)
    assert [event["value"] for event in reader.book.events.values()] == [5]
    assert len(server.requests) == 3


def test_the_budget_may_end_a_collection_in_its_middle(cloud: FakeCloudWatch, follow: Follow) -> None:
    names = [f"Metric{number:03}" for number in range(501)]
    for name in names:
        cloud.publish("Own", name, {}, BEGIN, 1.0)
    reader = follow({"namespace": "Own", "metrics": names}, **DEAR, budget_per_month_usd="500")
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert statuses(readings) == ["failed"]
    assert "the budget of 500 USD" in readings.coverage[0].reason
    assert len(reader.book.events) == 500


def test_what_could_not_be_stored_was_spent_all_the_same(
    cloud: FakeCloudWatch, server: AwsServer, follow: Follow
) -> None:
    reader = follow(INVOCATIONS, **DEAR, budget_per_month_usd="3")
    found = [statuses(reader.read_at(BEGIN + HOUR, stored=False)[0])[0] for _ in range(5)]
    assert found == ["complete"] * 3 + ["failed"] * 2
    assert len(server.requests) == 3


def test_what_was_asked_in_vain_may_have_cost(cloud: FakeCloudWatch, server: AwsServer, follow: Follow) -> None:
    reader = follow(INVOCATIONS, **DEAR, budget_per_month_usd="3")
    server.always = THROTTLING
    for hour in range(1, 6):
        reader.read_at(BEGIN + hour * HOUR)
    assert [record.status for record in reader.book.coverage] == ["throttled"] * 3 + ["failed"] * 2
    assert len(server.requests) == 3


@pytest.mark.parametrize("answered", [1, 2])
def test_pages_that_led_nowhere_are_counted(
    cloud: FakeCloudWatch, server: AwsServer, follow: Follow, answered: int
) -> None:
    for minute in range(60):
        cloud.publish("AWS/Lambda", "Invocations", CHECKOUT, BEGIN + minute * HOUR // 60, 1.0)
    cloud.page_points_max = 3
    reader = follow(INVOCATIONS, **DEAR)
    server.faults.extend([None] * answered + [THROTTLING])
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert statuses(readings) == ["throttled"]
    assert readings.checkpoint["spent"]["month_usd"] == str(answered)
    assert "streams" not in readings.checkpoint

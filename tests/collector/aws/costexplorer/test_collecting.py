"""A month is told whole, as the texts say, and again when it is another: until it has settled, however often reading it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from collector.readings import Coverage
from tests.collector.aws.costexplorer.reading import (
    BEGIN,
    DAY,
    HOUR,
    MEMBER,
    PAYER,
    SOURCE,
    Follower,
    fill,
    truth,
)
from tests.fakes.aws.costexplorer import (
    CHANGED,
    DENIED,
    EXPIRED_BILL,
    INVALID_TOKEN,
    LIMIT_EXCEEDED,
    UNAVAILABLE,
    Cost,
    FakeCostExplorer,
)
from tests.fakes.aws.server import BROKEN, AwsServer

Follow = Callable[..., Follower]


def statuses(reader: Follower) -> list[str]:
    return [record.status for record in reader.book.coverage]


def test_a_cost_is_a_charge_of_its_day(cloud: FakeCostExplorer, follow: Follow) -> None:
    cloud.names[MEMBER] = "shop"
    cloud.cost(date(2026, 1, 3), MEMBER, "Amazon EC2", "1.0000000192", "0.7")
    cloud.cost(date(2026, 1, 3), PAYER, "Tax", "-2.5E-7")
    reader = follow()
    readings = reader.read_at(BEGIN + HOUR)
    first, second = reader.book.standing("2026-01")
    assert (first["SubAccountId"], second["SubAccountId"]) == (PAYER, MEMBER)
    (bill,) = reader.book.bills
    assert second == {
        "source": SOURCE,
        "period": bill["period"],
        "version": bill["version"],
        "line": 1,
        "BilledCost": Decimal("1.0000000192"),
        "EffectiveCost": Decimal("0.7"),
        "ListCost": Decimal("1.0000000192"),
        "ContractedCost": Decimal("1.0000000192"),
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "BillingAccountId": PAYER,
        "SubAccountId": MEMBER,
        "ServiceName": "Amazon EC2",
        "ResourceId": "",
        "ChargePeriodStart": second["ChargePeriodStart"],
        "ChargePeriodEnd": second["ChargePeriodEnd"],
        "Tags": "{}",
        "others": '{"Estimated":"true","SubAccountName":"shop"}',
    }
    assert (second["ChargePeriodStart"].isoformat(), second["ChargePeriodEnd"].isoformat()) == (
        "2026-01-03T00:00:00+00:00",
        "2026-01-04T00:00:00+00:00",
    )
    assert (bill["billed"], bill["period"].isoformat()) == (Decimal("0.9999997692"), "2026-01-01T00:00:00+00:00")
    assert bill["issued"].timestamp() * 1e6 == BEGIN + HOUR
    assert readings.coverage == (Coverage(SOURCE, BEGIN, BEGIN + HOUR, "complete"),)


def test_a_month_is_told_again_only_where_it_is_another(cloud: FakeCostExplorer, follow: Follow) -> None:
    fill(cloud, date(2026, 1, 1), 19)
    reader = follow()
    reader.read_at(BEGIN + HOUR)
    reader.read_at(BEGIN + 2 * HOUR)
    reader.restart()
    reader.read_at(BEGIN + 3 * HOUR)
    assert len(reader.book.bills) == 1
    cloud.cost(date(2026, 1, 3), PAYER, "Amazon EC2", "77")
    reader.read_at(BEGIN + 4 * HOUR)
    assert len(set(reader.book.versions("2026-01"))) == 2
    assert reader.book.costs("2026-01") == truth(cloud, "2026-01", date(2026, 1, 20))
    assert set(statuses(reader)) == {"complete"}


def test_only_days_that_are_over_are_asked_for_and_nothing_on_the_first(
    cloud: FakeCostExplorer, server: AwsServer, follow: Follow
) -> None:
    fill(cloud, date(2026, 1, 1), 60)
    reader = follow()
    reader.read_days([0, 12, 13])
    periods = [request.parameters["TimePeriod"] for request in server.requests]
    assert periods == [
        {"Start": "2026-01-01", "End": "2026-01-20"},
        {"Start": "2026-01-01", "End": "2026-02-01"},
        {"Start": "2026-01-01", "End": "2026-02-01"},
        {"Start": "2026-02-01", "End": "2026-02-02"},
    ]
    assert set(statuses(reader)) == {"complete"}


def test_on_the_first_with_nothing_else_due_nothing_is_asked_and_nothing_missing(
    cloud: FakeCostExplorer, server: AwsServer, follow: Follow
) -> None:
    reader = follow(settle_days=0)
    reader.read_days([12])
    assert (server.requests, statuses(reader)) == ([], ["complete"])
    assert reader.checkpoint["open_since"] == "2026-02"


def test_a_month_is_asked_for_until_it_has_settled_and_once_then(
    cloud: FakeCostExplorer, server: AwsServer, follow: Follow
) -> None:
    fill(cloud, date(2026, 1, 1), 60)
    reader = follow(settle_days=14)
    reader.read_days(range(11, 30))
    starts = [request.parameters["TimePeriod"]["Start"] for request in server.requests]
    # From 31 January to 15 February, when it is 14 days over.
    assert starts.count("2026-01-01") == 16
    assert starts.count("2026-02-01") == 17
    (estimated,) = {json.loads(row["others"])["Estimated"] for row in reader.book.standing("2026-01")}
    assert estimated == "false"


def test_after_a_long_pause_each_month_is_read_once_more(
    cloud: FakeCostExplorer, server: AwsServer, follow: Follow
) -> None:
    fill(cloud, date(2026, 1, 1), 120)
    reader = follow()
    reader.read_days([0])
    reader.restart()
    reader.read_days([75])
    for month in ("2026-01", "2026-02", "2026-03", "2026-04"):
        assert reader.book.costs(month) == truth(cloud, month, date(2026, 4, 5)), month
    server.requests.clear()
    reader.read_days([76])
    assert [request.parameters["TimePeriod"]["Start"] for request in server.requests] == ["2026-03-01", "2026-04-01"]


def test_what_is_not_kept_any_more_is_lost(cloud: FakeCostExplorer, follow: Follow) -> None:
    fill(cloud, date(2026, 1, 1), 1)
    reader = follow()
    reader.read_days([0, 500])
    lost, rest = reader.book.coverage[1:]
    assert (lost.status, rest.status, rest.start_us) == ("lost", "complete", lost.end_us)
    assert "months before 2026-06-01T00:00:00Z are not kept any more" in lost.reason


def test_history_is_read_at_first(cloud: FakeCostExplorer, follow: Follow) -> None:
    fill(cloud, date(2025, 1, 1), 380)
    reader = follow(history_months=12)
    reader.read_days([0])
    for month in ("2025-01", "2025-12", "2026-01"):
        assert reader.book.costs(month) == truth(cloud, month, date(2026, 1, 20))
    assert reader.checkpoint["open_since"] == "2026-01"
    assert list(reader.checkpoint["months"]) == ["2026-01"]


@pytest.mark.parametrize("groups", [1, 3, 7])
def test_pages_are_one_month(cloud: FakeCostExplorer, server: AwsServer, follow: Follow, groups: int) -> None:
    fill(cloud, date(2026, 1, 1), 5)
    cloud.page_groups_max = groups
    reader = follow()
    reader.read_days([0])
    assert len(server.requests) == -(-20 // groups)
    assert reader.book.costs("2026-01") == truth(cloud, "2026-01", date(2026, 1, 20))


@pytest.mark.parametrize("fault", [CHANGED, INVALID_TOKEN])
def test_pages_that_do_not_belong_together_begin_again(
    cloud: FakeCostExplorer, server: AwsServer, follow: Follow, fault: object
) -> None:
    fill(cloud, date(2026, 1, 1), 5)
    cloud.page_groups_max = 5
    reader = follow()
    server.faults.extend([None, None, fault, None, fault])  # type: ignore[list-item]
    reader.read_days([0])
    assert reader.book.costs("2026-01") == truth(cloud, "2026-01", date(2026, 1, 20))
    assert len(server.requests) == 3 + 2 + 4
    server.faults.extend([fault] * 3)  # type: ignore[list-item]
    reader.read_days([1])
    assert reader.book.coverage[-1].status == "failed"
    assert reader.book.coverage[-1].reason == f"{SOURCE}: 2026-01: pages did not belong together, 3 times"


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (LIMIT_EXCEEDED, "throttled", "GetCostAndUsage is throttled (LimitExceededException)"),
        (DENIED, "failed", 'the policy needs {"Effect": "Allow", "Action": ["ce:GetCostAndUsage"], "Resource": ["*"]}'),
        (UNAVAILABLE, "failed", "2026-01 is not to be had just now (DataUnavailableException: The requested data is"),
        (EXPIRED_BILL, "failed", "BillExpirationException"),
        (BROKEN, "failed", "InternalFailure"),
    ],
)
def test_a_month_that_fails_on_a_later_page_is_not_told(
    cloud: FakeCostExplorer, server: AwsServer, follow: Follow, fault: object, status: str, told: str
) -> None:
    fill(cloud, date(2026, 1, 1), 5)
    cloud.page_groups_max = 12
    reader = follow()
    server.faults.extend([None, fault])  # type: ignore[list-item]
    readings = reader.read_at(BEGIN + HOUR)
    assert (readings.charges.num_rows, readings.bills.num_rows) == (0, 0)
    (record,) = readings.coverage
    assert (record.status, told in record.reason) == (status, True), record.reason
    reader.restart()
    reader.read_at(BEGIN + DAY)
    assert reader.book.coverage[-1] == Coverage(SOURCE, BEGIN, BEGIN + DAY, "complete"), "told once more"
    assert reader.book.costs("2026-01") == truth(cloud, "2026-01", date(2026, 1, 21))


def test_one_month_that_fails_leaves_the_other_alone(
    cloud: FakeCostExplorer, server: AwsServer, follow: Follow
) -> None:
    fill(cloud, date(2026, 1, 1), 40)
    reader = follow()
    server.faults.extend([EXPIRED_BILL, None])
    reader.read_days([15])
    assert statuses(reader) == ["partial"]
    assert reader.book.costs("2026-02") == truth(cloud, "2026-02", date(2026, 2, 4))
    assert reader.book.versions("2026-01") == []
    reader.read_days([16])
    assert reader.book.costs("2026-01") == truth(cloud, "2026-01", date(2026, 2, 5))
    assert reader.book.coverage[-1].start_us == BEGIN


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("0.0000000000000000001", "has more than 18 digits after the point"),
        ("100000000000000", "is no number below 10^14 in magnitude"),
        ("NaN", "is no number"),
        ("much", "is no number"),
    ],
)
def test_what_the_book_cannot_hold_exactly_fails_the_month(
    cloud: FakeCostExplorer, follow: Follow, amount: str, told: str
) -> None:
    fill(cloud, date(2026, 1, 1), 5)
    cloud.cost(date(2026, 1, 5), PAYER, "Amazon EC2", amount)
    reader = follow()
    readings = reader.read_at(BEGIN + HOUR)
    assert readings.charges.num_rows == 0
    assert (readings.coverage[0].status, told in readings.coverage[0].reason) == ("failed", True)
    cloud.cost(date(2026, 1, 5), PAYER, "Amazon EC2", "99999999999999.999999999999999999")
    reader.read_at(BEGIN + 2 * HOUR)
    assert reader.book.costs("2026-01") == truth(cloud, "2026-01", date(2026, 1, 20))


def test_two_currencies_of_one_cost_are_not_mixed(cloud: FakeCostExplorer, follow: Follow) -> None:
    cloud.costs[date(2026, 1, 2), PAYER, "Amazon EC2"] = Cost("1", "1", "CNY")
    reader = follow()
    reader.read_days([0])
    assert reader.book.standing("2026-01")[0]["BillingCurrency"] == "CNY"


def test_a_month_with_too_many_rows_is_an_error(cloud: FakeCostExplorer, follow: Follow) -> None:
    fill(cloud, date(2026, 1, 1), 5)
    reader = follow(charges_max=19)
    reader.read_days([0])
    assert reader.book.coverage[0].reason == f"{SOURCE}: 2026-01 has more rows than charges_max 19"
    reader = follow(charges_max=20)
    reader.read_days([0])
    assert len(reader.book.standing("2026-01")) == 20


def test_a_month_that_cost_nothing_is_told_as_that(cloud: FakeCostExplorer, follow: Follow) -> None:
    reader = follow()
    reader.read_days([0])
    (bill,) = reader.book.bills
    assert (bill["charges"], bill["billed"]) == (0, 0)


def test_one_reader_is_enough(follow: Follow) -> None:
    assert follow().collector.lease == follow(budget_per_month_usd=7).collector.lease
    assert follow(name="x").collector.lease != follow(name="x", account_id=MEMBER).collector.lease

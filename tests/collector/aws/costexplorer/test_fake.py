"""The fake is as strict as the API Reference of Cost Explorer: asked by boto3, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.collector.aws.costexplorer.reading import PAYER, fill
from tests.fakes.aws.costexplorer import FakeCostExplorer
from tests.fakes.aws.server import AwsServer

ASKED: dict[str, Any] = {
    "Granularity": "DAILY",
    "Metrics": ["UnblendedCost"],
    "GroupBy": [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}, {"Type": "DIMENSION", "Key": "SERVICE"}],
}


@pytest.fixture
def boto(server: AwsServer) -> Iterator[Any]:
    config = Config(retries={"total_max_attempts": 1})
    made = botocore.session.Session().create_client(
        "ce", region_name="us-east-1", endpoint_url=server.endpoint, config=config
    )
    yield made
    made.close()


def period(start: str, end: str) -> dict[str, Any]:
    return {**ASKED, "TimePeriod": {"Start": start, "End": end}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (period("2026-01-01", "2026-01-01"), "ValidationException"),
        (period("2026-01-02", "2026-01-01"), "ValidationException"),
        (period("2026-01-01", "2026-02-02"), "ValidationException"),
        (period("2024-12-31", "2025-02-01"), "ValidationException"),
        ({**period("2026-01-01", "2026-01-02"), "Metrics": ["Cost"]}, "ValidationException"),
        ({**period("2026-01-01", "2026-01-02"), "GroupBy": ASKED["GroupBy"] * 2}, "ValidationException"),
        ({**period("2026-01-01", "2026-01-02"), "NextPageToken": "x"}, "InvalidNextTokenException"),
    ],
)
def test_what_is_refused(boto: Any, change: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        boto.get_cost_and_usage(**change)
    assert refused.value.response["Error"]["Code"] == code


def test_a_token_is_of_one_request_and_of_one_edition(boto: Any, cloud: FakeCostExplorer) -> None:
    fill(cloud, date(2026, 1, 1), 3)
    cloud.page_groups_max = 5
    first = boto.get_cost_and_usage(**period("2026-01-01", "2026-01-04"))
    following = boto.get_cost_and_usage(**period("2026-01-01", "2026-01-04"), NextPageToken=first["NextPageToken"])
    shown = [[len(each["Groups"]) for each in page["ResultsByTime"]] for page in (first, following)]
    assert shown == [[4, 1], [3, 2]]
    with pytest.raises(ClientError, match="RequestChangedException"):
        boto.get_cost_and_usage(**period("2026-01-01", "2026-01-05"), NextPageToken=first["NextPageToken"])
    cloud.edition += 1
    with pytest.raises(ClientError, match="InvalidNextTokenException"):
        boto.get_cost_and_usage(**period("2026-01-01", "2026-01-04"), NextPageToken=first["NextPageToken"])


def test_the_end_is_exclusive_and_days_without_costs_are_told(boto: Any, cloud: FakeCostExplorer) -> None:
    cloud.cost(date(2026, 1, 2), PAYER, "Tax", "1")
    cloud.cost(date(2026, 1, 3), PAYER, "Tax", "1")
    (first, second) = boto.get_cost_and_usage(**period("2026-01-01", "2026-01-03"))["ResultsByTime"]
    assert (first["Groups"], second["Groups"][0]["Keys"], second["Estimated"]) == ([], [PAYER, "Tax"], True)

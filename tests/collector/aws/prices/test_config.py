"""What cannot be meant is refused where it is configured, what is needed is granted, and it only reads."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from pydantic import ValidationError

from agent import policy
from collector.aws.prices.config import PricesConfig
from collector.aws.prices.plugin import plugin

with warnings.catch_warnings():
    # It still uses pkg_resources.
    warnings.simplefilter("ignore")
    from policy_sentry.querying.actions import get_action_data

SPOT = {"instance_types": ["m5.large"]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"regions": []}, "regions"),
        ({"regions": ["EU/x"]}, "is not a name such as"),
        ({"regions": ["eu-central-1", "eu-central-1"]}, "is named twice"),
        ({"endpoint_region": "eu-west-1"}, "endpoint_region"),
        ({"products": []}, "nothing would be read"),
        ({"products": [{"service": "AmazonEC2"}] * 2}, "are named twice"),
        ({"products": [{"service": "AmazonEC2", "filters": {"regionCode": "x"}}]}, "regionCode is a filter by itself"),
        ({"products": [{"service": "AmazonEC2", "filters": {f"f{n}": "x" for n in range(50)}}]}, "filters"),
        ({"spot": {"instance_types": []}}, "instance_types"),
        ({"terms": []}, "terms"),
    ],
)
def test_what_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PricesConfig.model_validate({"regions": ["eu-central-1"], **change})


def test_nothing_is_asked_to_build_it() -> None:
    (collector,) = plugin.build(plugin.config.model_validate({"regions": ["eu-central-1"]})).current()
    assert collector.source == "aws_prices/public"
    collector.close()
    collector.close()


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        ({}, ["pricing:GetProducts"]),
        ({"spot": SPOT}, ["ec2:DescribeSpotPriceHistory", "pricing:GetProducts"]),
        ({"spot": SPOT, "products": []}, ["ec2:DescribeSpotPriceHistory"]),
    ],
)
def test_the_policy_grants_what_is_asked_and_all_of_it_reads(change: dict[str, Any], actions: list[str]) -> None:
    assert plugin.grants is not None
    config = plugin.config.model_validate({"regions": ["eu-central-1"], **change})
    (role,) = policy.roles(list(plugin.grants(config)))
    (statement,) = policy.policy(role)["Statement"]
    assert statement == {"Effect": "Allow", "Action": actions, "Resource": ["*"]}
    for action in actions:
        rows = [row for found in get_action_data(*action.split(":")).values() for row in found]
        assert {row["access_level"] for row in rows} <= {"Read", "List"} and rows

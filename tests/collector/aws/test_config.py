"""What can be set, what cannot, and which sources come of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collector.aws.config import AwsConfig
from collector.aws.grants import grants_of, partition_of
from collector.aws.plugin import plugin
from collector.base import lease_of

ROLE = "arn:aws:iam::123456789012:role/meterbook"
GIVEN: dict[str, Any] = {"kind": "aws", "accounts": [{"name": "prod"}], "regions": ["eu-central-1"]}


def test_each_account_and_region_is_a_source() -> None:
    accounts = [{"name": "prod"}, {"account": {"role_arn": ROLE}}]
    config = AwsConfig.model_validate({**GIVEN, "accounts": accounts, "regions": ["eu-central-1", "us-east-1"]})
    assert [each.source for each in plugin.build(config).current()] == [
        "aws/prod/eu-central-1",
        "aws/prod/us-east-1",
        "aws/123456789012/eu-central-1",
        "aws/123456789012/us-east-1",
    ]


def test_what_a_role_opens_is_read_by_one_agent_at_a_time() -> None:
    accounts = [{"name": "prod"}, {"name": "test", "account": {"role_arn": ROLE}}]
    prod, test = plugin.build(AwsConfig.model_validate({**GIVEN, "accounts": accounts})).current()
    assert lease_of(prod) is None
    assert lease_of(test) == f"aws/test/eu-central-1#{ROLE}"


def test_a_collection_may_take_two_thirds_of_its_interval_or_what_is_set() -> None:
    assert AwsConfig.model_validate(GIVEN).deadline_s == 200
    assert AwsConfig.model_validate({**GIVEN, "timeout_s": 30}).deadline_s == 30


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"accounts": []}, "at least 1"),
        ({"accounts": [{}]}, "name is needed"),
        ({"accounts": [{"name": "a/b"}]}, "pattern"),
        ({"accounts": [{"name": "a"}, {"name": "a"}]}, "account 'a' is named twice"),
        ({"regions": []}, "at least 1"),
        ({"regions": ["Frankfurt!"]}, "not a name such as eu-central-1"),
        ({"regions": ["eu-west-1", "eu-west-1"]}, "region 'eu-west-1' is named twice"),
        ({"services": ["mainframe"]}, "service 'mainframe' is not metered: there are api_gateway_http, "),
        ({"services": ["sqs", "sqs"]}, "service 'sqs' is named twice"),
        ({"timeout_s": 300}, "must be below interval_s"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        AwsConfig.model_validate({**GIVEN, **changed})


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_arns_are_those_of_the_partition(region: str, partition: str) -> None:
    assert partition_of(region) == partition
    config = AwsConfig.model_validate({**GIVEN, "regions": [region], "services": ["dynamodb"]})
    resources = {each for grant in grants_of(config, config.accounts[0]) for each in grant.resources}
    assert resources == {"*", f"arn:{partition}:dynamodb:*:*:table/*"}


def test_only_what_is_read_is_asked_for() -> None:
    config = AwsConfig.model_validate({**GIVEN, "services": ["ec2_instances"]})
    (grant,) = grants_of(config, config.accounts[0])
    assert grant.statement() == {
        "Effect": "Allow",
        "Action": ["ec2:DescribeInstances"],
        "Resource": ["*"],
        "Condition": {"StringEquals": {"aws:RequestedRegion": ["eu-central-1"]}},
    }

"""What cannot be meant is refused where it is configured, and a configuration can be checked anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collector.aws.cloudwatch.config import CloudwatchConfig
from collector.aws.cloudwatch.plugin import plugin
from tests.collector.aws.cloudwatch.reading import INVOCATIONS

ROLE = "arn:aws:iam::210987654321:role/meterbook"
LEAST = {"kind": "aws_cloudwatch", "name": "usage", "region": "eu-central-1", "queries": [INVOCATIONS]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "account_id is needed"),
        ({"account_id": "123456789012", "account": {"role_arn": ROLE}}, "is not that of account.role_arn"),
        ({"account_id": "1234"}, "account_id"),
        ({"account_id": "123456789012", "region": "EU/x"}, "is not a name such as"),
        ({"account_id": "123456789012", "name": "a/b"}, "name"),
        ({"account_id": "123456789012", "queries": []}, "queries"),
        ({"account_id": "123456789012", "queries": [{**INVOCATIONS, "period_s": 90}]}, "not a multiple of 60"),
        ({"account_id": "123456789012", "queries": [{**INVOCATIONS, "period_s": 420}]}, "divides a day"),
        ({"account_id": "123456789012", "queries": [{**INVOCATIONS, "statistics": ["Median"]}]}, "statistics"),
        ({"account_id": "123456789012", "queries": [{**INVOCATIONS, "statistics": ["p101"]}]}, "statistics"),
        ({"account_id": "123456789012", "queries": [{**INVOCATIONS, "each": ["FunctionName"]}]}, "one value in"),
        ({"account_id": "123456789012", "queries": [{**INVOCATIONS, "each": list("abcdefghijk")}]}, "more than the 10"),
        (
            {"account_id": "123456789012", "queries": [INVOCATIONS, {**INVOCATIONS, "period_s": 60, "dimensions": {}}]},
            "would count twice",
        ),
    ],
)
def test_what_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        CloudwatchConfig.model_validate({**LEAST, **change})


def test_the_account_is_that_of_the_role() -> None:
    config = CloudwatchConfig.model_validate({**LEAST, "account": {"role_arn": ROLE}})
    assert config.source == "cloudwatch/210987654321/eu-central-1/usage"


def test_nothing_is_asked_to_build_it() -> None:
    config = plugin.config.model_validate({**LEAST, "account_id": "123456789012"})
    (collector,) = plugin.build(config).current()
    assert collector.source == "cloudwatch/123456789012/eu-central-1/usage"
    collector.close()
    collector.close()

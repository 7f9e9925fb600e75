"""What cannot be meant is refused where it is configured, what is needed is granted, and it only reads."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from pydantic import ValidationError

from agent import policy
from collector.aws.costexplorer.config import CostExplorerConfig
from collector.aws.costexplorer.plugin import plugin

with warnings.catch_warnings():
    # It still uses pkg_resources.
    warnings.simplefilter("ignore")
    from policy_sentry.querying.actions import get_action_data

ROLE = "arn:aws:iam::210987654321:role/meterbook"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "account_id is needed"),
        ({"account_id": "123456789012", "account": {"role_arn": ROLE}}, "is not that of account.role_arn"),
        ({"account_id": "1234"}, "account_id"),
        ({"account_id": "123456789012", "name": "a/b"}, "name"),
        ({"account_id": "123456789012", "history_months": 13}, "history_months"),
    ],
)
def test_what_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        CostExplorerConfig.model_validate(change)


def test_the_source_is_called_by_its_account_or_its_name() -> None:
    by_role = CostExplorerConfig.model_validate({"account": {"role_arn": ROLE}})
    named = CostExplorerConfig.model_validate({"account_id": "123456789012", "name": "all"})
    assert (by_role.source, named.source) == ("aws_cost_explorer/210987654321", "aws_cost_explorer/all")


def test_nothing_is_asked_to_build_it() -> None:
    (collector,) = plugin.build(plugin.config.model_validate({"account_id": "123456789012"})).current()
    assert collector.source == "aws_cost_explorer/123456789012"
    collector.close()
    collector.close()


def test_the_policy_grants_one_action_that_reads() -> None:
    assert plugin.grants is not None
    config = plugin.config.model_validate({"account": {"role_arn": ROLE}})
    (role,) = policy.roles(list(plugin.grants(config)))
    assert policy.policy(role)["Statement"] == [
        {"Effect": "Allow", "Action": ["ce:GetCostAndUsage"], "Resource": ["*"]}
    ]
    levels = {row["access_level"] for rows in get_action_data("ce", "GetCostAndUsage").values() for row in rows}
    assert levels <= {"Read", "List"}

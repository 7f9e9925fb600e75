"""The policy of an agent that reads everything there is to read in AWS, held to AWS's own table of actions, and linted."""

from __future__ import annotations

import json
import warnings

import pytest
import yaml
from click.testing import CliRunner

from agent.policycli import policy as command
from collector import registry

with warnings.catch_warnings():
    # It still uses pkg_resources.
    warnings.simplefilter("ignore")
    from parliament import analyze_policy_string
    from policy_sentry.querying.actions import get_action_data

ROLE = {"role_arn": "arn:aws:iam::123456789012:role/meterbook", "external_id": "acme-7"}
#: An entry of every kind that is granted something in AWS.
SOURCES = {
    "aws": {"regions": ["eu-central-1"], "accounts": [{"account": ROLE}]},
    "aws_cloudwatch": {
        "name": "lambda",
        "account": ROLE,
        "account_id": "123456789012",
        "region": "eu-central-1",
        "queries": [
            {"namespace": "AWS/Lambda", "metrics": ["Errors"], "each": ["FunctionName"], "statistics": ["Sum"]}
        ],
    },
    "aws_cost_explorer": {"account": ROLE},
    "aws_prices": {"account": ROLE, "regions": ["eu-central-1"], "spot": {"instance_types": ["m5.large"]}},
    "bills": {"account": ROLE, "bucket": "company-costs", "prefix": "costs/focus"},
    "kinesis": {"account": ROLE, "stream": "arn:aws:kinesis:eu-central-1:123456789012:stream/usage"},
    "s3": {"account": ROLE, "bucket": "company-usage", "prefix": "2026/"},
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> str:
    config = tmp_path_factory.mktemp("policy") / "agent.yaml"
    sources = [{"kind": kind, **settings} for kind, settings in SOURCES.items()]
    config.write_text(yaml.safe_dump({"agent": "a", "ledger": {"endpoint": "127.0.0.1:9466"}, "sources": sources}))
    result = CliRunner().invoke(command, ["aws", "--config", str(config)])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_kind_that_is_granted_something_is_here() -> None:
    assert {kind for kind in registry.kinds() if registry.plugin(kind).grants is not None} == SOURCES.keys()


def test_every_action_only_reads(document: str) -> None:
    actions = {action for statement in json.loads(document)["Statement"] for action in statement["Action"]}
    assert len(actions) > 30
    for action in sorted(actions):
        service, name = action.split(":")
        found = get_action_data(service, name)
        assert found, f"AWS has no action {action}"
        assert {each["access_level"] for each in found[service]} <= {"Read", "List"}, action


def test_the_linter_finds_nothing(document: str) -> None:
    found = {(finding.issue, *finding.detail) for finding in analyze_policy_string(document).findings}
    # Tasks of Fargate are on no container instance, on which listing them could be granted instead.
    assert found - {("RESOURCE_STAR", "ecs:ListTasks")} == set()

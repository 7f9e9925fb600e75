"""What is declared is what is needed, it only reads, and a write is refused twice: here, and by IAM.

The access levels are those of AWS's own table of actions, as policy_sentry carries it. The server enforces IAM, and checks signatures.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from agent import policy
from collector.account.session import Account
from collector.aws.catalogue import CATALOGUE
from collector.aws.config import AwsConfig
from collector.aws.grants import grants
from collector.aws.inventory import InventoryCollector
from collector.errors import WriteRefused
from collector.readings import Window
from tests.collector.aws.seen import samples_of
from tests.collector.aws.simulated import REGION, Keys, SimulatedAws, enforced

with warnings.catch_warnings():
    # It still uses pkg_resources.
    warnings.simplefilter("ignore")
    from parliament import analyze_policy_string
    from policy_sentry.querying.actions import get_action_data

Make = Callable[..., InventoryCollector]
CONFIG = AwsConfig.model_validate(
    {"kind": "aws", "accounts": [{"account": {"role_arn": "arn:aws:iam::123456789012:role/x"}}], "regions": [REGION]}
)
(ROLE,) = policy.roles(list(grants(CONFIG)))
POLICY = policy.policy(ROLE)
ACTIONS = sorted({action for statement in POLICY["Statement"] for action in statement["Action"]})

#: Writes of many kinds, as (service, operation, arguments).
WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("ec2", "terminate_instances", {"InstanceIds": ["i-1"]}),
    ("ec2", "create_tags", {"Resources": ["i-1"], "Tags": [{"Key": "team", "Value": "x"}]}),
    ("ec2", "delete_volume", {"VolumeId": "vol-1"}),
    ("s3", "create_bucket", {"Bucket": "new", "CreateBucketConfiguration": {"LocationConstraint": REGION}}),
    ("s3", "put_object", {"Bucket": "usage", "Key": "k", "Body": b"x"}),
    ("s3", "get_object", {"Bucket": "usage", "Key": "k"}),
    ("sqs", "create_queue", {"QueueName": "new"}),
    ("sqs", "receive_message", {"QueueUrl": "http://127.0.0.1/123456789012/jobs"}),
    ("dynamodb", "put_item", {"TableName": "items", "Item": {"k": {"S": "v"}}}),
    ("dynamodb", "scan", {"TableName": "items"}),
    ("kinesis", "delete_stream", {"StreamName": "clicks"}),
    ("rds", "delete_db_instance", {"DBInstanceIdentifier": "orders"}),
    ("elasticache", "delete_cache_cluster", {"CacheClusterId": "cache"}),
    ("ecs", "delete_cluster", {"cluster": "web"}),
    ("eks", "delete_cluster", {"name": "prod"}),
    ("lambda", "delete_function", {"FunctionName": "resize"}),
    ("elbv2", "delete_load_balancer", {"LoadBalancerArn": "arn:aws:elasticloadbalancing:x"}),
    ("elb", "delete_load_balancer", {"LoadBalancerName": "old"}),
    ("apigateway", "delete_rest_api", {"restApiId": "x"}),
    ("resourcegroupstaggingapi", "tag_resources", {"ResourceARNList": ["arn:aws:s3:::usage"], "Tags": {"a": "b"}}),
    ("iam", "create_user", {"UserName": "another"}),
]


@pytest.fixture(scope="module")
def guarded(filled: SimulatedAws) -> Account:
    (named,) = AwsConfig.model_validate(
        {**CONFIG.model_dump(), "accounts": [{"name": "prod", "account": {"endpoint": filled.url}}]}
    ).accounts
    return Account(named.account, ROLE.grants)


@pytest.fixture(scope="module")
def reader(filled: SimulatedAws) -> Keys:
    return filled.user("reader", POLICY)


@pytest.fixture
def as_reader(reader: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", reader.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", reader.secret)


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_reads_or_lists(action: str) -> None:
    found = get_action_data(*action.split(":"))
    assert found, f"AWS has no action {action}"
    levels = {row["access_level"] for rows in found.values() for row in rows}
    assert levels <= {"Read", "List"}


def test_the_table_knows_what_writes() -> None:
    assert get_action_data("ec2", "TerminateInstances")["ec2"][0]["access_level"] == "Write"


@pytest.mark.parametrize("name", [*sorted(CATALOGUE), "everything"])
def test_policies_are_sound(name: str) -> None:
    services = tuple(CATALOGUE) if name == "everything" else (name,)
    (role,) = policy.roles(list(grants(CONFIG.model_copy(update={"services": services}))))
    analysed = analyze_policy_string(json.dumps(policy.policy(role)))
    found = {(finding.issue, *finding.detail) for finding in analysed.findings}
    # Tasks of Fargate are on no container instance, on which listing them could be granted instead.
    assert found - {("RESOURCE_STAR", "ecs:ListTasks")} == set()


@pytest.mark.parametrize(
    ("wrong", "issue"),
    [({"Action": ["ec2:DescribeInstance"]}, "UNKNOWN_ACTION"), ({"Resource": ["arn:aws:s3:::x"]}, "RESOURCE_MISMATCH")],
)
def test_what_is_unsound_is_found(wrong: dict[str, list[str]], issue: str) -> None:
    statement = {"Effect": "Allow", "Action": ["ec2:DescribeInstances"], "Resource": ["*"], **wrong}
    analysed = analyze_policy_string(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert issue in {finding.issue for finding in analysed.findings}


@pytest.mark.usefixtures("as_reader")
def test_with_the_policy_everything_is_read(filled: SimulatedAws, inventory: Make, window: Window) -> None:
    with enforced():
        granted = inventory().collect(window, {})
    assert (granted.coverage[0].status, granted.coverage[0].reason) == ("complete", "")
    unbounded = inventory().collect(window, {})
    assert granted.samples.num_rows > 60
    assert samples_of(granted) == samples_of(unbounded)


@pytest.mark.parametrize("action", ACTIONS)
def test_without_one_action_it_is_told_which_one_and_the_rest_is_read(
    action: str, filled: SimulatedAws, inventory: Make, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nothing is granted that is not needed."""
    needs = {name for name, each in CATALOGUE.items() if any(action in grant.actions for grant in each.grants)} or {
        "sqs"
    }
    other = {"sqs", "s3"} - needs
    lacking = [
        {**statement, "Action": left}
        for statement in POLICY["Statement"]
        if (left := [each for each in statement["Action"] if each != action])
    ]
    keys = filled.user(f"without-{action.replace(':', '-')}", {"Version": "2012-10-17", "Statement": lacking})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret)
    with enforced():
        readings = inventory(services=sorted(needs | other)).collect(window, {})
    (coverage,) = readings.coverage
    assert coverage.status == "partial"
    assert f'the policy needs {{"Effect": "Allow", "Action": ["{action}"]' in coverage.reason
    assert readings.samples.num_rows > 0


@pytest.mark.parametrize(("service", "operation", "arguments"), WRITES)
def test_a_write_is_refused_here_and_by_iam(
    filled: SimulatedAws, guarded: Account, reader: Keys, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    client = guarded.client(service, REGION)
    with pytest.raises(WriteRefused):
        getattr(client, operation)(**arguments)
    client.close()
    unguarded = filled.client(service, keys=reader)
    with enforced(), pytest.raises(ClientError) as refused:
        getattr(unguarded, operation)(**arguments)
    unguarded.close()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    told = refused.value.response["Error"]["Message"]
    assert "is not authorized to perform: " in told or told == "Access Denied"

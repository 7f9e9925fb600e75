"""Documents for whoever grants: the same bytes for the same configuration, no more and no less than is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from agent import policy
from agent.policycli import policy as command
from collector import registry
from collector.account.config import AccountConfig
from collector.account.permissions import Grant, Operation

GOLDEN = Path(__file__).parents[1] / "data" / "policies"
PRINCIPAL = "arn:aws:iam::999999999999:role/agents"
ROLE, OTHER = "arn:aws:iam::123456789012:role/usage/meterbook", "arn:aws:iam::210987654321:role/meterbook"
AGENT = """
agent: tests
ledger: {endpoint: "127.0.0.1:9466"}
sources:
  - kind: aws
    regions: [eu-central-1, us-east-1]
    services: [dynamodb, ec2_instances, sqs]
    accounts:
      - name: prod
        account: {role_arn: "arn:aws:iam::123456789012:role/usage/meterbook", external_id: "acme-7"}
"""
SECOND = '      - account: {role_arn: "arn:aws:iam::210987654321:role/meterbook"}\n'

_LETTERS = st.sampled_from("abc")
operations = st.builds(lambda letter: Operation("s", letter, f"s:Get{letter}"), _LETTERS)
granted = st.lists(
    st.builds(
        Grant,
        st.lists(operations, min_size=1, max_size=3).map(tuple),
        st.lists(_LETTERS.map("arn:aws:s:::{}".format), min_size=1, max_size=3).map(tuple),
        st.sampled_from([(), (("StringEquals", "aws:RequestedRegion", ("eu-west-1",)),)]),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._PLUGINS, "aws", "collector.aws.plugin")


def printed(folder: Path, *options: str, text: str = AGENT) -> Result:
    (folder / "agent.yaml").write_text(text)
    return CliRunner().invoke(command, ["aws", "--config", str(folder / "agent.yaml"), *options])


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("policy", "policy.json"),
        ("trust", "trust.json"),
        ("own", "own.json"),
        ("cloudformation", "role.yaml"),
        ("terraform", "role.tf"),
    ],
)
def test_the_same_configuration_gives_the_same_bytes(tmp_path: Path, form: str, name: str) -> None:
    result = printed(tmp_path, "--form", form, "--principal", PRINCIPAL)
    assert (result.exit_code, result.output) == (0, (GOLDEN / name).read_text())


def test_every_form_has_the_same_policy(tmp_path: Path) -> None:
    document = json.loads(printed(tmp_path).output)
    template = yaml.safe_load(printed(tmp_path, "--form", "cloudformation", "--principal", PRINCIPAL).output)
    properties = template["Resources"]["MeterbookRole"]["Properties"]
    assert properties["Policies"][0]["PolicyDocument"] == document
    trust = json.loads(printed(tmp_path, "--form", "trust", "--principal", PRINCIPAL).output)
    assert properties["AssumeRolePolicyDocument"] == trust
    assert (properties["RoleName"], properties["Path"]) == ("meterbook", "/usage/")
    text = printed(tmp_path, "--form", "terraform", "--principal", PRINCIPAL).output
    encoded = [piece.partition("\n  })")[0] for piece in text.split("jsonencode({")[1:]]
    assert [json.loads("{" + each + "}") for each in encoded] == [trust, document]


def test_what_begins_a_template_is_text_in_terraform() -> None:
    grant = Grant((Operation("s", "Get", "s:Get"),), ("arn:aws:s:::${aws:username}/%{x}",))
    text = policy.terraform(policy.Role(ROLE, None, (grant,)), PRINCIPAL)
    assert '"arn:aws:s:::$${aws:username}/%%{x}"' in text


def reach(grants: Sequence[Grant]) -> set[tuple[Any, ...]]:
    return {
        (action, resource, grant.conditions)
        for grant in grants
        for action, resource in product(grant.actions, grant.resources)
    }


@given(granted)
def test_fewer_statements_grant_the_same(grants: list[Grant]) -> None:
    merged = policy.merged(grants)
    assert reach(merged) == reach(grants)
    assert len(merged) <= len(grants)
    assert policy.merged(list(reversed(grants))) == merged


def test_of_several_roles_one_must_be_meant(tmp_path: Path) -> None:
    both = AGENT + SECOND
    result = printed(tmp_path, text=both)
    assert result.exit_code == 1
    assert f"--role must say which role is meant: there are {ROLE}, {OTHER}" in result.output
    trust = json.loads(
        printed(tmp_path, "--form", "trust", "--role", OTHER, "--principal", PRINCIPAL, text=both).output
    )
    assert "Condition" not in trust["Statement"][0]
    own = json.loads(printed(tmp_path, "--form", "own", text=both).output)
    assert own["Statement"] == [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [ROLE, OTHER]}]


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--form", "trust"], 2, "needs --principal"),
        (["--form", "trust", "--principal", "*"], 2, "is not the ARN"),
        (["--role", "arn:aws:iam::1:role/x"], 1, "--role must say which role is meant"),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, options: list[str], code: int, told: str) -> None:
    result = printed(tmp_path, *options)
    assert (result.exit_code, told in result.output) == (code, True)


def test_without_a_role_there_is_a_policy_and_nobody_to_trust(tmp_path: Path) -> None:
    text = AGENT.partition("        account:")[0]
    assert json.loads(printed(tmp_path, text=text).output)["Statement"]
    for form in ("trust", "own"):
        result = printed(tmp_path, "--form", form, "--principal", PRINCIPAL, text=text)
        assert (result.exit_code, "names a role_arn" in result.output) == (1, True)


def test_sources_that_read_no_account_need_nothing(tmp_path: Path) -> None:
    text = AGENT.partition("sources:")[0] + "sources: [{kind: logfile, path: /var/log/usage.log}]\n"
    result = printed(tmp_path, text=text)
    assert (result.exit_code, "no source reads an AWS account" in result.output) == (1, True)


def test_a_wrong_configuration_is_told(tmp_path: Path) -> None:
    result = printed(tmp_path, text=AGENT.replace("sqs", "mainframe"))
    assert result.exit_code == 1
    assert "service 'mainframe' is not metered" in result.output


def test_a_role_has_one_external_id() -> None:
    accounts = [AccountConfig(role_arn=ROLE, external_id=each) for each in ("acme-7", "acme-8")]
    with pytest.raises(ValueError, match="has another external_id in another source"):
        policy.roles([(account, ()) for account in accounts])


def test_a_policy_that_no_role_can_have_is_told() -> None:
    grants = tuple(Grant((Operation("s", "Get", "s:Get"),), (f"arn:aws:s:::{number:060}",)) for number in range(200))
    with pytest.raises(ValueError, match="a role takes 10240: divide the sources"):
        policy.policy(policy.Role(ROLE, None, grants))
    with pytest.raises(ValueError, match="nothing has to be granted"):
        policy.policy(policy.Role(ROLE, None, ()))

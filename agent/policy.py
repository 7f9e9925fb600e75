"""Policies from what is declared: what an agent must be granted in an AWS account, as documents for whoever grants it.

The grants are those that clients are limited by and that refusals name (``collector.account``), so a document cannot say more, or less,
than what is asked. The same configuration gives the same bytes. Of one role everything that any source needs is in one policy.

Forms: the policy of the role; its trust policy; both as a CloudFormation template or as Terraform; and, the other way round, what the
agent's own identity needs to take on the roles.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from collector.account.config import AccountConfig
from collector.account.permissions import Grant

#: Accounts, and what is asked of each.
Needed = list[tuple[AccountConfig, Sequence[Grant]]]

_VERSION = "2012-10-17"
#: Of all policies within one role, without white space (IAM user guide, "IAM and AWS STS quotas").
ROLE_CHARACTERS_MAX = 10_240


@dataclass(frozen=True)
class Role:
    """A role and what it must be granted; without ``arn`` it is whoever the agent's own credentials belong to."""

    arn: str | None
    external_id: str | None
    grants: tuple[Grant, ...]

    @property
    def name(self) -> str:
        """The role's own name, without its path."""
        return (self.arn or "meterbook").rpartition("/")[2]

    @property
    def path(self) -> str:
        """The role's path, ``/`` if it has none."""
        return (self.arn or "").partition(":role")[2].removesuffix(self.name) or "/"


def roles(needed: Needed) -> list[Role]:
    """The roles that sources name, each with all that is needed of it. Raises ValueError where one has two external ids."""
    found: dict[str | None, Role] = {}
    for account, grants in needed:
        before = found.get(account.role_arn, Role(account.role_arn, account.external_id, ()))
        if before.external_id != account.external_id:
            raise ValueError(f"the role {account.role_arn} has another external_id in another source")
        found[account.role_arn] = Role(account.role_arn, account.external_id, (*before.grants, *grants))
    return [found[arn] for arn in sorted(found, key=lambda arn: arn or "")]


def policy(role: Role) -> dict[str, Any]:
    """The least that the role must be granted. Raises ValueError where there is nothing, or more than a role can have."""
    if not role.grants:
        raise ValueError("nothing is asked of AWS, so nothing has to be granted")
    document = {"Version": _VERSION, "Statement": [grant.statement() for grant in merged(role.grants)]}
    size = len(json.dumps(document, separators=(",", ":")))
    if size > ROLE_CHARACTERS_MAX:
        raise ValueError(
            f"the policy has {size} characters, and a role takes {ROLE_CHARACTERS_MAX}: divide the sources"
        )
    return document


def merged(grants: Iterable[Grant]) -> list[Grant]:
    """The same grants in as few statements as there are resources and conditions, sorted."""
    found: dict[tuple[Any, Any], set[Any]] = {}
    for grant in grants:
        found.setdefault((tuple(sorted(set(grant.resources))), grant.conditions), set()).update(grant.operations)
    together: dict[tuple[Any, Any], Grant] = {}
    for (resources, conditions), operations in found.items():
        grant = Grant(tuple(sorted(operations)), resources, conditions)
        # Resources of one type have the actions of that type alone, so only equal sets of actions may share a statement.
        key = (grant.actions, conditions)
        other = together.get(key)
        if other is not None:
            grant = Grant(grant.operations, tuple(sorted({*other.resources, *resources})), conditions)
        together[key] = grant
    return sorted(together.values(), key=lambda grant: (grant.resources, grant.actions, grant.conditions))


def trust(role: Role, principal: str) -> dict[str, Any]:
    """Who may take on the role: ``principal`` alone, and only with the external id, if there is one."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    if role.external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": role.external_id}}
    return {"Version": _VERSION, "Statement": [statement]}


def own(found: Sequence[Role]) -> dict[str, Any]:
    """What the agent's own identity needs: to take on the roles, and nothing else. Raises ValueError where there is none."""
    arns = [role.arn for role in found if role.arn is not None]
    if not arns:
        raise ValueError("no source names a role_arn, so there is no role to take on")
    return {"Version": _VERSION, "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arns}]}


def as_json(document: Mapping[str, Any]) -> str:
    """A document as JSON, for people to read."""
    return json.dumps(document, indent=2) + "\n"


def cloudformation(role: Role, principal: str) -> str:
    """Role and policy as a template ("AWS CloudFormation user guide", AWS::IAM::Role), in YAML."""
    properties = {
        "RoleName": role.name,
        "Path": role.path,
        "Description": "Lets Meterbook read usage; it can change nothing.",
        "AssumeRolePolicyDocument": trust(role, principal),
        "Policies": [{"PolicyName": "meterbook-read", "PolicyDocument": policy(role)}],
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "A role with which Meterbook reads usage in this account.",
        "Resources": {"MeterbookRole": {"Type": "AWS::IAM::Role", "Properties": properties}},
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["MeterbookRole", "Arn"]}}},
    }
    return yaml.dump(template, Dumper=_WithoutAnchors, sort_keys=False, width=120)


def terraform(role: Role, principal: str) -> str:
    """Role and policy in Terraform's language; ``jsonencode`` takes JSON as it stands but for the beginnings of templates."""
    return f"""resource "aws_iam_role" "meterbook" {{
  name        = {_expression(role.name)}
  path        = {_expression(role.path)}
  description = "Lets Meterbook read usage; it can change nothing."

  assume_role_policy = jsonencode({_expression(trust(role, principal))})
}}

resource "aws_iam_role_policy" "meterbook_read" {{
  name = "meterbook-read"
  role = aws_iam_role.meterbook.id

  policy = jsonencode({_expression(policy(role))})
}}

output "meterbook_role_arn" {{
  value = aws_iam_role.meterbook.arn
}}
"""


class _WithoutAnchors(yaml.SafeDumper):
    """YAML in which what is equal is written out each time: whoever reads a policy reads it from top to bottom."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _expression(value: object) -> str:
    text = json.dumps(value, indent=2).replace("${", "$${").replace("%{", "%%{")
    return text.replace("\n", "\n  ")

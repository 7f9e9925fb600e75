"""``meterbook agent policy``: print what the agent must be granted where it reads, and nothing more.

Nothing is asked and nothing is read but the configuration, so it runs wherever that can be read. Several roles in one configuration are
told apart by ``--role``.
"""

from __future__ import annotations

import re

import click

from agent import policy as documents
from agent.config import AgentConfig
from agent.configured import Configured, configured
from agent.errors import AgentError
from agent.policy import Role
from collector import registry

_FORMS = ("policy", "trust", "cloudformation", "terraform", "own")
#: An account, a user or a role: what a trust policy may name (IAM user guide, "AWS JSON policy elements: Principal").
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(root|(user|role)/[A-Za-z0-9_+=,.@/-]+)")


@click.group()
def policy() -> None:
    """Print what the agent must be granted where it reads."""


@policy.command()
@configured
@click.option(
    "--form",
    type=click.Choice(_FORMS),
    default="policy",
    show_default=True,
    help="The policy of the role, its trust policy, both as a template; or what the agent's own identity needs.",
)
@click.option("--principal", metavar="ARN", help="Who takes on the role: the identity that the agent runs as.")
@click.option("--role", "role_arn", metavar="ARN", help="The role that is meant, where there are several.")
def aws(asked: Configured, form: str, principal: str | None, role_arn: str | None) -> None:
    """Print IAM documents for the AWS accounts of a configuration."""
    if form in ("trust", "cloudformation", "terraform") and principal is None:
        raise click.UsageError(f"--form {form} needs --principal: who takes on the role")
    if principal is not None and not _PRINCIPAL.fullmatch(principal):
        raise click.UsageError(f"--principal {principal!r} is not the ARN of an account's root, a user or a role")
    try:
        found = documents.roles(_needed(asked.load()))
        if form == "own":
            click.echo(documents.as_json(documents.own(found)), nl=False)
            return
        click.echo(_document(_chosen(found, role_arn), form, principal or ""), nl=False)
    except AgentError as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.ClickException(f"{asked.path}: {error}") from error


def _needed(config: AgentConfig) -> documents.Needed:
    """Accounts and what is asked of each, over all sources."""
    found: documents.Needed = []
    for source in config.sources:
        grants = registry.plugin(source.kind).grants
        if grants is not None:
            found += grants(source)
    return found


def _chosen(found: list[Role], role_arn: str | None) -> Role:
    """The role that is meant. Raises ValueError where that is not clear."""
    if not found:
        raise ValueError("no source reads an AWS account, so nothing has to be granted")
    chosen = [role for role in found if role_arn is None or role.arn == role_arn]
    if len(chosen) != 1:
        names = ", ".join(role.arn or "the agent's own identity" for role in found)
        raise ValueError(f"--role must say which role is meant: there are {names}")
    return chosen[0]


def _document(role: Role, form: str, principal: str) -> str:
    if form in ("trust", "cloudformation", "terraform") and role.arn is None:
        raise ValueError(f"--form {form} needs a role: no source names a role_arn")
    if form == "trust":
        return documents.as_json(documents.trust(role, principal))
    if form == "cloudformation":
        return documents.cloudformation(role, principal)
    if form == "terraform":
        return documents.terraform(role, principal)
    return documents.as_json(documents.policy(role))

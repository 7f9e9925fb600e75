"""``meterbook access``: invite agents, issue tokens, and end or renew what was given.

A new credential stands alone on standard output, so that it can be piped into a file that nobody else may read; what else there
is to say goes to standard error.
"""

from __future__ import annotations

import click

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, names, print_json, print_table, shown
from ledger.schema.duration import duration_s
from meterbook.ledger.v1 import access_pb2


def duration(text: str) -> int:
    """Seconds of a number with a unit: 90s, 15m, 1h, 30d."""
    try:
        return duration_s(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.group()
def access() -> None:
    """Say who may do what."""


@access.command()
@click.argument("name")
@click.option("--tenants", type=names, required=True, help="Tenants it may write for: names or shop-*; * for all.")
@click.option("--sources", type=names, required=True, help="Sources it may write: names or prometheus/*; * for all.")
@click.option("--expires", type=duration, default="1h", show_default=True, help="How long it may take to enrol.")
@as_json_option
@asks_ledger
def invite_agent(name: str, tenants: tuple[str, ...], sources: tuple[str, ...], expires: int, as_json: bool) -> None:
    """Make a one-time invitation for the agent NAME; its place is ledger.enrolment_token_file."""
    request = access_pb2.InviteAgentRequest(agent=name, tenants=tenants, sources=sources, expires_s=expires)
    with connected("inviting") as stubs:
        response = stubs.access.InviteAgent(request)
    _give(response, as_json)


@access.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["admin", "operator", "viewer"]), required=True, help="What it may do.")
@click.option("--tenants", type=names, default="", help="The tenants that a viewer sees, by name.")
@click.option("--expires", type=duration, default="0s", help="How long it lives, such as 30d; for ever by default.")
@as_json_option
@asks_ledger
def issue_token(name: str, role: str, tenants: tuple[str, ...], expires: int, as_json: bool) -> None:
    """Make a token for the person or program NAME.

    An admin may do everything, an operator everything but what this command does, a viewer sees usage, invoices and
    coverage of the tenants named.
    """
    request = access_pb2.IssueTokenRequest(name=name, role=role, tenants=tenants, expires_s=expires)
    with connected("issuing") as stubs:
        response = stubs.access.IssueToken(request)
    _give(response, as_json)


@access.command()
@click.argument("credential_id", metavar="ID")
@click.option("--overlap", type=duration, default="1h", show_default=True, help="How long the old secret lives on.")
@as_json_option
@asks_ledger
def rotate(credential_id: str, overlap: int, as_json: bool) -> None:
    """Give a token or an agent's key a new secret."""
    with connected("rotating") as stubs:
        response = stubs.access.Rotate(access_pb2.RotateRequest(id=credential_id, overlap_s=overlap))
    _give(response, as_json)


@access.command()
@click.argument("credential_id", metavar="ID")
@as_json_option
@asks_ledger
def revoke(credential_id: str, as_json: bool) -> None:
    """End a credential for ever; elsewhere that takes a few seconds."""
    with connected("revoking") as stubs:
        response = stubs.access.Revoke(access_pb2.RevokeRequest(id=credential_id))
    if as_json:
        print_json(response)
        return
    click.echo(f"{shown(response.credential.name)} ({response.credential.id}) is revoked")


@access.command("list")
@as_json_option
@asks_ledger
def list_credentials(as_json: bool) -> None:
    """List every credential, oldest first, without its secret."""
    with connected("reading") as stubs:
        response = stubs.access.List(access_pb2.ListRequest())
    if as_json:
        print_json(response)
        return
    rows = [
        [
            row.id,
            row.kind,
            row.name,
            row.role or "-",
            ", ".join(row.tenants) or "-",
            ", ".join(row.sources) or "-",
            row.expires or "never",
            row.state,
        ]
        for row in response.rows
    ]
    print_table(["id", "kind", "name", "role", "tenants", "sources", "expires", "state"], rows)


def _give(
    response: access_pb2.IssueTokenResponse | access_pb2.InviteAgentResponse | access_pb2.RotateResponse, as_json: bool
) -> None:
    if as_json:
        print_json(response)
        return
    credential = response.credential
    until = f"until {credential.expires}" if credential.expires else "until it is revoked"
    click.echo(f"{credential.kind} {shown(credential.name)} ({credential.id}), good {until}; shown only now:", err=True)
    click.echo(response.token)

"""``meterbook event``: one event as it came in, and how it is corrected."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ledger.cli.changes import user
from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, print_json, print_table
from meterbook.ledger.v1 import admin_pb2, query_pb2

_STATE = ["tenant", "time", "value", "properties"]


@click.group()
def event() -> None:
    """Show one event, or amend it."""


@event.command()
@click.argument("source")
@click.argument("ident", metavar="ID")
@as_of_option
@as_json_option
@asks_ledger
def show(source: str, ident: str, as_of: int | None, as_json: bool) -> None:
    """Show the event ID of SOURCE: each time it came in, each amendment, and what counts."""
    request = query_pb2.EventRequest(as_of=as_of or 0, source=source, id=ident)
    with connected("looking for the event") as stubs:
        response = stubs.query.Event(request)
    if as_json:
        print_json(response)
        return
    rows = [[str(each.position), each.agent, each.origin, each.type, *_state(each.state)] for each in response.received]
    print_table(
        ["position", "agent", "origin", "type", *_STATE],
        rows,
        right=["position", "value"],
        note="as it came in; what came first counts",
    )
    if response.amendments:
        print_amendments(response.amendments, "amendments; the last one counts")
    counts = "nothing: it is void" if response.state.is_void else ", ".join(_state(response.state))
    click.echo(f"counts as {counts}; as of position {response.as_of}")


@event.command()
@click.argument("source")
@click.argument("ident", metavar="ID")
@click.option("--value", default="", help="The value that it should have had.")
@click.option("--tenant", default="", help="The tenant whose it should have been.")
@click.option("--time", "at", default="", metavar="TIME", help="When it should have been, RFC 3339.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="NAME=VALUE",
    help="A property that it should have had; may be given again.",
)
@click.option(
    "--drop-property",
    "dropped",
    multiple=True,
    metavar="NAME",
    help="A property that it should not have had; may be given again.",
)
@click.option("--void", "is_void", is_flag=True, help="It counts for nothing. Another amendment makes it count again.")
@click.option("--reason", required=True, help="Why, for whoever reads a correction.")
@click.option("--key", default="", help="A name for this amendment: under it, it is written only once.")
@click.option("--author", default=None, help="Who amends, for the record; your user name by default.")
@as_json_option
@asks_ledger
def amend(
    source: str,
    ident: str,
    value: str,
    tenant: str,
    at: str,
    properties: tuple[str, ...],
    dropped: tuple[str, ...],
    is_void: bool,
    reason: str,
    key: str,
    author: str | None,
    as_json: bool,
) -> None:
    """Say what the event ID of SOURCE should have said. What came in stays, and is shown beside it."""
    for each in properties:
        if "=" not in each:
            raise click.UsageError(f"--property: {each} is no NAME=VALUE")
    request = admin_pb2.AmendEventRequest(
        source=source,
        id=ident,
        value=value,
        tenant=tenant,
        time=at,
        properties=dict(each.split("=", 1) for each in properties),
        dropped_properties=dropped,
        void=is_void,
        reason=reason,
        author=author or user(),
        key=key,
    )
    with connected("amending") as stubs:
        response = stubs.admin.AmendEvent(request)
    if as_json:
        print_json(response)
        return
    done = "stands already" if response.repeated_before else "is written"
    click.echo(f"the amendment {done} at position {response.position}; usage follows it, and the next booking corrects")


def print_amendments(amendments: Iterable[query_pb2.Amendment], note: str) -> None:
    """Amendments as a table: what changed, by whom and why."""
    rows = [
        [each.source, each.id, _changed(each), each.reason, each.author, each.amended, str(each.position)]
        for each in amendments
    ]
    print_table(
        ["source", "id", "amended", "reason", "author", "when", "position"], rows, right=["position"], note=note
    )


def _changed(amendment: query_pb2.Amendment) -> str:
    before, after = amendment.before, amendment.after
    if after.is_void:
        return "void"
    pairs = zip(_STATE, _state(before), _state(after), strict=True)
    told = [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]
    return ", ".join([*(["not void any more"] if before.is_void else []), *told])


def _state(state: query_pb2.EventState) -> list[str]:
    return [state.tenant, state.time, state.value, state.properties]

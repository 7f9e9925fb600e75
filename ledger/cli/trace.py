"""``meterbook trace``: from a number on an invoice back to what was observed."""

from __future__ import annotations

import click

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, dimensions_told, print_json, print_table
from ledger.cli.event import print_amendments
from meterbook.ledger.v1 import query_pb2


@click.command()
@click.argument("meter")
@click.argument("tenant")
@click.option("--at", required=True, metavar="TIME", help="An instant in the window, RFC 3339.")
@click.option(
    "--dimension",
    "dimensions",
    multiple=True,
    metavar="NAME=VALUE",
    help="Only with this dimension; may be given again.",
)
@as_of_option
@as_json_option
@asks_ledger
def trace(meter: str, tenant: str, at: str, dimensions: tuple[str, ...], as_of: int | None, as_json: bool) -> None:
    """Show what the quantity of METER and TENANT in one window is made of: entries, parts, and the batches behind them.

    ``meterbook proof AGENT SEQUENCE`` proves each batch, and ``meterbook proof leaf POSITION`` to whoever may not see whose else it is.
    """
    wanted = dict(each.partition("=")[::2] for each in dimensions)
    request = query_pb2.TraceRequest(as_of=as_of or 0, meter=meter, tenant=tenant, at=at, dimensions=wanted)
    with connected("tracing") as stubs:
        response = stubs.query.Trace(request)
    if as_json:
        print_json(response)
        return
    click.echo(
        f"{meter} of {tenant}, {response.start} to {response.end}: {response.quantity} {response.unit},"
        f" {response.booked} of it booked, by version {response.version}"
    )
    entries = [
        [
            dimensions_told(each.dimensions),
            each.quantity,
            each.estimated,
            each.booked,
            str(each.position),
            ", ".join(each.causes),
        ]
        for each in response.entries
    ]
    print_table(
        ["dimensions", "quantity", "estimated", "booked", "position", "why"],
        entries,
        right=["quantity", "estimated", "position"],
        note="their sum is what is booked",
    )
    if response.amendments:
        print_amendments(response.amendments, "amended by operators; 'meterbook event show' has all of one event")
    parts = [
        [dimensions_told(each.dimensions), each.resource, each.source, each.quantity, each.estimated]
        for each in response.parts
    ]
    print_table(
        ["dimensions", "resource", "source", "quantity", "estimated"],
        parts,
        right=["quantity", "estimated"],
        note=_more(
            response.parts_total - len(response.parts), f"in {response.parts_unit}, neither converted nor rounded"
        ),
    )
    batches = [
        [each.agent, str(each.epoch), str(each.sequence), str(each.position), str(each.rows), each.leaf]
        if each.agent
        else ["", "", "", str(each.position), str(each.rows), each.leaf]
        for each in response.batches
    ]
    print_table(
        ["agent", "epoch", "sequence", "position", "rows", "leaf"],
        batches,
        right=["epoch", "sequence", "position", "rows"],
        note=_more(response.batches_total - len(response.batches), f"as of position {response.as_of}"),
    )


def _more(left: int, note: str) -> str:
    return f"{left} more; {note}" if left else note

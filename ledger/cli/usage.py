"""``meterbook usage``: metered quantities, and how well they were observed."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, percent, print_json, print_table, range_options
from meterbook.ledger.v1 import query_pb2


@click.command()
@click.option("--meter", "meters", multiple=True, help="Only this meter; may be given again.")
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
@click.option("--window", type=click.Choice(["total", "day", "hour"]), default="total", show_default=True)
@range_options
@as_of_option
@as_json_option
@asks_ledger
def usage(
    meters: tuple[str, ...],
    tenants: tuple[str, ...],
    window: str,
    start: str,
    end: str,
    as_of: int | None,
    as_json: bool,
    ledger: str,
    ca_file: Path | None,
) -> None:
    """Show metered usage per meter, tenant and dimensions, with its coverage."""
    request = query_pb2.UsageRequest(
        as_of=as_of or 0,
        range=query_pb2.Range(start=start, end=end),
        meters=meters,
        tenants=tenants,
        window=window,
    )
    with connected(ledger, ca_file, "metering") as stubs:
        response = stubs.query.Usage(request)
    if as_json:
        print_json(response)
        return
    columns = ["meter", "tenant", "dimensions", "window", "quantity", "unit", "estimated", "coverage"]
    rows = [
        [
            row.meter,
            row.tenant,
            ", ".join(f"{name}={value}" for name, value in sorted(row.dimensions.items())),
            row.window or "total",
            row.quantity,
            row.unit,
            row.estimated,
            percent(row.coverage),
        ]
        for row in response.rows
    ]
    print_table(columns, rows, right=["quantity", "estimated", "coverage"], note=f"as of position {response.as_of}")

"""``meterbook usage``: metered quantities, and how well they were observed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from ledger.cli import exporting
from ledger.cli.client import Stubs, asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, percent, print_json, print_table, range_options
from ledger.schema.calendar import TOTAL, WINDOWS
from meterbook.ledger.v1 import query_pb2


@click.command()
@click.option("--meter", "meters", multiple=True, help="Only this meter; may be given again.")
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
@click.option(
    "--window",
    type=click.Choice(WINDOWS),
    default=TOTAL,
    show_default=True,
    help="Cut the range into windows; 'own' are those of the meter, and 'total' is their sum.",
)
@click.option(
    "--zone", default="UTC", show_default=True, help="IANA time zone in which days, and all that is longer, begin."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a file instead: .csv, .parquet or .arrow, by its name.",
)
@click.option("--plot", "as_plot", is_flag=True, help="Draw the quantities over time.")
@range_options
@as_of_option
@as_json_option
@asks_ledger
def usage(
    meters: tuple[str, ...],
    tenants: tuple[str, ...],
    window: str,
    zone: str,
    output: Path | None,
    as_plot: bool,
    start: str,
    end: str,
    as_of: int | None,
    as_json: bool,
) -> None:
    """Show metered usage per meter, tenant and dimensions, with its coverage."""
    if output is not None and output.suffix not in exporting.SUFFIXES:
        raise click.UsageError(f"--output: {output} ends with none of {', '.join(exporting.SUFFIXES)}")
    request = query_pb2.UsageRequest(
        as_of=as_of or 0,
        range=query_pb2.Range(start=start, end=end),
        meters=meters,
        tenants=tenants,
        window=window,
        zone=zone,
    )
    with connected("metering") as stubs:
        response = _all_pages(stubs, request)
    if output is not None:
        exporting.write(response, output)
        return
    if as_json:
        print_json(response)
        return
    if as_plot:
        exporting.plot(response.rows)
        return
    print_usage(response.rows, [f"as of position {response.as_of}"])


def _all_pages(stubs: Stubs, request: query_pb2.UsageRequest) -> query_pb2.UsageResponse:
    """All rows, as of the position of the first page."""
    response = stubs.query.Usage(request)
    while len(response.rows) < response.rows_total:
        request.as_of, request.offset = response.as_of, len(response.rows)
        response.rows.extend(stubs.query.Usage(request).rows)
    return response


def print_usage(rows: Iterable[query_pb2.UsageRow], notes: Sequence[str]) -> None:
    """Quantities as a table, with what is to be known about them below."""
    columns = ["meter", "tenant", "dimensions", "window", "quantity", "unit", "estimated", "coverage"]
    cells = [
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
        for row in rows
    ]
    print_table(columns, cells, right=["quantity", "estimated", "coverage"], note="; ".join(notes))

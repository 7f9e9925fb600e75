"""``meterbook bills`` and ``charges``: what providers billed, and which of it counts."""

from __future__ import annotations

import click

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, print_json, print_table
from meterbook.ledger.v1 import query_pb2
from meterbook.wire.sections import NATURES

_SOURCES = click.option("--source", "sources", multiple=True, help="Only this source; may be given again.")


@click.command()
@_SOURCES
@as_of_option
@as_json_option
@asks_ledger
def bills(sources: tuple[str, ...], as_of: int | None, as_json: bool) -> None:
    """List what providers billed, month by month: every version, and which of them stands.

    The sum of charges is by what a version is checked. It takes no note of currencies; ``charges`` tells those apart.
    """
    with connected("reading") as stubs:
        response = stubs.query.Bills(query_pb2.BillsRequest(as_of=as_of or 0, sources=sources))
    if as_json:
        print_json(response)
        return
    rows = [
        [
            row.source,
            row.period[:7],
            row.version,
            row.nature,
            row.issued,
            str(row.charges),
            row.billed,
            row.state if row.state != "incomplete" else f"incomplete: {row.received} of {row.charges} charges",
        ]
        for row in response.rows
    ]
    print_table(
        ["source", "month", "version", "nature", "issued", "charges", "sum of charges", "state"],
        rows,
        right=["charges", "sum of charges"],
        note=f"as of position {response.as_of}",
    )


@click.command()
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="A column of FOCUS, Tags.<key>, day or month; may be given again."
)
@click.option(
    "--nature",
    type=click.Choice(NATURES),
    default=NATURES[0],
    show_default=True,
    help="What kind of bills.",
)
@click.option("--from", "start", default="", metavar="TIME", help="Charges of periods that begin then or later.")
@click.option("--to", "end", default="", metavar="TIME", help="Charges of periods that begin before.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Most rows to list.")
@_SOURCES
@as_of_option
@as_json_option
@asks_ledger
def charges(
    by: tuple[str, ...],
    nature: str,
    start: str,
    end: str,
    limit: int,
    sources: tuple[str, ...],
    as_of: int | None,
    as_json: bool,
) -> None:
    """Add up the bills that stand, the greatest first; 'meterbook charges import' brings bills that are files."""
    request = query_pb2.ChargesRequest(
        as_of=as_of or 0,
        range=query_pb2.Range(start=start, end=end),
        sources=sources,
        nature=nature,
        by=by,
        limit=limit,
    )
    with connected("adding up") as stubs:
        response = stubs.query.Charges(request)
    if as_json:
        print_json(response)
        return
    columns = list(dict.fromkeys(by))
    rows = [
        [*(row.group[name] for name in columns), str(row.charges), row.billed_cost, row.effective_cost, row.currency]
        for row in response.rows
    ]
    left = response.rows_total - len(response.rows)
    note = [f"total {row.billed_cost} {row.currency} billed, {row.effective_cost} effective" for row in response.totals]
    note += [f"{left} more rows"] if left else []
    note += response.notes
    print_table(
        [*columns, "charges", "billed", "effective", "currency"],
        rows,
        right=["charges", "billed", "effective"],
        note="; ".join([*note, f"as of position {response.as_of}"]),
    )

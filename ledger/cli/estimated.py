"""``meterbook cost estimate``: what price books estimate for a month, against what was billed for it, and what has no price.

A side that has no such charges is a dash, which is not 0.
"""

from __future__ import annotations

import click

from ledger.cli.allocated import amount_shown, columns_option, cost_option
from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, print_answer, print_table
from meterbook.ledger.v1 import costing_pb2

_AMOUNTS = ["estimated", "billed", "difference", "error %"]


@click.command()
@click.option("--period", required=True, metavar="YYYY-MM", help="Month of the estimate and of the bills.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    help="Only this source of bills, or price-book/NAME for a price book; may be given again.",
)
@cost_option
@columns_option
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Most rows to list of each kind."
)
@as_of_option
@as_json_option
@asks_ledger
def estimate(
    period: str, sources: tuple[str, ...], cost: str, by: tuple[str, ...], limit: int, as_of: int | None, as_json: bool
) -> None:
    """Set what price books estimate against what was billed, and name the usage that has no price.

    The exit code is 1 where usage has no price or a problem is reported.
    """
    request = costing_pb2.EstimateRequest(
        as_of=as_of or 0, period=period, sources=sources, cost=cost, by=by, limit=limit
    )
    with connected("estimating") as stubs:
        response = stubs.costing.Estimate(request)
    is_bad = bool(response.unpriced or response.problems)
    print_answer(response, _print_estimate, as_json=as_json, is_bad=is_bad)


def _print_estimate(response: costing_pb2.EstimateResponse) -> None:
    columns = sorted({name for row in response.rows for name in row.group})
    rows = [[*(row.group[name] for name in columns), *_cells(row)] for row in response.rows]
    if columns:
        rows += [["total", *[""] * (len(columns) - 1), *_cells(row)] for row in response.totals]
    left = response.rows_total - len(response.rows)
    note = [f"{left} more rows"] if left else []
    print_table(
        [*columns, "estimated charges", "billed charges", *_AMOUNTS, "currency"],
        rows,
        right=["estimated charges", "billed charges", *_AMOUNTS],
        note="; ".join([*note, f"as of position {response.as_of}"]),
    )
    if response.unpriced:
        _print_unpriced(response)


def _print_unpriced(response: costing_pb2.EstimateResponse) -> None:
    left = response.unpriced_total - len(response.unpriced)
    print_table(
        ["without a price", "tenant", "dimensions", "hours", "from", "to", "quantity", "unit", "because"],
        [
            [
                row.meter,
                row.tenant,
                row.dimensions,
                str(row.hours),
                row.start,
                row.end,
                row.quantity,
                row.unit,
                row.reason,
            ]
            for row in response.unpriced
        ],
        right=["hours", "quantity"],
        note=f"{left} more rows" if left else "",
    )


def _cells(row: costing_pb2.EstimatedRow) -> list[str]:
    amounts = [amount_shown(each) or "-" for each in (row.estimated, row.billed, row.difference)]
    error = f"{row.error_percent} %" if row.error_percent else "-"
    return [str(row.estimated_charges), str(row.billed_charges), *amounts, error, row.currency]

"""``meterbook cost per-unit``: what one unit of what a meter measures cost, month by month."""

from __future__ import annotations

import click

from ledger.cli.allocated import amount_shown, billing_options
from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, percent, print_answer, print_table
from ledger.cli.exchanged import currency_option, print_rates
from meterbook.ledger.v1 import costing_pb2

_TITLES = ["month", "cost", "quantity", "unit", "per unit", "change", "currency", "coverage"]


@click.command("per-unit")
@click.option("--meter", required=True, help="Meter by which allocation rules divide.")
@billing_options
@click.option(
    "--months", type=click.IntRange(1, 36), default=1, show_default=True, help="So many months up to --period."
)
@currency_option
@as_of_option
@as_json_option
@asks_ledger
def per_unit(
    meter: str, billing: costing_pb2.Billing, months: int, currency: str, as_of: int | None, as_json: bool
) -> None:
    """Show what one unit of what a meter measures cost: per request, per GB, per core-hour.

    It is what tenants bear by the rules that divide in proportion to the meter, by the tenants' quantity of it. The exit code is 1 where a problem
    is reported.
    """
    request = costing_pb2.UnitCostRequest(
        as_of=as_of or 0, meter=meter, billing=billing, months=months, currency=currency
    )
    with connected("allocating") as stubs:
        response = stubs.costing.UnitCost(request)
    print_answer(response, _print, as_json=as_json, is_bad=bool(response.problems))


def _print(response: costing_pb2.UnitCostResponse) -> None:
    rows = [
        [
            row.month,
            amount_shown(row.cost) or "-",
            row.quantity,
            row.unit,
            row.unit_cost or "-",
            f"{row.change_percent} %" if row.change_percent else "-",
            row.currency,
            percent(row.coverage),
        ]
        for row in response.rows
    ]
    print_table(
        _TITLES,
        rows,
        right=["cost", "quantity", "per unit", "change", "coverage"],
        note=f"as of position {response.as_of}",
    )
    print_rates(response.rates)

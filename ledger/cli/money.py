"""``meterbook cost``, ``meterbook margin`` and ``meterbook invoice``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click

from ledger.cli.allocated import ASKED_NATURES, allocated, amount_shown, explain
from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import (
    as_json_option,
    as_of_option,
    names,
    percent,
    print_answer,
    print_json,
    print_table,
    range_options,
    shown,
)
from ledger.cli.estimated import estimate
from ledger.cli.exchanged import currency_option, print_rates
from ledger.cli.focusfile import export
from ledger.cli.unitcost import per_unit
from meterbook.ledger.v1 import query_pb2

_AT = click.option("--at", default="", metavar="TIME", help="Any time of the billing period; now by default.")


@click.group(invoke_without_command=True)
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
@range_options
@as_of_option
@as_json_option
@asks_ledger
def cost(tenants: tuple[str, ...], start: str, end: str, as_of: int | None, as_json: bool) -> None:
    """Show what serving each tenant cost, by price sheet and meter; by a command, what it cost by the bills."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    asked = query_pb2.Range(start=start, end=end)
    with connected("costing") as stubs:
        response = stubs.query.Cost(query_pb2.CostRequest(as_of=as_of or 0, range=asked, tenants=tenants))
    if as_json:
        print_json(response)
        return
    rows = [
        [row.tenant, row.price_sheet, row.meter, row.quantity, row.unit_price, row.cost, row.currency]
        for row in response.rows
    ]
    note = [f"total {amount} {currency}" for currency, amount in sorted(response.totals.items())]
    note += [f"no sheet has a price for {meter}: its cost is unknown" for meter in response.unpriced]
    print_table(
        ["tenant", "price sheet", "meter", "quantity", "unit price", "cost", "currency"],
        rows,
        right=["quantity", "unit price", "cost"],
        note="; ".join([*note, f"as of position {response.as_of}"]),
    )


cost.add_command(allocated)
cost.add_command(explain)
cost.add_command(estimate)
cost.add_command(export)
cost.add_command(per_unit)


@click.command()
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
@_AT
@click.option(
    "--cost",
    type=click.Choice(["billed", "effective", "sheet"]),
    default=None,
    help="BilledCost or EffectiveCost of allocated bills, or price sheets; by default billed where a bill of the month stands, else sheet.",
)
@click.option("--nature", type=click.Choice(ASKED_NATURES), default=None, help="What kind of bills; billed by default.")
@click.option(
    "--by",
    type=names,
    default="tenant",
    show_default=True,
    metavar="NAMES",
    help="tenant, plan or product, or several of these, separated by commas.",
)
@currency_option
@as_of_option
@as_json_option
@asks_ledger
def margin(
    tenants: tuple[str, ...],
    at: str,
    cost: str | None,
    nature: str | None,
    by: tuple[str, ...],
    currency: str,
    as_of: int | None,
    as_json: bool,
) -> None:
    """Set revenue against cost in the billing period, per tenant, plan and product.

    What is shared, idle or unallocated has rows of its own. The exit code is 1 where a problem is reported.
    """
    by = by or ("tenant",)
    request = query_pb2.MarginRequest(
        as_of=as_of or 0, at=at, tenants=tenants, cost=cost or "", currency=currency, by=by, nature=nature or ""
    )
    with connected("rating") as stubs:
        response = stubs.query.Margin(request)
    columns = [name for name in ("tenant", "plan", "product") if name in by]
    print_answer(response, partial(_print_margin, columns=columns), as_json=as_json, is_bad=bool(response.problems))


def _print_margin(response: query_pb2.MarginResponse, columns: Sequence[str]) -> None:
    right = ["revenue", "cost", "margin", "of revenue", "coverage of revenue", "of cost"]
    rows = [[*(getattr(row, name) or "-" for name in columns), *_sides(row)] for row in response.rows]
    rows += [["total", *[""] * (len(columns) - 1), *_sides(row)] for row in response.totals]
    print_table([*columns, "currency", *right], rows, right=right, note=f"as of position {response.as_of}")
    print_rates(response.rates)
    for each in response.costs:
        what = "price sheets" if each.cost == "sheet" else f"{each.cost} cost of {', '.join(each.bills)}, allocated"
        click.echo(f"cost of {each.month}: {shown(what)}")


def _sides(row: query_pb2.MarginRow) -> list[str]:
    return [
        row.currency,
        amount_shown(row.revenue),
        amount_shown(row.cost),
        amount_shown(row.margin) or "-",
        f"{row.margin_percent} %" if row.margin_percent else "-",
        percent(row.revenue_coverage),
        percent(row.cost_coverage),
    ]

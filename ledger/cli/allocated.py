"""``meterbook reconcile``, ``cost allocated`` and ``cost explain``: what becomes of bills by the allocation rules.

Amounts are exact and may have many digits: tables show six of them after the point, JSON all.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import wraps
from typing import Any, TypeVar

import click

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, names, print_answer, print_json, print_table
from ledger.cli.exchanged import currency_option, print_rates
from meterbook.ledger.v1 import costing_pb2
from meterbook.wire.sections import NATURES

Function = TypeVar("Function", bound=Callable[..., None])

#: Kinds of bills, and what is billed and else estimated.
ASKED_NATURES = (*NATURES, "expected")

_SHOWN = Context(prec=1_000, rounding=ROUND_HALF_EVEN)
_UNIT = Decimal("0.000001")
_PARTS = ("direct", "driver", "stated", "shared", "idle", "unallocated")


def cost_option(function: Function) -> Function:
    """``--cost``; the command gets ``cost``."""
    return click.option(
        "--cost",
        type=click.Choice(["billed", "effective"]),
        default="billed",
        show_default=True,
        help="BilledCost or EffectiveCost.",
    )(function)


def columns_option(function: Function) -> Function:
    """``--by``; the command gets ``by``, by which columns rows are added up."""
    return click.option(
        "--by",
        type=names,
        metavar="COLUMNS",
        default="",
        help="Columns of FOCUS, Tags.<key>, day, month, account or service, separated by commas.",
    )(function)


def bills_options(function: Callable[..., None]) -> Callable[..., None]:
    """Which bills; the command gets ``billing``."""

    @wraps(function)
    def billed(*, period: str, sources: tuple[str, ...], nature: str, cost: str = "", **others: Any) -> None:
        function(billing=costing_pb2.Billing(period=period, sources=sources, nature=nature, cost=cost), **others)

    for option in (
        click.option(
            "--nature",
            type=click.Choice(ASKED_NATURES),
            default=ASKED_NATURES[0],
            show_default=True,
            help="What kind of bills; estimate is what price books say, expected that until a bill stands.",
        ),
        click.option("--source", "sources", multiple=True, help="Only this source of bills; may be given again."),
        click.option("--period", required=True, metavar="YYYY-MM", help="Month of the bills."),
    ):
        option(billed)
    return billed


def billing_options(function: Callable[..., None]) -> Callable[..., None]:
    """Which bills, and which of their costs; the command gets ``billing``."""
    return bills_options(cost_option(function))


@click.command()
@billing_options
@columns_option
@click.option("--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Most rows to list.")
@currency_option
@as_of_option
@as_json_option
@asks_ledger
def reconcile(
    billing: costing_pb2.Billing, by: tuple[str, ...], limit: int, currency: str, as_of: int | None, as_json: bool
) -> None:
    """Set what was billed against what became of it.

    The exit code is 1 where anything is left over or a problem is reported.
    """
    request = costing_pb2.ReconcileRequest(as_of=as_of or 0, billing=billing, by=by, limit=limit, currency=currency)
    with connected("allocating") as stubs:
        response = stubs.costing.Reconcile(request)
    print_answer(response, _print_reconciled, as_json=as_json, is_bad=bool(response.problems))


def _print_reconciled(response: costing_pb2.ReconcileResponse) -> None:
    columns = sorted({name for row in response.rows for name in row.group})
    titles = ["billed", *_PARTS, "residual"]
    rows = [
        [*(row.group[name] for name in columns), str(row.charges), *_amounts(row, titles), row.currency]
        for row in response.rows
    ]
    if columns:
        rows += [
            ["total", *[""] * (len(columns) - 1), str(row.charges), *_amounts(row, titles), row.currency]
            for row in response.totals
        ]
    left = response.rows_total - len(response.rows)
    note = [f"{left} more rows"] if left else []
    print_table(
        [*columns, "charges", *titles, "currency"],
        rows,
        right=["charges", *titles],
        note="; ".join([*note, f"as of position {response.as_of}"]),
    )
    if response.unallocated:
        print_table(
            ["unallocated because", "charges", "amount", "currency"],
            [[row.reason, str(row.charges), amount_shown(row.amount), row.currency] for row in response.unallocated],
            right=["charges", "amount"],
        )
    print_rates(response.rates)


@click.command()
@billing_options
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
@currency_option
@as_of_option
@as_json_option
@asks_ledger
def allocated(
    billing: costing_pb2.Billing, tenants: tuple[str, ...], currency: str, as_of: int | None, as_json: bool
) -> None:
    """Show what each tenant bears of what providers billed."""
    with connected("allocating") as stubs:
        response = stubs.costing.Allocation(
            costing_pb2.AllocationRequest(as_of=as_of or 0, billing=billing, tenants=tenants, currency=currency)
        )
    if as_json:
        print_json(response)
        return
    print_table(
        ["tenant", "cost", *_PARTS, "currency"],
        [
            [
                row.tenant,
                amount_shown(row.cost),
                *(amount_shown(row.parts.get(name, "")) for name in _PARTS),
                row.currency,
            ]
            for row in response.rows
        ],
        right=["cost", *_PARTS],
        note="; ".join([*response.problems, f"as of position {response.as_of}"]),
    )
    print_rates(response.rates)


@click.command()
@click.argument("tenant")
@billing_options
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Most charges to list.")
@as_of_option
@as_json_option
@asks_ledger
def explain(tenant: str, billing: costing_pb2.Billing, limit: int, as_of: int | None, as_json: bool) -> None:
    """Lead from what TENANT bears back to rules, charges and usage."""
    request = costing_pb2.ExplainCostRequest(as_of=as_of or 0, billing=billing, tenant=tenant, limit=limit)
    with connected("explaining") as stubs:
        response = stubs.costing.ExplainCost(request)
    if as_json:
        print_json(response)
        return
    print_table(
        ["rule", "version", "method", "divides", "charges", "cost", "currency"],
        [
            [
                row.rule or "-",
                str(row.version),
                row.method,
                row.of,
                str(row.charges),
                amount_shown(row.cost),
                row.currency,
            ]
            for row in response.rules
        ],
        right=["version", "charges", "cost"],
    )
    print_table(
        ["rule", "charge", "service", "resource", "period", "cost", "share", "part", "currency", "usage"],
        [_charge(row) for row in response.charges],
        right=["cost", "share", "part"],
        note="; ".join(_explained_note(response)),
    )


def _explained_note(response: costing_pb2.ExplainCostResponse) -> list[str]:
    left = response.charges_total - len(response.charges)
    note = [f"{left} more charges"] if left else []
    return [*note, *response.problems, f"as of position {response.as_of}"]


def _charge(row: costing_pb2.ExplainedCharge) -> list[str]:
    usage = [
        f"{each.part + ': ' if each.part else ''}{each.quantity} of {each.capacity or each.total} by {', '.join(each.meters)}"
        for each in row.drivers
    ]
    where = f"{row.source} {row.version}:{row.line}"
    period = f"{row.start} to {row.end}"
    amounts = [amount_shown(row.cost), amount_shown(row.share), amount_shown(row.part)]
    return [row.rule or "-", where, row.service, row.resource, period, *amounts, row.currency, "; ".join(usage)]


def _amounts(row: Any, names: list[str]) -> list[str]:
    return [amount_shown(getattr(row, name)) for name in names]


def amount_shown(amount: str) -> str:
    """Six digits after the point; nothing where there is nothing."""
    return f"{Decimal(amount).quantize(_UNIT, context=_SHOWN):f}" if amount else ""

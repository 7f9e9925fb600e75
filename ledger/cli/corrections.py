"""``meterbook corrections``: what was booked again, what it came to before and after, and why."""

from __future__ import annotations

import click

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, print_json, print_table, range_options
from meterbook.ledger.v1 import query_pb2


@click.command()
@click.argument("meter")
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Most rows to show.")
@range_options
@as_of_option
@as_json_option
@asks_ledger
def corrections(
    meter: str, tenants: tuple[str, ...], limit: int, start: str, end: str, as_of: int | None, as_json: bool
) -> None:
    """Show the entries of METER that changed windows which had been booked before, newest first, and why."""
    request = query_pb2.CorrectionsRequest(
        as_of=as_of or 0, meter=meter, range=query_pb2.Range(start=start, end=end), tenants=tenants, limit=limit
    )
    with connected("looking for corrections") as stubs:
        response = stubs.query.Corrections(request)
    if as_json:
        print_json(response)
        return
    rows = [
        [
            each.window,
            each.tenant,
            ", ".join(f"{name}={value}" for name, value in sorted(each.dimensions.items())),
            each.before,
            each.after,
            each.unit,
            each.booked,
            str(each.position),
            ", ".join(each.causes),
        ]
        for each in response.rows
    ]
    left = response.rows_total - len(response.rows)
    print_table(
        ["window", "tenant", "dimensions", "before", "after", "unit", "booked", "position", "why"],
        rows,
        right=["before", "after", "position"],
        note=(f"{left} more; " if left else "") + f"as of position {response.as_of}",
    )

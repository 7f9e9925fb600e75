"""``meterbook meter``: what a meter would give, before it is written into the book."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, print_json, range_options
from ledger.cli.usage import print_usage
from meterbook.ledger.v1 import query_pb2


@click.group()
def meter() -> None:
    """Try a meter before it is written into the book."""


@meter.command("try")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
@range_options
@as_of_option
@as_json_option
@asks_ledger
def try_meter(file: Path, tenants: tuple[str, ...], start: str, end: str, as_of: int | None, as_json: bool) -> None:
    """Show what the meter in FILE would give for each of its windows. Nothing is written."""
    request = query_pb2.TryMeterRequest(
        as_of=as_of or 0,
        range=query_pb2.Range(start=start, end=end),
        definition=file.read_text(encoding="utf-8", errors="replace"),
        tenants=tenants,
    )
    with connected("trying") as stubs:
        response = stubs.query.TryMeter(request)
    if as_json:
        print_json(response)
        return
    read = [f"{response.series} series read"] if response.series else []
    print_usage(response.rows, [*read, *response.notes, f"as of position {response.as_of}; nothing was written"])

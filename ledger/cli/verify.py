"""``meterbook verify``: whether the book still says what was acknowledged."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, print_json, shown
from meterbook.ledger.v1 import query_pb2


@click.command()
@as_json_option
@asks_ledger
def verify(as_json: bool, ledger: str, ca_file: Path | None) -> None:
    """Check the whole book: log, chains, tables and entries. Exits with 1 where it does not hold."""
    verdict = query_pb2.Verdict()
    console = Console(stderr=True)
    with (
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
        connected(ledger, ca_file, "") as stubs,
    ):
        task = progress.add_task("verifying", total=None)
        for step in stubs.query.Verify(query_pb2.VerifyRequest()):
            progress.update(task, description=step.stage, completed=step.done, total=step.total)
            if step.HasField("verdict"):
                verdict = step.verdict
    if as_json:
        print_json(verdict)
    else:
        _say(verdict)
    if not verdict.holds:
        raise SystemExit(1)


def _say(verdict: query_pb2.Verdict) -> None:
    for fault in verdict.faults:
        click.echo(f"fault: {shown(fault)}")
    outcome = "the book holds" if verdict.holds else "the book does NOT hold"
    click.echo(
        f"{outcome}: {verdict.position} positions, {verdict.batches} batches, {verdict.samples} samples, "
        f"{verdict.events} events, {verdict.entries} entries, root {verdict.root[:16]}"
    )

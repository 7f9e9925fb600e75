"""``meterbook verify``: whether the book still says what was acknowledged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, print_json, shown
from ledger.journal.errors import JournalError
from ledger.query.questions import BadQuestion
from ledger.query.verify import older_checkpoint, verify_files
from meterbook.ledger.v1 import query_pb2

_POSITION = click.IntRange(1, (1 << 63) - 1)


@click.command()
@click.option("--from", "first", type=_POSITION, default=None, help="First journal position to check.")
@click.option("--to", "last", type=_POSITION, default=None, help="Last journal position to check.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A checkpoint that was kept: the book must go on from it.",
)
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Verifier key that signed it; may be repeated.")
@click.option(
    "--offline",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="STORE",
    help="Check the files of a store directory instead of asking a ledger; it may be in use.",
)
@as_json_option
@asks_ledger
def verify(
    first: int | None,
    last: int | None,
    against: Path | None,
    keys: tuple[str, ...],
    offline: Path | None,
    as_json: bool,
) -> None:
    """Check the book: log, chains, tree, tables and entries. Exits with 1 where it does not hold.

    Only --against can find that the whole log was written anew. Give --key too where the ledger's own word for whose the
    checkpoint is does not do; with --offline it must be given.
    """
    note = _text(against) if against is not None else ""
    if keys and not note:
        raise click.UsageError("--key says who signed a checkpoint: name that with --against")
    if offline is not None:
        if first or last:
            raise click.UsageError("--offline checks all of the log: leave --from and --to out")
        verdict = _offline(offline, note, keys)
    else:
        request = query_pb2.VerifyRequest(
            from_position=first or 0, to_position=last or 0, against=note, verifier_keys=keys
        )
        with connected("") as stubs:
            verdict = _watched(stubs.query.Verify(request))
    if as_json:
        print_json(verdict)
    else:
        _say(verdict, is_offline=offline is not None)
    if not verdict.holds:
        raise SystemExit(1)


def _offline(store: Path, note: str, keys: tuple[str, ...]) -> query_pb2.Verdict:
    try:
        checkpoint = older_checkpoint(note, keys) if note else None
        return _watched(verify_files(store, checkpoint))
    except (BadQuestion, JournalError) as error:
        raise click.ClickException(str(error)) from error


def _watched(steps: Iterable[query_pb2.VerifyResponse]) -> query_pb2.Verdict:
    """The verdict, after showing how far the check is."""
    verdict = query_pb2.Verdict()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("verifying", total=None)
        for step in steps:
            progress.update(task, description=step.stage, completed=step.done, total=step.total or None)
            if step.HasField("verdict"):
                verdict = step.verdict
    return verdict


def _say(verdict: query_pb2.Verdict, *, is_offline: bool) -> None:
    for note in verdict.notes:
        click.echo(f"note: {shown(note)}")
    for fault in verdict.faults:
        click.echo(f"fault: {shown(fault)}")
    part = "log" if is_offline else "book"
    outcome = f"the {part} holds" if verdict.holds else f"the {part} does NOT hold"
    counts = f"{verdict.batches} batches"
    if not is_offline:
        counts += f", {verdict.samples} samples, {verdict.events} events, {verdict.entries} entries"
    positions = (
        f"{verdict.position} positions"
        if verdict.from_position <= 1
        else f"positions {verdict.from_position} to {verdict.position}"
    )
    click.echo(f"{outcome}: {positions}, {counts}, root {verdict.root[:16]}")
    if verdict.against_size and verdict.holds:
        click.echo(f"it goes on from the checkpoint of {verdict.against_size} records")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"--against {path}: cannot be read ({error})") from error

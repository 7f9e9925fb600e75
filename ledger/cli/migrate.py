"""``meterbook ledger migrate`` and ``orphans``: what is done to a shared store from outside, without a ledger.

Both need the libraries of a shared store, which a ledger in files is installed without: they are loaded when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.progress import Progress

from ledger.journal.errors import JournalError
from ledger.journal.place import FilePlace, Place, SharedPlace, parse
from meterbook.proof.merkle import Frontier


def place(text: str) -> Place:
    """A place, as the setting ``store`` names it."""
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option("--from", "source", type=place, required=True, help="The store in files: file:PATH.")
@click.option("--to", "target", type=place, required=True, help="s3://BUCKET/PREFIX + postgresql://USER@HOST/DATABASE")
def migrate(source: Place, target: Place) -> None:
    """Copy the book of a ledger that is stopped to a store that replicas share.

    Positions, times and the root stay what they are. Interrupted, it goes on when called again.
    """
    if not isinstance(source, FilePlace) or not isinstance(target, SharedPlace):
        raise click.UsageError("a book is moved from file:PATH to s3://... + postgresql://...")
    console = Console(stderr=True)
    with _reported(), Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        from ledger.journal.shared.moving import move

        task = progress.add_task("opening", total=None)
        root = Frontier()
        for step in move(source.directory, target):
            if isinstance(step, Frontier):
                root = step
            else:
                progress.update(task, description=step.stage, completed=step.done, total=step.total)
    click.echo(f"{target} holds the same book: {root.size} records, root {root.root().hex()}, read again and checked")


@click.command()
@click.option("--store", type=place, required=True, help="s3://BUCKET/PREFIX + postgresql://USER@HOST/DATABASE")
@click.option("--older-than", "hours", type=click.IntRange(min=24), default=24, show_default=True, help="Hours.")
@click.option("--at-most", type=click.IntRange(min=1), default=1_000, show_default=True, help="Objects at a time.")
@click.option("--delete", is_flag=True, help="Delete them; without it they are only listed.")
def orphans(store: Place, hours: int, at_most: int, delete: bool) -> None:
    """List objects that a killed replica left behind, which are in no group of the log.

    Do not delete any while the database is one that was restored from a backup and lacks what was committed since.
    """
    if not isinstance(store, SharedPlace):
        raise click.UsageError("--store: only a shared store has orphans")
    with _reported():
        from ledger.journal.shared.orphans import orphans as found_in
        from ledger.journal.shared.store import SharedStore

        services = SharedStore(store)
        try:
            before = datetime.now(UTC) - timedelta(hours=hours)
            names = found_in(services.database, services.objects, before, at_most)
            if delete:
                services.objects.delete(names)
        finally:
            services.close()
    for name in names:
        click.echo(name)
    click.echo(f"{len(names)} orphans {'deleted' if delete else 'found'}", err=True)


@contextmanager
def _reported() -> Iterator[None]:
    """Errors as one sentence."""
    try:
        yield
    except JournalError as error:
        raise click.ClickException(str(error)) from error
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the package {error.name} is missing: install meterbook[ledger,distributed]"
        ) from error

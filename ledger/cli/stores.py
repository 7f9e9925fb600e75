"""``meterbook ledger backup | restore | rebuild``: what operators do with a store's files.

A backup is a store without tables: it can be restored, or served as it is. Restoring is backing up the backup.
"""

from __future__ import annotations

from pathlib import Path

import click

from ledger.journal.backup import back_up
from ledger.journal.errors import JournalError
from ledger.journal.rebuild import rebuild_tables
from meterbook.proof.merkle import Frontier

_STORE = click.Path(path_type=Path, file_okay=False, exists=True)
_TARGET = click.Path(path_type=Path, file_okay=False)
_KEYS = click.option("--with-keys", is_flag=True, help="Copy the ledger's signing keys too: they are secrets.")


@click.command()
@click.option("--store", type=_STORE, required=True, help="Directory of the store; the ledger may be running.")
@click.option("--to", "target", type=_TARGET, required=True, help="Where to; an earlier backup is brought up to date.")
@_KEYS
def backup(store: Path, target: Path, with_keys: bool) -> None:
    """Copy the log, checking every record; the tables follow from it."""
    _copy(store, target, with_keys)


@click.command()
@click.option("--from", "source", type=_STORE, required=True, help="The backup.")
@click.option("--store", type=_TARGET, required=True, help="Directory for the store: one that is empty.")
@_KEYS
def restore(source: Path, store: Path, with_keys: bool) -> None:
    """Make a store from a backup, checking every record; the ledger makes its tables when it starts."""
    if store.exists() and any(store.iterdir()):
        raise click.ClickException(f"{store}: not empty; choose an empty directory to restore to")
    _copy(source, store, with_keys)


@click.command()
@click.option("--store", type=_STORE, required=True, help="Directory of the store; the ledger must not be running.")
def rebuild(store: Path) -> None:
    """Make the tables anew from the log."""
    try:
        frontier = rebuild_tables(store)
    except (JournalError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _tell(store, frontier)


def _copy(source: Path, target: Path, with_keys: bool) -> None:
    try:
        frontier = back_up(source, target, with_keys=with_keys)
    except (JournalError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _tell(target, frontier)


def _tell(store: Path, frontier: Frontier) -> None:
    click.echo(f"{store}: {frontier.size} records, root {frontier.root().hex()}")

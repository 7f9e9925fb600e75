"""``meterbook apply`` and ``meterbook book``: the commands that add to the book."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from pathlib import Path

import click

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, print_json, print_table
from meterbook.ledger.v1 import admin_pb2

_SUFFIXES = (".yaml", ".yml")


@click.command()
@click.option(
    "-f",
    "--file",
    "paths",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A file or a directory.",
)
@click.option("--author", default=None, help="Who applies, for the record; your user name by default.")
@click.option("--dry-run", is_flag=True, help="Validate and show what would change, without changing it.")
@as_json_option
@asks_ledger
def apply(paths: tuple[Path, ...], author: str | None, dry_run: bool, as_json: bool) -> None:
    """Write definitions from YAML files: all of them or, where one is wrong, none."""
    request = admin_pb2.ApplyRequest(
        manifests=manifests(paths),
        author=author or user(),
        dry_run=dry_run,
    )
    with connected("applying") as stubs:
        response = stubs.admin.Apply(request)
    if as_json:
        print_json(response)
        return
    rows = [[each.kind, each.name, str(each.version), each.outcome] for each in response.changes]
    note = "nothing was written: this was a dry run" if dry_run else f"position {response.position}"
    print_table(["kind", "name", "version", "outcome"], rows, right=["version"], note=note)


@click.command()
@as_json_option
@asks_ledger
def book(as_json: bool) -> None:
    """Book all usage up to now, the open hour included, without waiting for the schedule."""
    with connected("booking") as stubs:
        response = stubs.admin.Book(admin_pb2.BookRequest())
    if as_json:
        print_json(response)
        return
    click.echo(f"{response.entries} entries booked; the book stands at position {response.position}")


def manifests(paths: Iterable[Path]) -> list[admin_pb2.Manifest]:
    """The definitions in files, and in all files of directories, as they travel; a file that cannot be read ends the command."""
    return [_manifest(file) for path in paths for file in _files(path)]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    if not found:
        raise click.ClickException(f"{path}: no .yaml or .yml file in this directory")
    return found


def _manifest(file: Path) -> admin_pb2.Manifest:
    try:
        return admin_pb2.Manifest(name=str(file), text=file.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file}: not UTF-8 text at byte {error.start}") from error


def user() -> str:
    """Who runs the command, by the name on this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise click.ClickException("cannot tell who you are: give --author") from None

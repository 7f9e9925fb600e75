"""What commands print: a table for people, JSON for programs, and a sign of life for what takes long.

Results go to standard output and nothing else does, so a pipe gets the result alone.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import click
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from rich.text import Text


class Remarked(Protocol):
    """A response that says what is to be known of it, and what is wrong."""

    @property
    def notes(self) -> Iterable[str]:
        """What is to be known, a sentence each."""

    @property
    def problems(self) -> Iterable[str]:
        """What is wrong, a sentence each."""


Function = TypeVar("Function", bound=Callable[..., None])
Answer = TypeVar("Answer", bound=Remarked)

#: Seconds after which a person wants to know that something is going on.
PATIENCE_S = 2.0
_PIPE_WIDTH = 200


def as_json_option(function: Function) -> Function:
    """``--json``; the command gets ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def as_of_option(function: Function) -> Function:
    """``--as-of``; the command gets ``as_of``."""
    return click.option(
        "--as-of",
        type=click.IntRange(1, (1 << 63) - 1),
        default=None,
        help="Answer as the book stood at this journal position; the newest one by default.",
    )(function)


def range_options(function: Function) -> Function:
    """``--from`` and ``--to``; the command gets ``start`` and ``end``, empty where not given."""
    function = click.option(
        "--to", "end", default="", metavar="TIME", help="End, exclusive, widened to the hour; now by default."
    )(function)
    return click.option(
        "--from",
        "start",
        default="",
        metavar="TIME",
        help="Start, RFC 3339, widened to the hour; the beginning by default.",
    )(function)


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them, as the type of an option."""
    return tuple(each.strip() for each in text.split(",") if each.strip())


def print_json(response: Message) -> None:
    """A response with its proto field names, integers as numbers."""
    click.echo(json.dumps(_plain(response), indent=2, ensure_ascii=False))


def print_answer(response: Answer, as_table: Callable[[Answer], None], *, as_json: bool, is_bad: bool) -> None:
    """A response as JSON, or by ``as_table`` with its remarks beneath; then exit with 1 where it is bad."""
    if as_json:
        assert isinstance(response, Message)
        print_json(response)
    else:
        as_table(response)
        print_remarks(response)
    if is_bad:
        raise SystemExit(1)


def print_remarks(response: Remarked) -> None:
    """What is to be known of a table beneath it; what is wrong goes to standard error, where a pipe does not hide it."""
    for sentence in response.notes:
        click.echo(f"note: {shown(sentence)}")
    for sentence in response.problems:
        click.echo(f"problem: {shown(sentence)}", err=True)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = (), note: str = ""
) -> None:
    """A table, and a note beneath; columns named in ``right`` hold numbers."""
    console = _console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        # Text, not markup: a tenant called [red] is called [red].
        table.add_row(*(Text(shown(cell)) for cell in row))
    console.print(table)
    if note:
        console.print(Text(shown(note), style="dim"))


def shown(text: str) -> str:
    """Text from elsewhere as one line that cannot move the cursor or recolour the terminal: log lines may try."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def dimensions_told(dimensions: Mapping[str, str]) -> str:
    """Dimensions in one cell, by name."""
    return ", ".join(f"{name}={value}" for name, value in sorted(dimensions.items()))


def percent(share: str) -> str:
    """A share from 0 to 1 as a percentage; a dash where there is none."""
    return f"{Decimal(share) * 100:.2f} %" if share else "-"


@contextmanager
def waiting(doing: str) -> Iterator[None]:
    """Show on standard error what is being done, once that takes longer than a person waits gladly; nothing for ""."""
    console = Console(stderr=True)
    status = console.status(f"{doing} ...")
    timer = threading.Timer(PATIENCE_S, status.start)
    if doing and console.is_terminal:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        status.stop()


def _console() -> Console:
    console = Console()
    # A table that is cut to 80 columns because nobody looks at it would lose figures.
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return {field.name: _plain(getattr(value, field.name)) for field in value.DESCRIPTOR.fields}
    if isinstance(value, str | int | float | bool):
        return value
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in sorted(value.items())}
    return [_plain(item) for item in value]

"""``meterbook charges import``: bring bills that are files into the book.

What a person can mend ends the command with exit code 1 and one sentence per fault, and nothing has come in; a wrong option gives 2.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from agent.errors import AgentError
from agent.importing.address import connection
from agent.importing.bringing import bring
from agent.importing.found import files, left_out
from agent.importing.look import look
from agent.importing.report import as_json as document
from agent.importing.report import bill_line, brought_line, file_lines
from agent.importing.sending import Ledger
from agent.importing.wanted import Wanted
from meterbook.asking import asker, asks
from meterbook.wire import instants
from meterbook.wire.sections import TEXT_BYTES_MAX

#: Estimates by price books have such names (``ledger.costing.estimating``).
_TAKEN = "price-book/"
#: Most files that are named of those that are left out.
_NAMED_MAX = 5
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


class _Month(click.ParamType[str]):
    """A month such as 2026-03."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _MONTH.fullmatch(str(value)):
            self.fail(f"{value!r} is no month such as 2026-03", param, ctx)
        return str(value)


class _Instant(click.ParamType[int]):
    """An instant, RFC 3339."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            found = instants.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 0 <= found <= instants.LATEST_US:
            self.fail(f"{value!r} is not of the years 1970 to 9999", param, ctx)
        return found


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, exists=False))
@click.option(
    "--source",
    metavar="NAME",
    help="Name of the bills, one of each month; by default each billing account has bills of its own, import/ACCOUNT.",
)
@click.option("--period", type=_Month(), metavar="MONTH", help="The only billing period that the rows may be of.")
@click.option(
    "--nature",
    type=click.Choice(["billed", "estimate"]),
    default="billed",
    show_default=True,
    help="What kind of bills.",
)
@click.option("--split-currencies", is_flag=True, help="Make a bill of each currency.")
@click.option(
    "--issued",
    type=_Instant(),
    metavar="TIME",
    help="When the provider made the bill; of two versions the later one stands. Now by default.",
)
@click.option("--again", is_flag=True, help="Bring a bill that was overtaken once more, and make it stand.")
@click.option("--dry-run", is_flag=True, help="Only show what is in the files; no ledger is asked.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@asks
def charges_import(
    paths: tuple[Path, ...],
    source: str | None,
    period: str | None,
    nature: str,
    split_currencies: bool,
    issued: int | None,
    again: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring bills that are FILEs, or folders of them, into the book: FOCUS 1.0 to 1.4 or CUR 2.0, in Parquet or CSV.

    The files are one delivery: what they hold of a billing account and a month is one bill, which takes the place of the one that stood. What
    is in the book already is not brought again. Where a row is wrong, nothing comes in.
    """
    if source is not None and not 0 < len(source.encode()) <= TEXT_BYTES_MAX // 2:
        raise click.UsageError(f"--source must have 1 to {TEXT_BYTES_MAX // 2} bytes")
    if source is not None and (source.startswith(_TAKEN) or not source.isprintable() or source != source.strip()):
        raise click.UsageError(
            f"--source {source!r}: give printable characters without blanks around them, and another beginning than {_TAKEN}, "
            "which are estimates by price books"
        )
    wanted = Wanted(source, period, nature, split_currencies)
    try:
        config, token = connection(asker()), asker().token()
        seen = look(files(paths), wanted)
        if others := left_out(paths):
            named = ", ".join(str(path) for path in others[:_NAMED_MAX]) + (", ..." if len(others) > _NAMED_MAX else "")
            click.echo(f"note: left out, since no bill is called so: {named}", err=True)
        if dry_run:
            lines = [*file_lines(seen), *(bill_line(bill) for bill in seen.bills.values())]
            click.echo(json.dumps(document(seen)) if as_json else "\n".join(lines))
            return
        ledger = Ledger(config, token)
        try:
            brought = bring(ledger, seen, instants.now_us() if issued is None else issued, again=again)
        finally:
            ledger.close()
    except AgentError as error:
        raise click.ClickException(str(error)) from error
    lines = [brought_line(each, seen) for each in brought]
    click.echo(json.dumps(document(seen, brought)) if as_json else "\n".join(lines))

"""``meterbook period``: close a period, list what is closed, and see what was corrected since."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ledger.cli.changes import user
from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, percent, print_json, print_table
from meterbook.ledger.v1 import period_pb2

_ZONE = click.option("--zone", default="UTC", show_default=True, help="IANA time zone that PERIOD is of.")
_METERS = click.option("--meter", "meters", multiple=True, help="Only this meter; may be given again.")


@click.group()
def period() -> None:
    """Close a period once everything in it has been told, and see what was corrected since.

    PERIOD is a month such as 2026-03, a day such as 2026-03-10, or FROM/TO of days or RFC 3339 times, the end exclusive.
    """


@period.command()
@click.argument("name", metavar="PERIOD")
@_METERS
@_ZONE
@click.option(
    "--force", is_flag=True, help="Close also where something is in the way, which is then kept with the close."
)
@click.option("--reason", default="", help="Why it is closed, for the record; needed with --force.")
@click.option("--author", default=None, help="Who closes, for the record; your user name by default.")
@as_json_option
@asks_ledger
def close(
    name: str, meters: tuple[str, ...], zone: str, force: bool, reason: str, author: str | None, as_json: bool
) -> None:
    """Close PERIOD, or show what is in the way of that."""
    request = period_pb2.ClosePeriodRequest(
        period=name, zone=zone, meters=meters, force=force, reason=reason, author=author or user()
    )
    with connected("closing") as stubs:
        response = stubs.admin.ClosePeriod(request)
    if as_json:
        print_json(response)
    elif response.outcome == "refused":
        _print_obstacles(response.obstacles, response.obstacles_total)
    else:
        print_closes(response.closes, f"{name}: {response.outcome}")
    if response.outcome == "refused":
        raise click.ClickException(
            f"{name} is not closed: {response.obstacles_total} obstacles are in the way; see to them, or close it with --force --reason"
        )


@period.command("list")
@as_of_option
@as_json_option
@asks_ledger
def list_periods(as_of: int | None, as_json: bool) -> None:
    """List every close, oldest first."""
    with connected("reading") as stubs:
        response = stubs.query.Periods(period_pb2.PeriodsRequest(as_of=as_of or 0))
    if as_json:
        print_json(response)
        return
    print_closes(response.closes, f"as of position {response.as_of}")


@period.command()
@click.argument("name", metavar="PERIOD")
@_METERS
@_ZONE
@as_of_option
@as_json_option
@asks_ledger
def show(name: str, meters: tuple[str, ...], zone: str, as_of: int | None, as_json: bool) -> None:
    """Show what the closed PERIOD came to per meter and tenant, and what was corrected since."""
    request = period_pb2.PeriodRequest(as_of=as_of or 0, period=name, zone=zone, meters=meters)
    with connected("metering") as stubs:
        response = stubs.query.Period(request)
    if as_json:
        print_json(response)
        return
    rows = [
        [
            row.meter,
            row.tenant,
            row.quantity,
            row.corrected,
            row.now,
            row.unit,
            str(row.entries),
            str(row.last_position or "-"),
            row.estimated,
            percent(row.coverage),
        ]
        for row in response.rows
    ]
    columns = [
        "meter",
        "tenant",
        "at the close",
        "corrected",
        "now",
        "unit",
        "entries",
        "last",
        "estimated",
        "coverage",
    ]
    notes = [_sentence(each) for each in response.closes]
    print_table(
        columns,
        rows,
        right=["at the close", "corrected", "now", "entries", "last", "estimated", "coverage"],
        note="; ".join([*notes, f"as of position {response.as_of}"]),
    )
    for each in response.closes:
        if each.missing:
            click.echo()
            _print_obstacles(each.missing, each.missing_total)


def print_closes(closes: Iterable[period_pb2.PeriodClose], note: str) -> None:
    """Closes as a table."""
    rows = [
        [
            each.start,
            each.end,
            each.zone,
            ", ".join(each.meters),
            str(each.position),
            str(each.at_position),
            each.judged,
            each.author,
            f"by force: {each.reason}" if each.forced else each.reason,
            str(each.missing_total),
        ]
        for each in closes
    ]
    columns = ["start", "end", "zone", "meters", "position", "as of", "closed", "author", "reason", "missing"]
    print_table(columns, rows, right=["position", "as of", "missing"], note=note)


def _sentence(close: period_pb2.PeriodClose) -> str:
    forced = f" by force, {close.reason}" if close.forced else ""
    return f"closed by {close.author} at position {close.position}, as of {close.at_position}{forced}"


def _print_obstacles(obstacles: Iterable[period_pb2.PeriodObstacle], count: int) -> None:
    """What is in the way: a line for each, and one for each hole behind it."""
    rows = []
    for each in obstacles:
        rows.append([each.meter, each.tenant or "all", each.kind, "", "", "", "", each.reason])
        for hole in each.holes:
            told = ": ".join(text for text in (hole.reason, hole.outlook) if text)
            rows.append(["", "", hole.status, hole.source, hole.agent, hole.start, hole.end, told])
        if each.holes_total > len(each.holes):
            rows.append(["", "", "", f"and {each.holes_total - len(each.holes)} more holes", "", "", "", ""])
    columns = ["meter", "tenant", "what", "source", "agent", "from", "to", "why"]
    print_table(columns, rows, note=f"{count} obstacles in all")

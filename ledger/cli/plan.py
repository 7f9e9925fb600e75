"""``meterbook plan``: plans as files that are checked, compared and tried before they are applied.

``lint`` and ``schema`` need no ledger, so that a pipeline can run them on every change; ``diff`` and ``simulate`` ask one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from ledger.cli.changes import manifests
from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, names, print_answer, print_table, shown
from ledger.directory.documents import KINDS
from ledger.directory.jsonschema import schema_of
from ledger.directory.linting.files import Finding
from ledger.directory.linting.rules import RULES, lint
from ledger.directory.manifest import parse_manifests
from meterbook.ledger.v1 import planning_pb2

_PATHS = click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))


@click.group()
def plan() -> None:
    """Check, compare and try plans before they are applied."""


@plan.command("lint")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--without", multiple=True, type=click.Choice(list(RULES)), help="Leave a rule out; may be given again.")
@as_json_option
def lint_files(paths: tuple[Path, ...], without: tuple[str, ...], as_json: bool) -> None:
    """Find what is valid in files or directories and yet probably a mistake. Exit code 1 where anything is found."""
    manifest = parse_manifests((each.name, each.text) for each in manifests(paths))
    # What cannot be applied has no other mistakes worth looking for: a rule could only guess what was meant.
    findings = [
        Finding(fault.place, fault.field, "invalid", fault.message, "mend it: it cannot be applied as it is")
        for fault in manifest.faults
    ] or list(lint(manifest.documents, without=without))
    if as_json:
        click.echo(json.dumps({"findings": [asdict(each) for each in findings]}, indent=2, ensure_ascii=False))
    else:
        for each in findings:
            click.echo(f"{shown(each.place)}: {each.rule}: {shown(each.sentence)}")
            click.echo(f"    {shown(each.field)}: {shown(each.advice)}" if each.field else f"    {shown(each.advice)}")
        count = len(manifest.documents)
        click.echo(f"{len(findings)} findings" if findings else f"nothing found in {count} definitions", err=True)
    if findings:
        raise SystemExit(1)


@plan.command("schema")
@click.argument("kind", default="plan", type=click.Choice(sorted(KINDS)))
@click.option("--all", "is_all", is_flag=True, help="One schema for definitions of every kind.")
def print_schema(kind: str, is_all: bool) -> None:
    """Print the JSON Schema of definitions of a KIND, for editors and validators; of plans by default."""
    click.echo(json.dumps(schema_of(sorted(KINDS) if is_all else [kind]), indent=2, ensure_ascii=False))


@plan.command("diff")
@_PATHS
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=None,
    help="Most subscriptions and invoices to name; 100 by default.",
)
@as_of_option
@as_json_option
@asks_ledger
def diff(paths: tuple[Path, ...], limit: int | None, as_of: int | None, as_json: bool) -> None:
    """Show what applying files or directories would change in plans, and for whom. Nothing is written.

    Finalized invoices whose billing period would be charged otherwise are named: what has no date holds since ever. The exit code
    is 1 where a problem is reported.
    """
    request = planning_pb2.DiffRequest(as_of=as_of or 0, manifests=manifests(paths), limit=limit or 0)
    with connected("comparing") as stubs:
        response = stubs.planning.Diff(request)
    print_answer(response, _print_diff, as_json=as_json, is_bad=bool(response.problems))


def _print_diff(response: planning_pb2.DiffResponse) -> None:
    for each in response.plans:
        click.echo(f"plan {shown(each.plan)}: {_outcome(each)}")
        for difference in each.differences:
            click.echo(f"  {_SIGNS[difference.what]} {shown(difference.sentence)}")
        for sentence in _consequences(each):
            click.echo(f"  {shown(sentence)}")
        if each.subscriptions:
            rows = [[one.tenant, one.subscription, one.since, one.state] for one in each.subscriptions]
            print_table(["tenant", "subscription", "since", "state"], rows)
        if each.corrected:
            rows = [
                [one.id, one.tenant, one.start, one.now or "?", one.then or "?", one.difference or "?", one.currency]
                for one in each.corrected
            ]
            print_table(
                ["invoice", "tenant", "period from", "now", "then", "difference", "currency"],
                rows,
                right=["now", "then", "difference"],
            )
    click.echo(f"as of position {response.as_of}; nothing was written")


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def _outcome(each: planning_pb2.PlanChange) -> str:
    if each.outcome == "unchanged":
        return f"unchanged, version {each.version}"
    since = f"from {each.since} on" if each.since else "since ever"
    until = f", until {each.until}" if each.until else ""
    instead = f", in place of version {each.before}" if each.before else ""
    return f"{each.outcome}, version {each.version} {since}{until}{instead}"


def _consequences(each: planning_pb2.PlanChange) -> Iterator[str]:
    if each.outcome == "unchanged":
        return
    if not each.differences:
        yield "it charges what it charged before"
    if not each.subscriptions_total:
        yield "nobody is on it in that time"
        return
    yield f"{each.subscriptions_total} subscriptions of {each.tenants_total} tenants are on it"
    if each.corrected_total:
        yield f"{each.corrected_total} finalized invoices are of billing periods that it would be charged for, and corrected"
    else:
        yield "no finalized invoice is corrected"


def _replacement(_: click.Context, __: click.Parameter, values: Sequence[str]) -> list[planning_pb2.PlanReplacement]:
    found = []
    for value in values:
        name, sign, other = value.partition("=")
        if not (name and sign and other):
            raise click.BadParameter(f"{value!r} is not NAME=OTHER, such as team=pro")
        found.append(planning_pb2.PlanReplacement(plan=name, other=other))
    return found


@plan.command("simulate")
@click.argument("paths", nargs=-1, metavar="[PATH...]", type=click.Path(path_type=Path))
@click.option(
    "--period",
    required=True,
    help="Month, day or FROM/TO in each tenant's zone; billing periods that begin in it are rated.",
)
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
@click.option(
    "--plan",
    "plans",
    multiple=True,
    metavar="NAME=OTHER",
    callback=_replacement,
    help="Rate whoever has the one plan as if they had the other; may be given again.",
)
@click.option(
    "--by",
    type=names,
    default="tenant",
    show_default=True,
    metavar="NAMES",
    help="tenant, plan or product, or several of these, separated by commas.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=None,
    help="Most rows, the greatest difference first; 1,000 by default.",
)
@as_of_option
@as_json_option
@asks_ledger
def simulate(
    paths: tuple[Path, ...],
    period: str,
    tenants: tuple[str, ...],
    plans: list[planning_pb2.PlanReplacement],
    by: tuple[str, ...],
    limit: int | None,
    as_of: int | None,
    as_json: bool,
) -> None:
    """Show what past usage would have come to under the plans in files or directories. Nothing is written.

    The whole period is rated by them, whatever their dates. The exit code is 1 where a problem is reported.
    """
    request = planning_pb2.SimulateRequest(
        as_of=as_of or 0,
        manifests=manifests(paths),
        period=period,
        tenants=tenants,
        plans=plans,
        by=by,
        limit=limit or 0,
    )
    with connected("rating") as stubs:
        response = stubs.planning.Simulate(request)
    columns = by or ("tenant",)
    print_answer(response, partial(_print_simulation, columns=columns), as_json=as_json, is_bad=bool(response.problems))


def _print_simulation(response: planning_pb2.SimulateResponse, columns: Sequence[str]) -> None:
    right = ["now", "then", "difference", "percent"]
    rows = [[*(row.group[name] or "-" for name in columns), *_sides(row)] for row in response.rows]
    rows += [["total", *[""] * (len(columns) - 1), *_sides(row)] for row in response.totals]
    left = response.rows_total - len(response.rows)
    more = f"{left} more rows; " if left else ""
    note = f"{response.rated} billing periods rated; {more}as of position {response.as_of}; nothing was written"
    print_table([*columns, "currency", *right], rows, right=right, note=note)


def _sides(row: planning_pb2.SimulatedRow) -> list[str]:
    share = f"{row.percent} %" if row.percent else "-"
    return [row.currency, row.now or "-", row.then or "-", row.difference or "-", share]

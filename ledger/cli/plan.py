"""``meterbook plan``: plans as files that are checked, compared and tried before they are applied.

``lint`` and ``schema`` need no ledger, so that a pipeline can run them on every change; ``diff`` and ``simulate`` ask one.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ledger.cli.changes import manifests
from ledger.cli.console import as_json_option, shown
from ledger.directory.documents import KINDS
from ledger.directory.jsonschema import schema_of
from ledger.directory.linting.files import Finding
from ledger.directory.linting.rules import RULES, lint
from ledger.directory.manifest import parse_manifests


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

"""Every alert of the charts has a runbook entry, of its severity, and what entries tell people to run is there to be run."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from meterbook.command import main

ROOT = Path(__file__).parents[2]
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
ENTRIES = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=^##|\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL))
ALERTS = {
    rule["alert"]: rule
    for chart in ("agent", "ledger")
    for rule in yaml.safe_load((ROOT / "helm" / chart / "files" / "rules.yaml").read_text())["rules"]
}
COMMANDS = sorted(set(re.findall(r"`[^`]*?\b(meterbook [^`]+)`", RUNBOOKS)))


def test_every_alert_has_an_entry_and_no_other_thing_has() -> None:
    assert list(ENTRIES) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_entry_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    entry = ENTRIES[name]
    assert entry.startswith(f"**{ALERTS[name]['labels']['severity'].capitalize()}.** ")
    steps = re.findall(r"^(\d)\. ", entry, re.MULTILINE)
    assert len(steps) >= 2 and steps == [str(number) for number in range(1, len(steps) + 1)]


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_exists_with_its_options(text: str) -> None:
    words = text.split()[1:]
    command: click.Command = main
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"{text}: there is no {name}"
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known, text


def test_links_lead_to_entries() -> None:
    anchors = {name.lower() for name in ENTRIES}
    assert set(re.findall(r"\]\(#(\w+)\)", RUNBOOKS)) <= anchors


def test_metrics_and_codes_are_those_that_there_are() -> None:
    told = set(re.findall(r"meterbook_(?:agent|ledger)_\w+", RUNBOOKS))
    source = "".join(path.read_text() for side in ("agent", "ledger/server") for path in (ROOT / side).glob("*.py"))
    for name in told:
        short = re.sub(r"^meterbook_(agent|ledger)_|_total$", "", name)
        assert re.search(rf'"(meterbook_(agent|ledger)_)?{short}"', source), name

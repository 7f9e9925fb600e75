"""``meterbook agent doctor CONFIG``: look at everything that an agent needs, and say what to do."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from agent.configured import Configured, told_beside
from agent.doctor.checks import findings_of
from meterbook.doctor.findings import as_json_option, examined, told

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("path", required=False, type=_FILE, metavar="CONFIG")
@click.option("--config", "given", type=_FILE, metavar="FILE", help="The same as CONFIG, as other commands have it.")
@told_beside
@as_json_option
def doctor(path: Path | None, given: Path | None, agent_name: str | None, shard: str | None, as_json: bool) -> None:
    """Look at what an agent needs (configuration, permissions, disk, clock, certificates, ledger, sources) and say what to do.

    Nothing is kept and nothing is sent but questions. Exit code 1 where something does not work.
    """
    named = path or given
    if named is None or (path is not None and given is not None):
        raise click.UsageError("name the agent's configuration, once: meterbook agent doctor agent.yaml")
    found, checks = findings_of(Configured(named, agent_name, shard))
    told(chain(found, examined(checks)), as_json=as_json)

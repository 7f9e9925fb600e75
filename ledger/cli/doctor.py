"""``meterbook ledger doctor``: look at everything that a ledger needs, and say what to do."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import click

from ledger.cli.serving import serving_options
from ledger.server.doctor import findings_of
from meterbook.doctor.findings import as_json_option, examined, told


@click.command()
@serving_options
@as_json_option
def doctor(config: Path | None, as_json: bool, **changes: Any) -> None:
    """Look at what a ledger needs (configuration, store, permissions, disk, clock, certificates, ports) and say what to do.

    Nothing is changed, also beside a ledger that runs. Exit code 1 where something does not work.
    """
    found, checks = findings_of(config, {name: value for name, value in changes.items() if value is not None})
    told(chain(found, examined(checks)), as_json=as_json)

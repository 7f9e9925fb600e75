"""What ``serve`` and ``doctor`` are both told: which ledger is meant. Options take the place of what the file says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., None])


def serving_options(function: Function) -> Function:
    """``--config``, ``--store``, ``--listen`` and ``--http``; the command gets ``config``, and the others by name or None."""
    function = click.option("--http", help="host:port of /metrics, /healthz and /readyz.")(function)
    function = click.option("--listen", help="host:port of the gRPC services.")(function)
    function = click.option(
        "--store", help="Where the book is kept: file:PATH, or s3://BUCKET/PREFIX + postgresql://..."
    )(function)
    return click.option(
        "--config", type=click.Path(path_type=Path, dir_okay=False), help="YAML file; all defaults without one."
    )(function)

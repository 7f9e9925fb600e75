"""Which agent a command is about: its configuration's file, and what of it may be told beside the file.

Agents that divide a cluster differ in their names and in their shards alone. Where these come from the command line or the environment, all
of them have one file.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from agent.config import AgentConfig, load


@dataclass(frozen=True)
class Configured:
    """What was said; what is None stands in the file."""

    path: Path
    name: str | None = None
    shard: str | None = None

    def load(self) -> AgentConfig:
        """The configuration as it is now. Raises ConfigError."""
        return load(self.path, name=self.name, shard=self.shard)


def told_beside(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--name`` and ``--shard``; the command gets both."""
    function = click.option(
        "--shard",
        envvar="METERBOOK_AGENT_SHARD",
        metavar="NUMBER/COUNT",
        help="Read this part of what can be divided, such as 2/5; the first also reads what cannot.",
    )(function)
    return click.option(
        "--name", "agent_name", envvar="METERBOOK_AGENT_NAME", metavar="NAME", help="Instead of 'agent' in the file."
    )(function)


def config_file(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--config``; the command gets the path."""
    return click.option(
        "--config",
        "config_path",
        required=True,
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The agent's configuration, in YAML.",
    )(function)


def configured(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--config`` and what is told beside it; the command gets a :class:`Configured` as its first argument."""

    @told_beside
    @config_file
    @functools.wraps(function)
    def command(*, config_path: Path, agent_name: str | None, shard: str | None, **others: Any) -> Any:
        return function(Configured(config_path, agent_name, shard), **others)

    return command

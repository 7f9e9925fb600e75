"""Agents that have one file: each has a name of its own, and its part of what is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import agent as command
from agent.config import load
from agent.errors import ConfigError

Write = Callable[..., Path]

SOURCES = """
sources:
  - {kind: kubernetes, cluster: prod}
  - {kind: prometheus, job: shop, targets: ["127.0.0.1:1"]}
  - {kind: logfile, path: /var/log/usage.log}
"""


def read(path: Path, shard: str | None) -> list[tuple[str, str]]:
    return [(source.kind, getattr(source, "shard", "")) for source in load(path, shard=shard).sources]


def test_the_first_also_reads_what_cannot_be_divided(config_file: Write) -> None:
    path = config_file(SOURCES)
    assert read(path, None) == [("kubernetes", "1/1"), ("prometheus", ""), ("logfile", "")]
    assert read(path, "1/3") == [("kubernetes", "1/3"), ("prometheus", ""), ("logfile", "")]
    assert read(path, "3/3") == [("kubernetes", "3/3"), ("prometheus", "")]
    assert read(path, "1/1") == read(path, None)
    # 10 begins with a 1 and is not the first.
    assert read(path, "10/12") == [("kubernetes", "10/12"), ("prometheus", "")]


@pytest.mark.parametrize("shard", ["", "2", "0/3", "4/3", "1/", "1/3/5", "a/b"])
def test_what_is_no_shard_is_said_once(config_file: Write, shard: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(config_file(SOURCES), shard=shard)
    assert str(refused.value) == f"--shard: {shard!r} is no shard: write its number and how many there are, such as 2/5"


def test_a_shard_in_the_file_must_be_the_same(config_file: Write) -> None:
    path = config_file(SOURCES.replace("cluster: prod", 'cluster: prod, shard: "2/3"'))
    assert read(path, "2/3")[0] == ("kubernetes", "2/3")
    with pytest.raises(ConfigError, match=r"sources\.0\.shard: '2/3' stands in the file, and --shard says '1/3'"):
        load(path, shard="1/3")


def test_a_name_takes_the_place_of_that_in_the_file(config_file: Write) -> None:
    assert load(config_file(), name="edge-2").agent == "edge-2"
    assert load(config_file(head=""), name="edge-3").agent == "edge-3"
    with pytest.raises(ConfigError, match="agent: 'Edge 4' is no agent name"):
        load(config_file(), name="Edge 4")


def test_both_are_taken_from_the_command_line_and_the_environment(config_file: Write) -> None:
    check = ["check", "--config", str(config_file()), "--json"]
    environment = {"METERBOOK_AGENT_NAME": "edge-7", "METERBOOK_AGENT_SHARD": "2/3"}
    told = json.loads(CliRunner().invoke(command, check, env=environment).stdout)
    assert told["agent"] == "edge-7" and told["sources"] == [], "the fake kind cannot be divided"
    told = json.loads(
        CliRunner().invoke(command, [*check, "--name", "edge-8", "--shard", "1/3"], env=environment).stdout
    )
    assert told["agent"] == "edge-8" and len(told["sources"]) == 1
    faulty = CliRunner().invoke(command, ["run", "--config", str(config_file()), "--shard", "5/3"])
    assert faulty.exit_code == 1 and "'5/3' is no shard" in faulty.output

"""A whole agent, in this process and as a command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent import memorylimit
from agent.cli import agent as command
from agent.config import load
from agent.errors import ConfigError, StartError
from agent.process import STOPPING, Agent, build_sources
from tests.fakes.intake import FakeLedger

Wait = Callable[[Callable[[], bool]], None]
Write = Callable[..., Path]

#: The same as --log-format text.
TEXT = {"METERBOOK_LOG_FORMAT": "text"}

SOURCES = """
sources:
  - {kind: fake, name: one, interval_s: 0.2}
  - {kind: fake, name: two, interval_s: 0.3}
tags:
  rules:
    - {from: "label:team", match: "team-(.*)"}
"""


def pointed_at(path: Path, ledger: FakeLedger) -> Path:
    path.write_text(path.read_text().replace("endpoint: 127.0.0.1:1\n", f"endpoint: {ledger.endpoint}\n"))
    return path


def fetch(port: int, page: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_an_agent_that_stops_says_so_until_it_has(config_file: Write, eventually: Wait) -> None:
    running = Agent(load(config_file(SOURCES)))
    running.start()
    assert fetch(running.http_port, "readyz")[0] == 200
    may_stop = threading.Event()
    stop = running._schedule.stop

    def slowly() -> None:
        may_stop.wait(30)
        stop()

    running._schedule.stop = slowly  # type: ignore[method-assign] # a collection that takes its time
    stopping = threading.Thread(target=running.stop, args=(0,))
    stopping.start()
    eventually(lambda: fetch(running.http_port, "readyz") == (503, f"{STOPPING}\n"))
    assert fetch(running.http_port, "healthz")[0] == 200
    may_stop.set()
    stopping.join()
    with pytest.raises(OSError):
        fetch(running.http_port, "readyz")


def test_an_agent_short_of_memory_says_so_and_goes_on(
    config_file: Write, ledger: FakeLedger, eventually: Wait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "cgroup"
    group.mkdir()
    for name, text in (("max", "1000000"), ("current", "900000"), ("stat", "inactive_file 0")):
        (group / f"memory.{name}").write_text(text)
    (tmp_path / "own").write_text("0::/\n")
    found = memorylimit.groups(group, tmp_path / "own")
    monkeypatch.setattr(memorylimit, "groups", lambda: found)
    running = Agent(load(pointed_at(config_file(SOURCES), ledger)))
    running.start()
    try:
        assert "meterbook_agent_memory_short 1.0" in fetch(running.http_port, "metrics")[1]
        assert fetch(running.http_port, "readyz")[0] == 200
        book = ledger.intake.book
        eventually(lambda: max((value for _, value in book.samples()), default=0.0) >= 3)
        (group / "memory.current").write_text("100000")
        eventually(lambda: "meterbook_agent_memory_short 0.0" in fetch(running.http_port, "metrics")[1])
        assert "meterbook_agent_memory_used_bytes 100000.0" in fetch(running.http_port, "metrics")[1]
    finally:
        running.stop()
    acked = running.metrics.registry.get_sample_value("meterbook_agent_ack_seconds_count")
    assert acked is not None and acked >= 3


def test_from_source_to_ledger_and_on_after_a_restart(config_file: Write, ledger: FakeLedger, eventually: Wait) -> None:
    path = pointed_at(config_file(SOURCES), ledger)
    most = 0.0
    for _ in range(2):
        running = Agent(load(path))
        running.start()
        book = ledger.intake.book
        eventually(lambda: max((value for _, value in book.samples()), default=0.0) >= most + 3)  # noqa: B023
        status, metrics = fetch(running.http_port, "metrics")
        assert status == 200
        assert 'meterbook_agent_collections_total{source="fake/one",status="complete"}' in metrics
        for name in ("spool_bytes", "spool_oldest_age_seconds", "acknowledged_sequence", "uplink_connected"):
            assert f"meterbook_agent_{name} " in metrics
        assert fetch(running.http_port, "readyz") == (200, "ready\n")
        assert fetch(running.http_port, "healthz") == (200, "alive\n")
        running.stop(30)
        most = max(value for _, value in book.samples())
    tenants = {row["tenant"] for content in ledger.intake.book.contents() for row in content.series.to_pylist()}
    assert tenants == {"0", "1", "2"}
    assert len(ledger.intake.book.chains) == 1
    spans = [
        (row["source"], row["start"], row["end"])
        for content in ledger.intake.book.contents()
        for row in content.coverage.to_pylist()
    ]
    for source in ("fake/one", "fake/two"):
        own = [(start, end) for name, start, end in spans if name == source]
        assert all(before[1] == after[0] for before, after in pairwise(own))


def test_what_stands_in_the_way_is_on_the_door(config_file: Write, ledger: FakeLedger, eventually: Wait) -> None:
    ledger.intake.refuse = (1_000_000, 1)
    running = Agent(load(pointed_at(config_file(SOURCES), ledger)))
    running.start()
    eventually(lambda: running.not_ready() is not None)
    status, text = fetch(running.http_port, "readyz")
    assert status == 503
    assert text.endswith(" refused as MALFORMED: as the test wants\n")
    running.stop(0)


def test_a_spool_that_was_deleted_is_on_the_door(config_file: Write, ledger: FakeLedger) -> None:
    config = load(pointed_at(config_file(SOURCES), ledger))
    running = Agent(config)
    running.start()
    assert fetch(running.http_port, "readyz") == (200, "ready\n")
    config.spool.path.unlink()
    status, text = fetch(running.http_port, "readyz")
    running.stop(0)
    assert status == 503
    assert text.startswith(f"spool {config.spool.path} was deleted or replaced while the agent has it open")


def test_a_source_is_read_once(config_file: Write) -> None:
    config = load(config_file("sources:\n  - kind: fake\n  - {kind: fake, name: two}\n  - kind: fake\n"))
    with pytest.raises(ConfigError) as raised:
        build_sources(config)
    assert raised.value.faults == ("sources.2: the source 'fake/one' is already read by sources.0: remove one of them",)


def test_a_taken_port_is_said_so_and_nothing_stays_open(config_file: Write) -> None:
    path = config_file()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        free = path.read_text()
        path.write_text(free.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        with pytest.raises(StartError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*set http\.listen to another"):
            Agent(load(path))
    path.write_text(free)
    Agent(load(path)).stop()


def test_check_lists_the_sources(config_file: Write) -> None:
    path = config_file(SOURCES)
    told = CliRunner().invoke(command, ["check", "--config", str(path)])
    assert told.exit_code == 0
    assert told.output.splitlines() == [
        "agent edge-1 for the ledger at 127.0.0.1:1 (not encrypted)",
        "  fake/one  fake, every 0.2 s",
        "  fake/two  fake, every 0.3 s",
    ]
    told = CliRunner().invoke(command, ["check", "--json", "--config", str(path)])
    assert json.loads(told.output) == {
        "agent": "edge-1",
        "ledger": "127.0.0.1:1",
        "sources": [
            {"source": "fake/one", "kind": "fake", "interval_s": 0.2},
            {"source": "fake/two", "kind": "fake", "interval_s": 0.3},
        ],
    }


@pytest.mark.parametrize("subcommand", ["check", "run"])
def test_faults_end_the_command(config_file: Write, subcommand: str) -> None:
    path = config_file("sources:\n  - {kind: fake, intervall_s: 1}\n  - {kind: fake}\n  - {kind: fake}\n")
    told = CliRunner().invoke(command, [subcommand, "--config", str(path)], env=TEXT)
    assert told.exit_code == 1
    assert told.output == f"Error: {path}: sources.0.intervall_s: no such key: did you mean 'interval_s'?\n"
    path.write_text(path.read_text().replace("intervall_s", "interval_s"))
    told = CliRunner().invoke(command, [subcommand, "--config", str(path)], env=TEXT)
    assert told.exit_code == 1
    assert "is already read by sources.0" in told.output


def test_wrong_options_end_the_command_otherwise() -> None:
    assert CliRunner().invoke(command, ["run"]).exit_code == 2
    assert CliRunner().invoke(command, ["run", "--config", "x", "--log-level", "loud"]).exit_code == 2


RUN = """
import sys
from collector import registry
registry._PLUGINS["fake"] = "tests.fakes.source"
from agent.cli import agent
agent(["run", "--config", sys.argv[1]])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_well(
    config_file: Write, ledger: FakeLedger, eventually: Wait, number: signal.Signals
) -> None:
    path = pointed_at(config_file(SOURCES), ledger)
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(path)], cwd=root, stderr=subprocess.PIPE, text=True, env=os.environ | TEXT
    ) as run:
        eventually(lambda: len(ledger.intake.book.samples()) >= 6)
        run.send_signal(number)
        _, log = run.communicate(timeout=60)
    assert run.returncode == 0, log
    lines = log.splitlines()
    assert lines[-1].endswith(" INFO agent.cli: stopped")
    assert all(line[:4].isdigit() for line in lines)

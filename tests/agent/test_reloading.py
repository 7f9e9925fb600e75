"""SIGHUP at the agent: what the file says holds from then on, where it is good, and nothing that a source showed is lost or told twice."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue

import pytest

from agent.cli import _asked_for
from agent.config import AgentConfig, load
from agent.configured import Configured
from agent.process import Agent
from agent.reloading import Reloading
from agent.selfmetrics import SelfMetrics
from meterbook import tracing
from tests.fakes.intake import FakeLedger

Wait = Callable[[Callable[[], bool]], None]
Write = Callable[..., Path]

ONE = "  - {kind: fake, name: one, interval_s: 0.2}\n"
TWO = "  - {kind: fake, name: two, interval_s: 0.2}\n"
TEAMS = 'tags:\n  rules:\n    - {from: "label:team", match: "team-(.*)"}\n'


@pytest.fixture
def write(config_file: Write, ledger: FakeLedger) -> Callable[[str], Path]:
    """Writes the configuration of an agent that sends to the ledger."""

    def written(rest: str) -> Path:
        path = config_file(f"sources:\n{rest}")
        path.write_text(path.read_text().replace("endpoint: 127.0.0.1:1\n", f"endpoint: {ledger.endpoint}\n"))
        return path

    return written


@pytest.fixture
def reloading(write: Callable[[str], Path]) -> Iterator[Reloading]:
    path = write(ONE + TWO)
    made = Reloading(load(path), Configured(path))
    made.agent.start()
    yield made
    made.agent.stop(30)


def spans(ledger: FakeLedger, source: str) -> list[tuple[object, object]]:
    rows = [row for content in ledger.intake.book.contents() for row in content.coverage.to_pylist()]
    return [(row["start"], row["end"]) for row in rows if row["source"] == source]


def test_sources_and_rules_change_and_nothing_is_lost(
    reloading: Reloading, write: Callable[[str], Path], ledger: FakeLedger, eventually: Wait
) -> None:
    eventually(lambda: len(spans(ledger, "fake/one")) > 2 and len(spans(ledger, "fake/two")) > 2)
    write(ONE.replace("0.2", "0.3") + "  - {kind: fake, name: three, interval_s: 0.2}\n" + TEAMS)
    assert reloading.reload()
    assert reloading.agent.sources == ["fake/one", "fake/three"]
    told = len(spans(ledger, "fake/one"))
    eventually(lambda: len(spans(ledger, "fake/three")) > 2 and len(spans(ledger, "fake/one")) > told + 2)
    for source in ("fake/one", "fake/two", "fake/three"):
        assert all(before[1] == after[0] for before, after in pairwise(spans(ledger, source))), source
    tenants = {row["tenant"] for content in ledger.intake.book.contents() for row in content.series.to_pylist()}
    assert tenants == {"@unassigned", "0", "1", "2"}
    assert len(ledger.intake.book.chains) == 1, "the chain goes on"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("interval_s", "intervall_s"), "sources.0.intervall_s: no such key"),
        (lambda text: text + ONE, "the source 'fake/one' is already read by sources.0"),
        (lambda text: text.replace("edge-1", "edge-2"), "agent: edge-1 cannot become edge-2 while the agent runs"),
        (lambda text: text.replace("agent.spool", "other.spool"), "spool.path: "),
        (lambda text: text + "when: 2026-13-45\n", "'2026-13-45' is not what it looks like"),
        (lambda _: "[" * 5_000, "is nested too deeply"),
        (
            lambda text: text.replace("ledger:\n", "ledger:\n  tls: {ca_file: /none/ca.pem}\n"),
            "ledger.tls.ca_file /none/ca.pem cannot be read",
        ),
    ],
)
def test_one_that_is_bad_changes_nothing(
    reloading: Reloading,
    write: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
    change: Callable[[str], str],
    reason: str,
) -> None:
    path, before = write(ONE + TWO), reloading.agent
    path.write_text(change(path.read_text()))
    assert not reloading.reload()
    assert reloading.agent is before
    assert "the configuration stays the one before" in caplog.text and reason in caplog.text


def test_the_one_before_comes_back_whatever_is_wrong_with_the_new_one(
    reloading: Reloading,
    write: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def made(config: AgentConfig, metrics: SelfMetrics) -> Agent:
        if len(config.sources) == 1:
            raise TypeError("nobody thought of this")
        return Agent(config, metrics)

    monkeypatch.setattr("agent.reloading.Agent", made)
    write(ONE)
    assert not reloading.reload()
    assert reloading.agent.sources == ["fake/one", "fake/two"]
    assert "comes back that was there before" in caplog.text and "nobody thought of this" in caplog.text


def test_traces_go_where_the_file_says_now(reloading: Reloading, write: Callable[[str], Path]) -> None:
    path = write(ONE)
    before = path.read_text()
    path.write_text(before + "tracing: {endpoint: 'http://127.0.0.1:1'}\n")
    assert reloading.reload() and tracing.is_on()
    path.write_text(before)
    assert reloading.reload() and not tracing.is_on()


def test_many_signals_are_one_and_an_end_waits_for_none_of_them() -> None:
    wanted: SimpleQueue[int] = SimpleQueue()
    for _ in range(2_000):
        wanted.put(signal.SIGHUP)
    assert _asked_for(wanted) == signal.SIGHUP and wanted.empty()
    for number in (signal.SIGHUP, signal.SIGTERM):
        wanted.put(number)
    assert _asked_for(wanted) == signal.SIGTERM


def test_what_was_counted_is_counted_on(
    reloading: Reloading, write: Callable[[str], Path], ledger: FakeLedger, eventually: Wait
) -> None:
    def value(name: str, **labels: str) -> float:
        return reloading.agent.metrics.registry.get_sample_value(f"meterbook_agent_{name}", labels) or 0.0

    eventually(lambda: value("collections_total", source="fake/one", status="complete") > 2)
    before = value("collections_total", source="fake/one", status="complete"), value("batches_sent_total")
    spool = reloading.agent.spool
    write(ONE)
    assert reloading.reload()
    after = value("collections_total", source="fake/one", status="complete"), value("batches_sent_total")
    assert all(now >= then for now, then in zip(after, before, strict=True)) and after[0] > 2
    # What is read and not counted is that of the agent of now.
    assert reloading.agent.spool is not spool
    eventually(lambda: value("acknowledged_sequence") > before[1])
    assert value("acknowledged_sequence") <= reloading.agent.spool.sizes().acked_sequence
    assert value("ledger_trusted") == 1


def test_one_that_is_the_same_changes_nothing(reloading: Reloading, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = reloading.agent
    assert not reloading.reload()
    assert reloading.agent is before and "has not changed" in caplog.text


def test_the_one_before_comes_back_where_a_port_is_taken(
    reloading: Reloading, ledger: FakeLedger, eventually: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    path = reloading._path
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path.write_text(path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}"))
        assert not reloading.reload()
    assert "comes back that was there before" in caplog.text and "cannot listen on" in caplog.text
    told = len(spans(ledger, "fake/one"))
    eventually(lambda: len(spans(ledger, "fake/one")) > told + 2)


RUN = """
import sys
from collector import registry
registry._PLUGINS["fake"] = "tests.fakes.source"
from agent.cli import agent
agent(["run", "--config", sys.argv[1], "--log-format", "text"])
"""


@pytest.mark.slow
def test_the_signal(write: Callable[[str], Path], ledger: FakeLedger, eventually: Wait) -> None:
    path = write(ONE)
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(path)], cwd=root, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as run:
        eventually(lambda: len(spans(ledger, "fake/one")) > 2)
        write(ONE + TWO)
        for _ in range(3):
            run.send_signal(signal.SIGHUP)
        eventually(lambda: len(spans(ledger, "fake/two")) > 2)
        run.send_signal(signal.SIGTERM)
        _, log = run.communicate(timeout=60)
    assert run.returncode == 0, log
    assert log.count("the configuration of now holds: 2 sources are read") == 1
    assert log.splitlines()[-1].endswith(" INFO agent.cli: stopped")
    assert all(before[1] == after[0] for before, after in pairwise(spans(ledger, "fake/one")))

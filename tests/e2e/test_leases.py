"""Two agents that are configured alike: one reads, the other takes over when that one is gone, and everything counts once."""

from __future__ import annotations

import itertools
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import yaml

from examples.demo.processes import Program, free_ports, meterbook
from tests.e2e.spine import Spine, eventually, meter
from tests.fakes.http_target import OPENMETRICS, fake_target, page

RULES = [{"from": "label:tenant"}]


def second(spine: Spine) -> Program:
    """Another agent with the same sources."""
    (http,) = free_ports(1)
    config = yaml.safe_load(spine.agent_config.read_text())
    config |= {"agent": "e2e-2", "http": {"listen": f"127.0.0.1:{http}"}}
    config["spool"] = {"path": str(spine.directory / "second.spool")}
    place = spine.directory / "second.yaml"
    place.write_text(yaml.safe_dump(config))
    command = meterbook("agent", "run", "--config", str(place))
    return Program("second", command, spine.directory / "second.log", f"http://127.0.0.1:{http}/healthz")


def reader_and_rests(one: Program, other: Program) -> tuple[Program, Program] | None:
    """The one that reads and the one that leaves it to that: whoever asks first reads, and both begin while they connect."""
    for rests, reader in ((one, other), (other, one)):
        if "and left to it" in rests.log.read_text():
            return reader, rests
    return None


@pytest.mark.slow
def test_one_reads_and_another_takes_over(tmp_path: Path) -> None:
    counted = itertools.count(10)
    shown = [0]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        shown[0] = next(counted)
        series = '{tenant="acme"}'
        counter = f"calls_total{series} {shown[0]}\ncalls_created{series} 1767222000\n"
        text = f"# TYPE calls counter\n{counter}# EOF\n"
        page(text.encode(), OPENMETRICS)(handler)

    with fake_target() as target:
        target.answer = answer
        source = {"kind": "prometheus", "job": "shop", "targets": [target.address], "interval_s": 1, "lease": True}
        spine = Spine(tmp_path, [source], RULES)
        other = second(spine)
        try:
            spine.ledger.start()
            spine.apply(meter("calls", "increase", metric="calls_total"))
            spine.agent.start()
            assert eventually(lambda: ("calls", "acme") in spine.usage())
            other.start()
            reader, rests = eventually(lambda: reader_and_rests(spine.agent, other))
            before = shown[0]
            reader.kill()
            # A lease lasts half a minute beyond the last word, and is asked for every ten seconds.
            assert eventually(lambda: shown[0] > before + 3, patience_s=120), rests.log.read_text()
            final = shown[0]
            assert eventually(lambda: int(spine.usage()[("calls", "acme")]) >= final - 11)
            rests.stop()
            # The very first reading only sets the level: the counter had begun before anybody watched.
            assert int(spine.usage()[("calls", "acme")]) == shown[0] - 10
        finally:
            other.stop()
            spine.stop()

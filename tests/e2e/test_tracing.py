"""The trace of a batch spans both sides; and whoever takes no traces costs no usage and no time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.demo.processes import free_ports
from tests.e2e.spine import Spine, eventually, meter
from tests.fakes.http_target import fake_target, page
from tests.fakes.otlp import Receiver, Span, receiving

STAGES = ["collect", "spool", "send", "receive", "append", "ack"]
SIDES = dict(zip(STAGES, ["meterbook-agent"] * 3 + ["meterbook-ledger"] * 3, strict=True))


@contextmanager
def traced(directory: Path, endpoint: str) -> Iterator[tuple[Spine, list[int]]]:
    """A ledger and an agent whose traces go there, and what a counter was read at."""
    served: list[int] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        served.append(10 * len(served))
        page(f'# TYPE calls_total counter\ncalls_total{{tenant="acme"}} {served[-1]}\n'.encode())(handler)

    with fake_target() as target:
        target.answer = answer
        source = {"kind": "prometheus", "job": "shop", "targets": [target.address], "interval_s": 0.5, "timeout_s": 0.4}
        spine = Spine(directory, [source], [{"from": "label:tenant"}])
        agent = yaml.safe_load(spine.agent_config.read_text())
        spine.agent_config.write_text(yaml.safe_dump({**agent, "tracing": {"endpoint": endpoint}}))
        settings = directory / "ledger.yaml"
        settings.write_text(yaml.safe_dump({"tracing": {"endpoint": endpoint}}))
        spine.ledger.command = [*spine.ledger.command, "--config", str(settings)]
        try:
            spine.ledger.start()
            spine.apply(meter("calls", "increase", metric="calls_total"))
            spine.agent.start()
            yield spine, served
        finally:
            spine.stop()


def whole(receiver: Receiver) -> list[dict[str, Span]]:
    """Traces that have all stages of a batch."""
    found: dict[str, dict[str, Span]] = {}
    for span in receiver.spans:
        found.setdefault(span.trace_id, {})[span.name] = span
    return [spans for spans in found.values() if set(STAGES) <= spans.keys()]


@pytest.mark.slow
def test_one_trace_has_what_both_sides_did_to_a_batch(tmp_path: Path) -> None:
    with receiving() as receiver, traced(tmp_path, receiver.endpoint) as (spine, _):
        (spans, *_) = eventually(lambda: whole(receiver))
        assert {name: spans[name].service for name in STAGES} == SIDES
        assert spans["collect"].parent_id == ""
        for before, after in pairwise(STAGES):
            assert spans[after].parent_id == spans[before].span_id, after
        assert len({span.attributes["sequence"] for span in spans.values()}) == 1
        assert {"agent", "epoch", "request_id"} <= spans["receive"].attributes.keys()
        assert all(span.start_ns <= span.end_ns for span in spans.values())
        assert spans["collect"].end_ns <= spans["spool"].end_ns <= spans["append"].end_ns
        spine.ask("usage")
        asked = eventually(lambda: [each for each in receiver.spans if each.name.endswith("Query/Usage")])
        assert asked and asked[0].attributes["request_id"] and asked[0].service == "meterbook-ledger"


@pytest.mark.slow
def test_records_about_a_batch_name_its_trace(tmp_path: Path) -> None:
    with receiving() as receiver, traced(tmp_path, receiver.endpoint) as (spine, _):
        eventually(lambda: whole(receiver))
        spine.ledger.kill()
        eventually(lambda: "no stream to the ledger" in spine.agent.log.read_text())
        records: list[dict[str, Any]] = [json.loads(line) for line in spine.agent.log.read_text().splitlines()]
        (lost, *_) = [each for each in records if "no stream to the ledger" in each["message"]]

        def traces() -> set[str]:
            """Those of that batch; spans are sent every few seconds, and a record is there at once."""
            return {span.trace_id for span in receiver.spans if span.attributes.get("sequence") == lost["sequence"]}

        assert eventually(lambda: lost["trace_id"] in traces()), (lost, traces())


@pytest.mark.slow
def test_a_receiver_that_is_gone_delays_and_loses_no_usage(tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    with traced(tmp_path, f"http://127.0.0.1:{nobody}") as (spine, served):
        assert eventually(lambda: len(served) > 10)
        assert eventually(lambda: ("calls", "acme") in spine.usage())
        spine.agent.stop()
        # Only ended by itself is the exit code 0: it did not wait for anybody until it was killed.
        assert spine.agent.process is not None and spine.agent.process.returncode == 0
        assert eventually(lambda: int(spine.usage()[("calls", "acme")]) >= served[-2])
        assert int(spine.usage()[("calls", "acme")]) <= served[-1]
        assert spine.run("verify").returncode == 0
        assert not spine.ask("dead-letters")["rows"]

"""How long it takes from a scrape until the usage it showed is in the answer of a usage query.

A target counts its own scrapes, an agent scrapes it twice a second, and a client asks the ledger for that usage without
pause. Agent and ledger are processes, as they would be. The time runs from the moment at which the target answers
to the moment at which a query's answer holds the count. Nothing in the same run does the same work as a peer.

    python -m bench.freshness [--seconds 30]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import yaml

from bench._figure import report
from examples.demo.processes import Program, free_ports, meterbook, run
from meterbook.ledger.v1 import query_pb2, query_pb2_grpc

GOAL_S = 2.0
INTERVAL_S = 0.5
METER = {
    "kind": "meter",
    "name": "scrapes",
    "spec": {"source": {"metric": "scrapes_total"}, "aggregation": "increase", "unit": "scrape"},
}


class Target(ThreadingHTTPServer):
    """Counts its scrapes, and notes when it answered each."""

    def __init__(self) -> None:
        self.answered_s: list[float] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Target)
        body = f"# TYPE scrapes_total counter\nscrapes_total {len(self.server.answered_s)}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.answered_s.append(time.perf_counter())

    def log_message(self, format: str, *args: object) -> None:
        """Two lines a second are of use to nobody."""


def programs(directory: Path, target: Target) -> tuple[Program, Program, str]:
    """A ledger, an agent that scrapes the target, and the ledger's address."""
    ledger_port, ledger_http, agent_http = free_ports(3)
    address = f"127.0.0.1:{ledger_port}"
    serve = ["--store", f"file:{directory}/book", "--listen", address, "--http", f"127.0.0.1:{ledger_http}"]
    source = {
        "kind": "prometheus",
        "job": "bench",
        "targets": [f"127.0.0.1:{target.server_address[1]}"],
        "interval_s": INTERVAL_S,
    }
    config = directory / "agent.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "agent": "bench",
                "ledger": {"endpoint": address},
                "spool": {"path": str(directory / "spool")},
                "http": {"listen": f"127.0.0.1:{agent_http}"},
                "sources": [source],
            }
        )
    )
    ledger = Program(
        "ledger",
        meterbook("ledger", "serve", *serve),
        directory / "ledger.log",
        f"http://127.0.0.1:{ledger_http}/readyz",
    )
    agent = Program(
        "agent",
        meterbook("agent", "run", "--config", str(config)),
        directory / "agent.log",
        f"http://127.0.0.1:{agent_http}/healthz",
    )
    return ledger, agent, address


def visible(address: str, target: Target, seconds: float) -> list[float]:
    """Seconds from each scrape to the first answer that holds it."""
    seen: list[float] = []
    counted = 0
    with grpc.insecure_channel(address) as channel:
        stub = query_pb2_grpc.QueryStub(channel)
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            response = stub.Usage(query_pb2.UsageRequest())
            now_s = time.perf_counter()
            # The first scrape shows 0 and sets the level; the one after it shows 1, and is number 1.
            total = sum(int(Decimal(row.quantity)) for row in response.rows)
            seen += [now_s - answered_s for answered_s in target.answered_s[counted + 1 : total + 1]]
            counted = total
    return seen


def main() -> None:
    """Measure, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="meterbook-bench-"))
    target = Target()
    threading.Thread(target=target.serve_forever, daemon=True).start()
    ledger, agent, address = programs(directory, target)
    try:
        ledger.start()
        (directory / "meter.yaml").write_text(yaml.safe_dump(METER))
        run(meterbook("apply", "-f", str(directory / "meter.yaml"), "--ledger", address))
        agent.start()
        found = sorted(visible(address, target, given.seconds))
    finally:
        agent.stop()
        ledger.stop()
        target.shutdown()
        shutil.rmtree(directory)
    p99 = found[min(len(found) - 1, int(len(found) * 0.99))]
    print(json.dumps({"scrapes": len(found), "p50_s": statistics.median(found), "p99_s": p99, "max_s": found[-1]}))
    report("scrape to visible, p99", p99, "s", goal=GOAL_S, met=p99 < GOAL_S, peers={}, limit={})


if __name__ == "__main__":
    main()

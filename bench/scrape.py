"""What a scrape costs: CPU-seconds per million samples from the socket to the spool, and memory.

One target with 100,000 series is scraped once a second, by each of three agents after the other: ours, with a ledger that takes
what it sends; the Debian package ``prometheus`` in agent mode, which writes its log; ``vmagent``, with a receiver that takes
what it sends. Each is a process with its own defaults. Their first scrape, which meets every series for the first time, and some
after it are not counted.

    python -m bench.scrape [--series 100000] [--seconds 40] [--plain]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import yaml

from bench._figure import report
from bench._procfs import family_cpu_s, family_rss_mib, memory_mib
from examples.demo.processes import Program, free_ports, meterbook

GOAL_CPU_S = 0.8
GOAL_RSS_MIB = 200 * 1e6 / (1 << 20)
#: Our share of vmagent's CPU time.
GOAL_SHARE = 0.5
WARM_SCRAPES = 8
_LIMIT = "bare Arrow split of the page into keys and values"


@dataclass(frozen=True)
class Cost:
    """Of one agent: CPU-seconds per million samples, memory at its most while it was measured and at all."""

    cpu_s_per_million: float
    rss_mib: float
    peak_rss_mib: float
    scrapes: int

    def shown(self) -> dict[str, float]:
        """Rounded, for the last line."""
        return {
            "cpu_s_per_million": round(self.cpu_s_per_million, 3),
            "rss_mib": round(self.rss_mib, 1),
            "peak_rss_mib": round(self.peak_rss_mib, 1),
            "scrapes": self.scrapes,
        }


class Target:
    """The target's process."""

    def __init__(self, directory: Path, series: int, plain: bool) -> None:
        (self.port,) = free_ports(1)
        self.series = series
        command = [sys.executable, "-m", "bench._pages", "--port", str(self.port), "--series", str(series)]
        self.url = f"http://127.0.0.1:{self.port}"
        log = directory / "target.log"
        self.program = Program("target", command + (["--plain"] if plain else []), log, f"{self.url}/scrapes")

    def scrapes(self) -> int:
        """How many there were so far."""
        return int(httpx.get(f"{self.url}/scrapes", trust_env=False).text)

    def wait(self, scrapes: int) -> None:
        """Until so many more are done."""
        wanted = self.scrapes() + scrapes
        while self.scrapes() < wanted:
            time.sleep(0.05)


def measured(program: Program, target: Target, seconds: float) -> Cost:
    """The cost of an agent that scrapes the target; it is started, and ended."""
    program.start()
    try:
        assert program.process is not None
        pid = program.process.pid
        target.wait(WARM_SCRAPES)
        before_cpu_s, before, rss_mib = family_cpu_s(pid), target.scrapes(), []
        began_s = time.monotonic()
        while time.monotonic() - began_s < seconds:
            rss_mib.append(family_rss_mib(pid))
            time.sleep(0.5)
        spent_s, scrapes = family_cpu_s(pid) - before_cpu_s, target.scrapes() - before
        samples = scrapes * target.series
        return Cost(1e6 * spent_s / samples, max(rss_mib), memory_mib(pid, "VmHWM"), scrapes)
    finally:
        program.stop()


@contextmanager
def receiver() -> Iterator[str]:
    """Takes whatever is written to it; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api/v1/write"
    finally:
        server.shutdown()
        server.server_close()


def ours(directory: Path, target: Target, ledger: str) -> Program:
    """Our agent, as a user would configure it."""
    (port,) = free_ports(1)
    source = {
        "kind": "prometheus",
        "job": "bench",
        "targets": [f"127.0.0.1:{target.port}"],
        "interval_s": 1,
        "timeout_s": 0.9,
    }
    config = directory / "agent.yaml"
    document = {
        "agent": "bench",
        "ledger": {"endpoint": ledger},
        "spool": {"path": str(directory / "spool")},
        "http": {"listen": f"127.0.0.1:{port}"},
        "tags": {"rules": [{"from": "label:service"}]},
        "sources": [source],
    }
    config.write_text(yaml.safe_dump(document))
    page = f"http://127.0.0.1:{port}/healthz"
    return Program("agent", meterbook("agent", "run", "--config", str(config)), directory / "agent.log", page)


def ledger_of(directory: Path) -> tuple[Program, str]:
    """A ledger, and its address."""
    port, http = free_ports(2)
    address = f"127.0.0.1:{port}"
    command = meterbook("ledger", "serve", "--store", f"file:{directory}/book", "--listen", address)
    page = f"http://127.0.0.1:{http}/readyz"
    return Program("ledger", [*command, "--http", f"127.0.0.1:{http}"], directory / "ledger.log", page), address


def _scrape_config(directory: Path, target: Target) -> Path:
    config = directory / "prometheus.yml"
    job = {
        "job_name": "bench",
        "scrape_interval": "1s",
        "scrape_timeout": "900ms",
        "static_configs": [{"targets": [f"127.0.0.1:{target.port}"]}],
    }
    config.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    return config


def peers(directory: Path, target: Target, write: str) -> dict[str, Program | str]:
    """The others, or why one cannot be run."""
    config = _scrape_config(directory, target)
    found: dict[str, Program | str] = {}
    prometheus_port, vmagent_port = free_ports(2)
    commands = {
        "prometheus": (
            prometheus_port,
            "/-/ready",
            [
                "--enable-feature=agent",
                f"--config.file={config}",
                f"--storage.agent.path={directory}/prometheus",
                f"--web.listen-address=127.0.0.1:{prometheus_port}",
            ],
        ),
        "vmagent": (
            vmagent_port,
            "/health",
            [
                f"-promscrape.config={config}",
                f"-httpListenAddr=127.0.0.1:{vmagent_port}",
                f"-remoteWrite.tmpDataPath={directory}/vmagent",
                f"-remoteWrite.url={write}",
            ],
        ),
    }
    for name, (port, page, arguments) in commands.items():
        binary = shutil.which(name)
        if binary is None:
            found[name] = f"not measured: there is no {name} on the PATH; install the package of that name"
            continue
        ready = f"http://127.0.0.1:{port}{page}"
        found[name] = Program(name, [binary, *arguments], directory / f"{name}.log", ready)
    return found


def bare_split_cpu_s(series: int) -> float:
    """CPU-seconds per million samples for cutting a page into keys and values, the values as numbers."""
    from bench._pages import pages
    from collector.exposition.lines import split
    from collector.exposition.values import parse_values

    body = pages(series)[0]
    spent = []
    for _ in range(5):
        began_s = time.process_time()
        parse_values(split(body, "text")[1], "text")
        spent.append(time.process_time() - began_s)
    return 1e6 * statistics.median(spent) / series


def main() -> None:
    """Measure, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--plain", action="store_true", help="the target does not compress its pages")
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="meterbook-bench-"))
    target = Target(directory, given.series, given.plain)
    ledger, address = ledger_of(directory)
    found: dict[str, object] = {}
    try:
        target.program.start()
        with receiver() as write:
            for name, peer in peers(directory, target, write).items():
                found[name] = peer if isinstance(peer, str) else measured(peer, target, given.seconds).shown()
                print(json.dumps({name: found[name]}), flush=True)
        ledger.start()
        cost = measured(ours(directory, target, address), target, given.seconds)
        print(json.dumps({"meterbook": cost.shown()}), flush=True)
        shutil.rmtree(directory / "spool", ignore_errors=True)
    finally:
        ledger.stop()
        target.program.stop()
        shutil.rmtree(directory)
    vmagent = found["vmagent"]
    share = cost.cpu_s_per_million / float(vmagent["cpu_s_per_million"]) if isinstance(vmagent, dict) else None
    met = (
        cost.cpu_s_per_million <= GOAL_CPU_S and cost.rss_mib < GOAL_RSS_MIB and (share is None or share <= GOAL_SHARE)
    )
    print(json.dumps({"share_of_vmagent": share, "rss_mib": cost.rss_mib, "rss_goal_mib": GOAL_RSS_MIB}))
    report(
        "scrape to spool, CPU-seconds per million samples",
        cost.cpu_s_per_million,
        "s",
        goal=GOAL_CPU_S,
        met=met,
        peers=found,
        limit={_LIMIT: bare_split_cpu_s(given.series)},
    )


if __name__ == "__main__":
    main()

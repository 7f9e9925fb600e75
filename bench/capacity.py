"""How much one core and one gibibyte carry: series and nodes of an agent, samples, agents and tenants of a ledger, and disk.

Everything is computed from runs on this machine, the median of some of each. An agent scrapes targets of two sizes; what its memory takes is a line
through both, and processor time goes with samples. Another one reads the kubelets of a simulated cluster, thirty pods each (``_nodes``). A ledger is fed at a steady rate, below what it could take; then it is stopped, and
what the book takes on the disk is weighed. Invoices are drafted for a number of tenants (``bench.invoice``). Processor time is that of
the processes measured alone, so that it holds, within a fifth or so, where others use the machine too.

    python -m bench.capacity [--repeat 3] [--seconds 20] [--tenants 2000] [--load 0.5] [--tracing ENDPOINT]
    python -m bench.capacity --runs FILE     # the table of runs whose lines were kept

``load`` is the part of a core that is to be used in the long run: the rest is for catching up, compaction and questions.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench._figure import machine
from bench._folder import folder
from bench._ledger import feed
from bench._nodes import read_nodes
from bench.scrape import Target, ledger_of, measured, ours

#: What a table is told for. Kubelets and exporters are usually read so often.
INTERVAL_S = 15.0
SIZES = (20_000, 100_000)
NODES = 8
LEDGER_AGENTS, LEDGER_ROWS, LEDGER_RATE = 20, 5_000, 500_000.0
_MIB = 1 << 20


@dataclass(frozen=True)
class Agent:
    """Of an agent that reads so many series once a second, and what its ledger writes of that."""

    series: int
    cpu_s_per_million: float
    rss_mib: float
    log_mib_per_million: float
    tables_mib_per_million: float


@dataclass(frozen=True)
class Nodes:
    """Of an agent that reads kubelets."""

    nodes: int
    samples_per_node: float
    cpu_s_per_read: float
    rss_mib: float


@dataclass(frozen=True)
class Ledger:
    """Of a ledger that is fed."""

    samples_per_s: float
    cpu_s_per_million: float
    rss_mib: float
    log_mib_per_million: float
    tables_mib_per_million: float


@dataclass(frozen=True)
class Bills:
    """Of drafting invoices."""

    tenants: int
    seconds: float


def agent_run(series: int, seconds: float) -> Agent:
    """One agent, whose ledger takes what it sends."""
    with folder() as directory:
        target = Target(directory, series, plain=False)
        ledger, address = ledger_of(directory)
        try:
            target.program.start()
            ledger.start()
            cost = measured(ours(directory, target, address), target, seconds)
            millions = target.scrapes() * series / 1e6
        finally:
            ledger.stop()
            target.program.stop()
        weighed = _weighed(directory / "book", millions)
    return Agent(series, cost.cpu_s_per_million, cost.rss_mib, *weighed)


def nodes_run(nodes: int, seconds: float) -> Nodes:
    """One agent of a cluster."""
    with folder() as directory:
        return Nodes(nodes, *read_nodes(directory, nodes, seconds))


def ledger_run(seconds: float) -> Ledger:
    """One ledger, fed by agents with small batches; its disk is weighed once it has stopped."""
    with folder() as directory:
        fed = feed(directory, LEDGER_AGENTS, LEDGER_ROWS, seconds, LEDGER_RATE)
        (book,) = {path.parent for path in directory.rglob("FORMAT")}
        weighed = _weighed(book, fed.samples_per_s * seconds / 1e6)
    return Ledger(fed.samples_per_s, fed.ledger_cpu_s_per_million, fed.peak_rss_mib, *weighed)


def bills_run(tenants: int) -> Bills:
    """Invoices of so many tenants, on all cores."""
    command = [sys.executable, "-m", "bench.invoice", "--tenants", str(tenants)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    return Bills(tenants, float(json.loads(told)["value"]))


Run = Agent | Nodes | Ledger | Bills
_PARTS: dict[str, type[Run]] = {"agent": Agent, "nodes": Nodes, "ledger": Ledger, "invoices": Bills}


def table(runs: Sequence[Run], load: float) -> dict[str, object]:
    """What follows for whoever plans: pure, of the runs alone, and without what was not run."""
    found: dict[str, object] = {}
    small, large = ([run for run in runs if isinstance(run, Agent) and run.series == series] for series in SIZES)
    if small and large:
        cpu = _median(large, "cpu_s_per_million")
        kib = 1024 * (_median(large, "rss_mib") - _median(small, "rss_mib")) / (SIZES[1] - SIZES[0])
        idle_mib = _median(small, "rss_mib") - kib * SIZES[0] / 1024
        found |= {
            "disk: MiB of log per million samples that were scraped": round(_median(large, "log_mib_per_million"), 1),
            "disk: MiB of tables per million samples that were scraped": round(
                _median(large, "tables_mib_per_million"), 1
            ),
            "agent: CPU-seconds per million samples": round(cpu, 2),
            "agent: series per core": _round(load * 1e6 / cpu * INTERVAL_S),
            "agent: MiB without any series": _round(idle_mib),
            "agent: KiB per series": round(kib, 2),
            "agent: series per GiB": _round((1024 - idle_mib) * 1024 / kib) if kib > 0 else None,
        }
    if nodes := [run for run in runs if isinstance(run, Nodes)]:
        found |= {
            "agent: samples of a node": _round(_median(nodes, "samples_per_node")),
            "agent: CPU-milliseconds per node and reading": _round(1_000 * _median(nodes, "cpu_s_per_read")),
            "agent: nodes per core": _round(load / _median(nodes, "cpu_s_per_read") * INTERVAL_S),
        }
    if ledgers := [run for run in runs if isinstance(run, Ledger)]:
        taken = load * 1e6 / _median(ledgers, "cpu_s_per_million")
        found |= {
            "ledger: CPU-seconds per million samples": round(_median(ledgers, "cpu_s_per_million"), 2),
            "ledger: samples per second and core": _round(taken),
            "ledger: series per core": _round(taken * INTERVAL_S),
            "ledger: MiB at that rate": _round(_median(ledgers, "rss_mib")),
            "disk: MiB of log per million samples, ten of each series at a time": round(
                _median(ledgers, "log_mib_per_million"), 1
            ),
            "disk: MiB of tables per million samples, ten of each series at a time": round(
                _median(ledgers, "tables_mib_per_million"), 1
            ),
        }
        if nodes:
            found["ledger: nodes per core"] = _round(taken * INTERVAL_S / _median(nodes, "samples_per_node"))
    if bills := [run for run in runs if isinstance(run, Bills)]:
        each_s = statistics.median(run.seconds / run.tenants for run in bills)
        found["ledger: tenants drafted per minute, on all cores"] = _round(60 / each_s)
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--tenants", type=int, default=2_000, help="0 leaves invoices out")
    parser.add_argument("--load", type=float, default=0.5)
    parser.add_argument("--tracing", default="", help="an OTLP receiver to which agent and ledger tell their traces")
    parser.add_argument("--runs", type=Path, help="the lines of earlier runs, instead of new ones")
    given = parser.parse_args()
    if given.tracing:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = given.tracing
    runs = list(kept(given.runs)) if given.runs else []
    for _ in range(0 if given.runs else given.repeat):
        for run in measured_once(given.seconds, given.tenants):
            name = next(part for part, kind in _PARTS.items() if isinstance(run, kind))
            print(json.dumps({"part": name, **vars(run)}), flush=True)
            runs.append(run)
    told = {
        "figure": "capacity",
        "load": given.load,
        "interval_s": INTERVAL_S,
        "table": table(runs, given.load),
        "machine": machine(),
        "load_average": round(os.getloadavg()[1], 1),
    }
    print(json.dumps(told), flush=True)


def measured_once(seconds: float, tenants: int) -> Iterator[Run]:
    """One run of each part."""
    for series in SIZES:
        yield agent_run(series, seconds)
    yield nodes_run(NODES, seconds)
    yield ledger_run(seconds)
    if tenants:
        yield bills_run(tenants)


def kept(path: Path) -> Iterator[Run]:
    """Runs whose lines were kept."""
    for line in path.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if (kind := _PARTS.get(told.pop("part", ""))) is not None:
            yield kind(**told)


def _median(runs: Sequence[Run], name: str) -> float:
    return statistics.median(getattr(run, name) for run in runs)


def _round(value: float) -> int:
    """To two digits: more would promise what no other machine keeps."""
    return int(float(f"{value:.2g}"))


def _weighed(book: Path, millions: float) -> tuple[float, float]:
    """MiB of a stopped ledger's log and tables for each million samples."""
    log, tables = (
        sum(path.stat().st_size for path in (book / part).rglob("*") if path.is_file()) for part in ("log", "tables")
    )
    return log / _MIB / millions, tables / _MIB / millions


if __name__ == "__main__":
    main()

"""Samples per second that a ledger acknowledges as durable, over gRPC with TLS, from agents on the same machine.

The figure is a burst: agents send as fast as acks allow. Beside it stand a grid of agents and batch sizes, minutes at a
steady rate with the tables following, VictoriaMetrics and Prometheus fed with the same samples over remote write, and as
limits the bare log and the bare insert into the tables, each alone in one process.

    python -m bench.ingest [--burst 30] [--steady 300] [--rate 5_000_000] [--grid 5] [--peers 10]

Each number is seconds; 0 leaves a part out, but for the burst. In no part may the ledger take more than a gigabyte of memory.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench._figure import report
from bench._folder import folder
from bench._ledger import feed
from bench._load import Chain, batch_of
from bench._peers import measure_peers
from ledger.journal.derive import TABLES
from ledger.journal.disk import Disk
from ledger.journal.embedded import EmbeddedLog
from ledger.journal.parquet import GatheredRows
from ledger.journal.record import Draft, Kind
from ledger.journal.tables import Tables
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.leaf import agent_chain

GOAL, STEADY_LAG_S_MAX, RSS_MIB_MAX = 10_000_000, 2.0, 1_024
AGENTS, ROWS = 4, 10_000
GRID = [(agents, rows) for rows in (1_000, 10_000, 100_000) for agents in (1, 4, 100)]
_INSERT_ROWS = 2_500_000


def bare_log(directory: Path, seconds: float) -> float:
    """Samples per second that the log alone makes durable."""
    chain = Chain("bare", ROWS)
    name = agent_chain("bare", chain.epoch)
    log = EmbeddedLog(Disk(directory))
    began, count, pending = time.perf_counter(), 0, []
    while time.perf_counter() - began < seconds:
        count += 1
        batch = chain.batch(count)
        payload = journal_pb2.BatchRecord(agent="bare", epoch=chain.epoch, batch=batch).SerializeToString()
        pending.append(log.append(Draft(Kind.BATCH, name, count, batch.previous_hash, batch.hash, payload)))
        if len(pending) == 128:
            pending.pop(0).result()
    for future in pending:
        future.result()
    taken = time.perf_counter() - began
    log.close()
    return count * ROWS / taken


def bare_tables(directory: Path, seconds: float) -> float:
    """Samples per second that the tables take when nothing else is done."""
    samples = batch_of("bare", _INSERT_ROWS).samples
    stamped = samples.append_column("position", pa.array(np.ones(_INSERT_ROWS, dtype=np.int64)))
    rows = {"samples": stamped.cast(TABLES["samples"])}
    tables = Tables(directory)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        gathered = GatheredRows(tables.lake.folder)
        gathered.add(rows)
        tables.apply(gathered.finished(), count, count + 1)
        count += 1
    taken = time.perf_counter() - began
    tables.close()
    return count * _INSERT_ROWS / taken


def main() -> None:
    """Measure, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--burst", type=float, default=30.0)
    parser.add_argument("--steady", type=float, default=300.0)
    parser.add_argument("--rate", type=float, default=5_000_000)
    parser.add_argument("--grid", type=float, default=5.0)
    parser.add_argument("--peers", type=float, default=10.0)
    given = parser.parse_args()
    with folder() as directory:
        burst = feed(directory, AGENTS, ROWS, given.burst)
    _tell("burst", agents=AGENTS, rows=ROWS, seconds=given.burst, **asdict(burst))
    met = burst.samples_per_s >= GOAL and burst.peak_rss_mib < RSS_MIB_MAX
    if given.steady:
        with folder() as directory:
            steady = feed(directory, AGENTS, ROWS, given.steady, given.rate)
        _tell("steady", agents=AGENTS, rows=ROWS, seconds=given.steady, rate=given.rate, **asdict(steady))
        held = steady.samples_per_s >= 0.99 * given.rate and steady.tables_behind_s <= STEADY_LAG_S_MAX
        met = met and held and steady.peak_rss_mib < RSS_MIB_MAX
    for agents, rows in GRID if given.grid else []:
        with folder() as directory:
            fed = feed(directory, agents, rows, given.grid)
        _tell("grid", agents=agents, rows=rows, **asdict(fed))
        met = met and fed.peak_rss_mib < RSS_MIB_MAX
    peers: dict[str, object] = {}
    if given.peers:
        with folder() as directory:
            peers = dict(measure_peers(AGENTS, ROWS, given.peers, directory))
        beaten = [each["samples_per_s"] for each in peers.values() if isinstance(each, dict)]
        met = met and all(burst.samples_per_s > other for other in beaten)
    limit: dict[str, object] = {}
    for name, measure in (("bare log", bare_log), ("bare insert", bare_tables)):
        with folder() as directory:
            limit[name] = round(measure(directory, 5))
    report(
        "samples acknowledged durable",
        round(burst.samples_per_s),
        "samples/s",
        goal=GOAL,
        met=met,
        peers=peers,
        limit=limit,
    )


def _tell(what: str, **found: float) -> None:
    print(json.dumps({"part": what, **{name: round(value, 3) for name, value in found.items()}}), flush=True)


if __name__ == "__main__":
    main()

"""Samples per second that a ledger acknowledges as durable, over gRPC, from agents on the same machine.

Each agent is a process that streams sealed batches as fast as acks allow; the ledger is a process with an embedded
store. The rows of a batch are encoded once and sealed anew for every sequence, so that the agents take little of the
processors that they share with the ledger. Beside it, in the same run, stands the bare log: the same payloads
appended in one process, without gRPC, decoding or hashing of columns.

    python -m bench.ingest [--agents 4] [--rows 10000] [--seconds 10]
"""

from __future__ import annotations

import argparse
import json
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pyarrow as pa

from bench._figure import report
from examples.demo.processes import Program, free_ports, meterbook
from ledger.journal.frames import Kind
from ledger.journal.log import Log
from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.leaf import batch_seal
from meterbook.wire.instants import now_us
from meterbook.wire.seal import GENESIS, section_hash
from meterbook.wire.sections import SAMPLES, SCHEMA_VERSION, SERIES, Sections, encode, sections
from meterbook.wire.series import Series

GOAL = 10_000_000
SAMPLES_PER_SERIES = 10


def batch_of(agent: str, rows: int) -> Sections:
    """A batch of counters, ten samples of each series, fifteen seconds apart."""
    series = [
        Series("bench/" + agent, "requests_total", "counter", "", f'{{"n":"{number}"}}', "{}")
        for number in range(max(1, rows // SAMPLES_PER_SERIES))
    ]
    ids = np.sort(np.array([each.series_id for each in series], dtype=np.int64))
    since = now_us() - SAMPLES_PER_SERIES * 15_000_000
    times = np.tile(since + np.arange(SAMPLES_PER_SERIES) * 15_000_000, len(ids))
    # Counters that go up by what nobody can foresee, so that they compress as real ones do.
    steps = np.random.default_rng(len(ids)).geometric(0.01, (len(ids), SAMPLES_PER_SERIES))
    values = np.cumsum(steps, axis=1, dtype=np.float64).ravel()
    samples = pa.table(
        [np.repeat(ids, SAMPLES_PER_SERIES), pa.array(times).cast(SAMPLES.field("time").type), values], schema=SAMPLES
    )
    defined = [
        {
            **{name: getattr(each, name) for name in ("series_id", "identity", "source", "metric", "kind", "unit")},
            "labels": each.labels,
            "attributes": each.attributes,
            "start": None,
            "tenant": agent,
            "since": since,
        }
        for each in series
    ]
    return sections(series=pa.Table.from_pylist(defined, schema=SERIES), samples=samples)


class Chain:
    """Batches of one agent, each sealed to the one before; only the first defines the series."""

    def __init__(self, agent: str, rows: int) -> None:
        self.agent, self.epoch = agent, now_us()
        first = batch_of(agent, rows)
        rest = sections(samples=first.samples)
        self._contents = (first, rest)
        self._encoded = [{name: encode(table) for name, table in each.tables().items()} for each in self._contents]
        self._sections = [
            [section_hash(name, table) for name, table in each.tables().items()] for each in self._contents
        ]
        self._hash = GENESIS

    def batch(self, sequence: int) -> intake_pb2.Batch:
        """The batch of a sequence; sequences must be asked for in order."""
        which = 0 if sequence == 1 else 1
        sealed = batch_seal(self.agent, self.epoch, sequence, SCHEMA_VERSION, self._hash, self._sections[which])
        batch = intake_pb2.Batch(sequence=sequence, previous_hash=self._hash, hash=sealed, **self._encoded[which])
        self._hash = sealed
        return batch


def send(address: str, agent: str, rows: int, seconds: float) -> None:
    """Stream for a while; print samples acknowledged, seconds and ack latencies."""
    chain = Chain(agent, rows)
    sent_at: dict[int, float] = {}
    room: queue.Queue[None] = queue.Queue()
    began = time.perf_counter()

    def messages() -> Iterator[intake_pb2.ClientMessage]:
        yield intake_pb2.ClientMessage(hello=intake_pb2.Hello(agent=agent, epoch=chain.epoch, schema=1))
        sequence = 0
        while time.perf_counter() - began < seconds:
            room.get()
            sequence += 1
            batch = chain.batch(sequence)
            sent_at[sequence] = time.perf_counter()
            yield intake_pb2.ClientMessage(batch=batch)

    acked, latencies, last = 0, [], began
    with grpc.insecure_channel(address) as channel:
        for answer in intake_pb2_grpc.IntakeStub(channel).Stream(messages()):
            if answer.HasField("resume"):
                for _ in range(answer.resume.in_flight_max // 2):
                    room.put(None)
                continue
            if answer.HasField("refusal"):
                raise RuntimeError(answer.refusal.message)
            last = time.perf_counter()
            for sequence in range(acked + 1, answer.ack.sequence + 1):
                latencies.append(last - sent_at.pop(sequence))
                room.put(None)
            acked = answer.ack.sequence
    ordered = sorted(latencies)
    print(
        json.dumps(
            {
                "samples": acked * rows,
                "seconds": last - began,
                "p50_ms": 1e3 * statistics.median(ordered),
                "p99_ms": 1e3 * ordered[int(len(ordered) * 0.99)],
            }
        )
    )


def measure(agents: int, rows: int, seconds: float, directory: Path) -> dict[str, float]:
    """One run: samples per second over all agents, ack latencies, and how long the tables took to catch up."""
    port, http = free_ports(2)
    serve = ["--store", f"file:{directory}/book", "--listen", f"127.0.0.1:{port}", "--http", f"127.0.0.1:{http}"]
    page = f"http://127.0.0.1:{http}/readyz"
    ledger = Program("ledger", meterbook("ledger", "serve", *serve), directory / "ledger.log", page)
    ledger.start()
    try:
        command = [sys.executable, "-m", "bench.ingest", "--send", f"127.0.0.1:{port}"]
        command += ["--rows", str(rows), "--seconds", str(seconds), "--name"]
        senders = [subprocess.Popen([*command, f"agent-{number}"], stdout=subprocess.PIPE) for number in range(agents)]
        found = [json.loads(sender.communicate()[0]) for sender in senders]
        ended = time.perf_counter()
        lag = _caught_up(http) - ended
        assert ledger.process is not None
        status = Path(f"/proc/{ledger.process.pid}/status").read_text()
    finally:
        ledger.stop()
    peak_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return {
        "samples_per_s": sum(each["samples"] for each in found) / max(each["seconds"] for each in found),
        "p50_ms": statistics.median(each["p50_ms"] for each in found),
        "p99_ms": max(each["p99_ms"] for each in found),
        "tables_behind_s": lag,
        "peak_rss_mib": peak_kib / 1024,
    }


def _caught_up(http: int) -> float:
    """When the tables held all that the log did."""
    while True:
        text = httpx.get(f"http://127.0.0.1:{http}/metrics", trust_env=False).text
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("meterbook_ledger_"))
        if values["meterbook_ledger_log_position"] == values["meterbook_ledger_tables_position"]:
            return time.perf_counter()
        time.sleep(0.1)


def bare_log(rows: int, seconds: float, directory: Path) -> float:
    """Samples per second that the log alone makes durable."""
    chain = Chain("bare", rows)
    batch = chain.batch(1)
    payload = journal_pb2.BatchRecord(agent="bare", epoch=1, batch=batch).SerializeToString()
    log = Log(directory)
    began, count, pending = time.perf_counter(), 0, []
    while time.perf_counter() - began < seconds:
        pending.append(log.append(Kind.BATCH, payload))
        count += 1
        if len(pending) == 128:
            pending.pop(0).result()
    for future in pending:
        future.result()
    taken = time.perf_counter() - began
    log.close()
    return count * rows / taken


def main() -> None:
    """Measure, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=4)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--send", help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.send:
        send(given.send, given.name, given.rows, given.seconds)
        return
    directory = Path(tempfile.mkdtemp(prefix="meterbook-bench-"))
    try:
        found = measure(given.agents, given.rows, given.seconds, directory)
        (directory / "bare").mkdir()
        limit = bare_log(given.rows, min(given.seconds, 5), directory / "bare")
    finally:
        shutil.rmtree(directory)
    print(json.dumps({"agents": given.agents, "rows": given.rows, **found}))
    absent = "not measured: this bench feeds no remote-write receiver yet"
    report(
        "samples acknowledged durable",
        round(found["samples_per_s"]),
        "samples/s",
        goal=GOAL,
        met=found["samples_per_s"] >= GOAL,
        peers={"victoria-metrics": absent, "prometheus": absent},
        limit={"bare log": round(limit)},
    )


if __name__ == "__main__":
    main()

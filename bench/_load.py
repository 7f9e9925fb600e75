"""Agents that send sealed batches to a ledger as fast as acks allow, or at a rate.

The rows of a batch are encoded and hashed once, and only sealed anew for every sequence, so that the agents take little of
the processors that they share with the ledger. Several agents may share a process; each has a connection of its own.

    python -m bench._load ADDRESS --names a,b --rows 10000 --seconds 5 [--ca FILE] [--rate SAMPLES_PER_S]
"""

from __future__ import annotations

import argparse
import json
import queue
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pyarrow as pa

from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from meterbook.proof.leaf import batch_seal
from meterbook.wire.instants import now_us
from meterbook.wire.seal import GENESIS, section_hashes
from meterbook.wire.sections import SAMPLES, SCHEMA_VERSION, SERIES, Sections, encode, sections
from meterbook.wire.series import Series

SAMPLES_PER_SERIES = 10


def batch_of(agent: str, rows: int) -> Sections:
    """A batch of counters, ten samples of each series, fifteen seconds apart, with the series' definitions."""
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
        contents = (first, sections(samples=first.samples))
        self._encoded = [{name: encode(table) for name, table in each.tables().items()} for each in contents]
        self._hashes = [section_hashes(each) for each in contents]
        self._hash = GENESIS

    def batch(self, sequence: int) -> intake_pb2.Batch:
        """The batch of a sequence; sequences must be asked for in order."""
        which = 0 if sequence == 1 else 1
        sealed = batch_seal(self.agent, self.epoch, sequence, SCHEMA_VERSION, self._hash, self._hashes[which])
        batch = intake_pb2.Batch(sequence=sequence, previous_hash=self._hash, hash=sealed, **self._encoded[which])
        self._hash = sealed
        return batch


class Agent:
    """One agent's stream; ``batches_per_s`` of 0 is as fast as acks allow."""

    def __init__(self, name: str, rows: int, seconds: float, batches_per_s: float) -> None:
        self._chain, self._seconds, self._batches_per_s = Chain(name, rows), seconds, batches_per_s
        self._room: queue.Queue[None] = queue.Queue()
        self._sent_at: dict[int, float] = {}
        self.acked, self.began, self.last = 0, 0.0, 0.0
        self.latencies: list[float] = []

    def run(self, channel: grpc.Channel) -> None:
        """Send until the time is up and all is acknowledged. Raises RuntimeError where the ledger refuses."""
        self.began = self.last = time.perf_counter()
        for answer in intake_pb2_grpc.IntakeStub(channel).Stream(self._messages()):
            if answer.HasField("resume"):
                for _ in range(answer.resume.in_flight_max // 2):
                    self._room.put(None)
            elif answer.HasField("refusal"):
                raise RuntimeError(answer.refusal.message)
            elif answer.HasField("ack"):
                self.last = time.perf_counter()
                for sequence in range(self.acked + 1, answer.ack.sequence + 1):
                    self.latencies.append(self.last - self._sent_at.pop(sequence))
                    self._room.put(None)
                self.acked = answer.ack.sequence

    def _messages(self) -> Iterator[intake_pb2.ClientMessage]:
        chain = self._chain
        hello = intake_pb2.Hello(agent=chain.agent, epoch=chain.epoch, schema=SCHEMA_VERSION)
        yield intake_pb2.ClientMessage(hello=hello)
        sequence = 0
        while time.perf_counter() - self.began < self._seconds:
            self._room.get()
            if self._batches_per_s:
                time.sleep(max(0.0, self.began + sequence / self._batches_per_s - time.perf_counter()))
            sequence += 1
            batch = chain.batch(sequence)
            self._sent_at[sequence] = time.perf_counter()
            yield intake_pb2.ClientMessage(batch=batch)


def main() -> None:
    """Send, and print what was acknowledged, when, and how long acks took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--names", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--ca", type=Path)
    parser.add_argument("--rate", type=float, default=0.0)
    given = parser.parse_args()
    names = given.names.split(",")
    agents = [Agent(name, given.rows, given.seconds, given.rate / len(names) / given.rows) for name in names]
    credentials = given.ca and grpc.ssl_channel_credentials(given.ca.read_bytes())

    def send(agent: Agent) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", 64 << 20)]
        with (
            grpc.secure_channel(given.address, credentials, options=options)
            if credentials
            else grpc.insecure_channel(given.address, options=options)
        ) as channel:
            agent.run(channel)

    # All processes are ready before any of them begins.
    print("ready", flush=True)
    input()
    threads = [threading.Thread(target=send, args=(agent,)) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waited = sorted(latency for agent in agents for latency in agent.latencies)
    found = {
        "samples": sum(agent.acked for agent in agents) * given.rows,
        "seconds": max(agent.last for agent in agents) - min(agent.began for agent in agents),
        "p50_ms": 1e3 * statistics.median(waited),
        "p99_ms": 1e3 * waited[int(len(waited) * 0.99)],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""An agent that sends at a steady rate for as long as it is let: counters that go up, at the times at which they are sent.

It is a process of its own, ``python -m bench._steady``. Each second it prints one JSON object: the samples acknowledged
in it, and the milliseconds that each of its batches waited for the ack. It ends on SIGTERM, once all is acknowledged.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import threading
import time
from collections.abc import Iterator

import grpc
import numpy as np
import pyarrow as pa

from agent.spool.sealing import Chain, SealedBatch, seal
from bench._load import SAMPLES_PER_SERIES, batch_of
from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from meterbook.wire.instants import SECOND_US, now_us
from meterbook.wire.sections import SAMPLES, SCHEMAS, Sections, sections

_TELL_EVERY_S = 1.0


class Counters:
    """The batches of one agent: the series of bench.ingest, gone on from where the batch before left them."""

    def __init__(self, agent: str, rows: int, samples_per_s: float) -> None:
        self._first = batch_of(agent, rows)
        self.rows = self._first.samples.num_rows
        self.batch_s = self.rows / samples_per_s
        values = self._first.samples["value"].to_numpy().reshape(-1, SAMPLES_PER_SERIES)
        self._values = values
        self._ids = self._first.samples["series_id"]
        self._chain = Chain(agent, epoch=now_us())
        self._since_us = self._chain.epoch

    @property
    def epoch(self) -> int:
        """The epoch of the chain."""
        return self._chain.epoch

    def next(self) -> SealedBatch:
        """The next batch of the chain; the first defines the series."""
        number = self._chain.sequence
        # Of one batch to the next a counter goes up as far as within a batch, so that it never falls.
        values = self._values + number * self._values[:, -1:]
        offsets = np.arange(SAMPLES_PER_SERIES) * self.batch_s / SAMPLES_PER_SERIES
        times = self._since_us + (((number - 1) * self.batch_s + offsets) * SECOND_US).astype(np.int64)
        column = pa.array(np.tile(times, len(values))).cast(SAMPLES.field("time").type)
        samples = pa.table([self._ids, column, values.ravel()], schema=SAMPLES)
        content: Sections = sections(samples=samples, **({} if number else {"series": self._first.series}))
        self._chain, (batch,) = seal(self._chain, content, now_us())
        return batch


class Steady:
    """One stream that is kept at its rate, or as near to it as acks allow."""

    def __init__(self, agent: str, counters: Counters) -> None:
        self._agent, self._counters = agent, counters
        self._room: queue.Queue[None] = queue.Queue()
        self._sent_s: dict[int, float] = {}
        self.stopping = threading.Event()

    def run(self, channel: grpc.Channel) -> None:
        """Send until ``stopping`` is set and everything is acknowledged. Raises RuntimeError where the ledger refuses."""
        acked, told, told_s = 0, 0, time.perf_counter()
        waited_ms: list[float] = []
        for answer in intake_pb2_grpc.IntakeStub(channel).Stream(self._messages()):
            if answer.HasField("refusal"):
                raise RuntimeError(answer.refusal.message)
            if answer.HasField("resume"):
                for _ in range(answer.resume.in_flight_max // 2):
                    self._room.put(None)
            if not answer.HasField("ack"):
                continue
            now_s = time.perf_counter()
            for sequence in range(acked + 1, answer.ack.sequence + 1):
                waited_ms.append(1e3 * (now_s - self._sent_s.pop(sequence)))
                self._room.put(None)
            acked = answer.ack.sequence
            if now_s - told_s >= _TELL_EVERY_S:
                print(json.dumps({"samples": (acked - told) * self._counters.rows, "ack_ms": waited_ms}), flush=True)
                told, told_s, waited_ms = acked, now_s, []

    def _messages(self) -> Iterator[intake_pb2.ClientMessage]:
        hello = intake_pb2.Hello(agent=self._agent, epoch=self._counters.epoch, schema=1)
        yield intake_pb2.ClientMessage(hello=hello)
        self._room.get()
        began_s, sent = time.perf_counter(), 0
        while not self.stopping.wait(max(0.0, began_s + sent * self._counters.batch_s - time.perf_counter())):
            batch = self._counters.next()
            message = intake_pb2.Batch(
                sequence=batch.sequence,
                previous_hash=batch.previous_hash,
                hash=batch.hash,
                **{name: getattr(batch, name) for name in SCHEMAS},
            )
            sent += 1
            self._sent_s[batch.sequence] = time.perf_counter()
            yield intake_pb2.ClientMessage(batch=message)
            self._room.get()


def main() -> None:
    """Send to a ledger until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="host:port of the ledger")
    parser.add_argument("--name", required=True, help="name of the agent")
    parser.add_argument("--rows", type=int, required=True, help="samples in a batch")
    parser.add_argument("--rate", type=float, required=True, help="samples per second")
    given = parser.parse_args()
    steady = Steady(given.name, Counters(given.name, given.rows, given.rate))
    # In a thread: the main one may be inside of what the handler would want to lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def stop_when_told() -> None:
        signal.sigwait({signal.SIGTERM})
        steady.stopping.set()

    threading.Thread(target=stop_when_told, daemon=True).start()
    with grpc.insecure_channel(given.address) as channel:
        steady.run(channel)


if __name__ == "__main__":
    main()

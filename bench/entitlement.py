"""How long it takes to be told over gRPC, with TLS, whether a tenant may use a feature, while usage keeps coming.

A ledger with as many tenants, each with a subscription to one of two plans, and a day of events, most of them booked. A client in a process
of its own asks for one tenant after the other, at random: first while nothing moves, and then while another process sends events as an agent
does. The figure is of the second. How old an answer is, by what it says itself, is told beside it. Nothing in the same run does the same work
as a peer; the limit is an empty call to the same server, gRPC's own health, after each question.

    python -m bench.entitlement [--tenants 10000] [--events 1000000] [--seconds 20] [--rate 2000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import numpy as np
import pyarrow as pa
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench._figure import report
from bench._folder import folder
from bench._ledger import Ledger
from ledger.journal.journal import Journal
from ledger.journal.record import Draft, Kind
from ledger.query.applying import Applier
from meterbook.intake.v1 import intake_pb2, intake_pb2_grpc
from meterbook.ledger.v1 import admin_pb2, admin_pb2_grpc, entitlement_pb2, entitlement_pb2_grpc, journal_pb2
from meterbook.proof.leaf import agent_chain
from meterbook.wire import instants
from meterbook.wire.instants import DAY_US, now_us
from meterbook.wire.seal import GENESIS, ChainPlace, batch_hash
from meterbook.wire.sections import EVENTS, SCHEMA_VERSION, Sections, encode, sections

GOAL_MS = 10.0
_BATCH = 20_000
_BATCHES_PER_S = 5
_METERS = """\
{kind: meter, name: calls, spec: {source: {event: call}, aggregation: sum, unit: calls}}
---
{kind: meter, name: errors, spec: {source: {event: call}, aggregation: count, filter: {status: "500"}, unit: calls}}
"""
_PLANS = """
---
kind: plan
name: {name}
spec:
  currency: EUR
  features:
    - {{name: api, meter: calls, limit: {limit}, thresholds: [80, 100]}}
    - {{name: burst, meter: calls, limit: {limit}, per: day, kind: soft}}
    - {{name: errors, meter: errors, limit: 1000, kind: soft}}
    - {{name: sso}}
"""


def definitions(tenants: int) -> str:
    """Meters, two plans, and tenants that are each on one of them."""
    each = "".join(
        f"---\n{{kind: tenant, name: t{n}, spec: {{}}}}\n"
        f"---\n{{kind: subscription, name: s{n}, spec: {{tenant: t{n}, plan: p{n % 2}, start: 2026-01-01}}}}\n"
        for n in range(tenants)
    )
    plans = "".join(_PLANS.format(name=f"p{n}", limit=100_000 * (n + 1)) for n in range(2))
    return _METERS + plans + each


def events(first: int, count: int, tenants: int, since_us: int, until_us: int) -> Sections:
    """Calls of tenants, some of whom call far more than others."""
    draw = np.random.default_rng(first)
    names = pa.array([f"t{n}" for n in range(tenants)])
    who = np.where(draw.random(count) < 0.5, draw.integers(0, tenants, count), draw.zipf(1.3, count) % tenants)
    ids = pa.array(np.arange(first, first + count)).cast(pa.utf8())
    status = pa.array(['{"status":"200"}', '{"status":"500"}']).take(pa.array((draw.random(count) < 0.01).astype(int)))
    columns = {
        "origin": pa.array(["bench"]).take(pa.array(np.zeros(count, int))),
        "source": pa.array(["gateway"]).take(pa.array(np.zeros(count, int))),
        "id": ids,
        "type": pa.array(["call"]).take(pa.array(np.zeros(count, int))),
        "subject": names.take(pa.array(who)),
        "tenant": names.take(pa.array(who)),
        "time": pa.array(np.sort(draw.integers(since_us, until_us, count))).cast(EVENTS.field("time").type),
        "value": pa.array(draw.integers(1, 20, count)).cast(pa.decimal128(20, 0)).cast(EVENTS.field("value").type),
        "properties": status,
    }
    return sections(events=pa.table([columns[field.name] for field in EVENTS], schema=EVENTS))


class Chain:
    """Batches of one agent, each sealed to the one before."""

    def __init__(self, agent: str) -> None:
        self.agent, self.epoch = agent, now_us()
        self._sequence, self._hash = 0, GENESIS

    def next(self, what: Sections) -> intake_pb2.Batch:
        """The next batch."""
        self._sequence += 1
        previous, place = self._hash, ChainPlace(self.agent, self.epoch, self._sequence, self._hash)
        self._hash = batch_hash(place, what)
        encoded = {name: encode(table) for name, table in what.tables().items()}
        return intake_pb2.Batch(sequence=self._sequence, previous_hash=previous, hash=self._hash, **encoded)


def fill(root: Path, tenants: int, count: int) -> None:
    """Make a store with the definitions and a day of events."""
    journal, chain, now = Journal(root), Chain("bench-filler"), now_us()
    try:
        manifest = admin_pb2.Manifest(name="bench.yaml", text=definitions(tenants))
        Applier(journal).apply(admin_pb2.ApplyRequest(author="bench", manifests=[manifest]))
        for first in range(0, count, _BATCH):
            size = min(_BATCH, count - first)
            since_us = now - DAY_US + DAY_US * first // count
            batch = chain.next(events(first, size, tenants, since_us, since_us + DAY_US * size // count))
            record = journal_pb2.BatchRecord(agent=chain.agent, epoch=chain.epoch, batch=batch).SerializeToString()
            name = agent_chain(chain.agent, chain.epoch)
            journal.append(Draft(Kind.BATCH, name, batch.sequence, batch.previous_hash, batch.hash, record)).result()
        journal.view()
    finally:
        journal.close()


def send(address: str, ca_file: Path, tenants: int, seconds: float, rate: int) -> None:
    """Send events of now, as an agent does, once somebody says so."""
    input()
    chain, size = Chain("bench-sender"), max(1, rate // _BATCHES_PER_S)

    def messages() -> object:
        yield intake_pb2.ClientMessage(
            hello=intake_pb2.Hello(agent=chain.agent, epoch=chain.epoch, schema=SCHEMA_VERSION)
        )
        began_s, first = time.perf_counter(), 1 << 40
        for number in range(int(seconds * _BATCHES_PER_S)):
            time.sleep(max(0.0, began_s + number / _BATCHES_PER_S - time.perf_counter()))
            now = now_us()
            yield intake_pb2.ClientMessage(batch=chain.next(events(first, size, tenants, now - 1_000_000, now)))
            first += size

    with channel(address, ca_file) as opened:
        for answer in intake_pb2_grpc.IntakeStub(opened).Stream(messages()):
            if answer.HasField("refusal"):
                raise RuntimeError(answer.refusal.message)


def channel(address: str, ca_file: Path) -> grpc.Channel:
    """A connection over TLS."""
    return grpc.secure_channel(
        address, grpc.ssl_channel_credentials(ca_file.read_bytes()), [("grpc.max_send_message_length", 64 << 20)]
    )


def asked(opened: grpc.Channel, tenants: int, seconds: float) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of one question after the other, and of an empty call after each; and seconds by which the answers were old."""
    stub, health = entitlement_pb2_grpc.EntitlementsStub(opened), health_pb2_grpc.HealthStub(opened)
    draw, ages = np.random.default_rng(7), list[float]()

    def ask() -> None:
        request = entitlement_pb2.CheckEntitlementRequest(
            tenant=f"t{draw.integers(0, tenants)}", feature="api", quantity="1"
        )
        found = stub.Check(request)
        assert found.entitlement.allowed or found.entitlement.reason
        ages.append((instants.parse(found.at) - instants.parse(found.counted_until)) / 1e6)

    found, empty, until_s = [], [], time.perf_counter() + seconds
    while time.perf_counter() < until_s:
        found.append(timed(ask))
        empty.append(timed(lambda: health.Check(health_pb2.HealthCheckRequest())))
    return sorted(found), sorted(empty), sorted(ages)


def timed(ask: Callable[[], object]) -> float:
    """Milliseconds of a call."""
    began_s = time.perf_counter()
    ask()
    return 1e3 * (time.perf_counter() - began_s)


def at(share: float, found: Sequence[float]) -> float:
    """A quantile of what is sorted."""
    return found[min(len(found) - 1, int(len(found) * share))]


def measure(directory: Path, tenants: int, count: int, seconds: float, rate: int) -> None:
    """Fill, serve, ask, and print the figure."""
    began_s = time.perf_counter()
    fill(directory / "book", tenants, count)
    print(json.dumps({"filled_s": round(time.perf_counter() - began_s, 1)}), flush=True)
    ledger = Ledger(directory)
    ledger.start()
    arguments = ["--send", ledger.address, "--ca", str(ledger.ca_file), "--tenants", str(tenants)]
    arguments += ["--seconds", str(seconds), "--rate", str(rate)]
    # Before there is a connection, which would not outlive a fork.
    command = [sys.executable, "-m", "bench.entitlement", *arguments]
    sender = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    try:
        with channel(ledger.address, ledger.ca_file) as opened:
            first = entitlement_pb2.CheckEntitlementRequest(tenant="t0", feature="api")
            began_s = time.perf_counter()
            entitlement_pb2_grpc.EntitlementsStub(opened).Check(first)
            first_s = time.perf_counter() - began_s
            booked = admin_pb2_grpc.AdminStub(opened).Book(admin_pb2.BookRequest()).position
            first.at_least = booked
            entitlement_pb2_grpc.EntitlementsStub(opened).Check(first)
            still, idle, _ = asked(opened, tenants, seconds)
            assert sender.stdin is not None
            sender.stdin.write("\n")
            sender.stdin.flush()
            time.sleep(2)
            moving, empty, ages = asked(opened, tenants, seconds - 2)
            if sender.wait():
                raise RuntimeError("the sender failed")
    finally:
        sender.kill()
        ledger.stop()
    told = {
        "first_answer_s": round(first_s, 2),
        "at_rest": {"asked": len(still), "p50_ms": at(0.5, still), "p99_ms": at(0.99, still), "max_ms": still[-1]},
        "moving": {"asked": len(moving), "p50_ms": at(0.5, moving), "p99_ms": at(0.99, moving), "max_ms": moving[-1]},
        "old_s": {"p50": at(0.5, ages), "p99": at(0.99, ages), "max": ages[-1]},
        "events_per_s": rate,
    }
    print(json.dumps(told), flush=True)
    p99 = at(0.99, moving)
    report(
        f"entitlement check over gRPC while usage comes, p99, {tenants} tenants, {count} events",
        p99,
        "ms",
        goal=GOAL_MS,
        met=p99 < GOAL_MS,
        peers={},
        limit={"empty call, p99, ms": at(0.99, empty), "empty call at rest, p99, ms": at(0.99, idle)},
    )


def main() -> None:
    """Measure, or send."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--send", default="")
    parser.add_argument("--ca", type=Path)
    given = parser.parse_args()
    if given.send:
        send(given.send, given.ca, given.tenants, given.seconds, given.rate)
        return
    with folder() as directory:
        measure(directory, given.tenants, given.events, given.seconds, given.rate)


if __name__ == "__main__":
    main()

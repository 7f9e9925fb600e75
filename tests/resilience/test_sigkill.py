"""A hundred SIGKILLs of the agent, the ledger or both, while everything that they read counts on.

In the end the book says what the sources counted, to the unit. Only of a program that restarted nobody can know what it
counted after it was last looked at: there the book has, run by run, what the polls that its coverage tells of have seen.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from meterbook.wire import instants
from tests.e2e.spine import meter
from tests.fakes.cluster import truth
from tests.fakes.cluster.clock import SECOND, Clock, seconds
from tests.fakes.cluster.cluster import READER, SimulatedCluster
from tests.fakes.cluster.loads import Load, Profile, Resources, steady_load
from tests.fakes.cluster.pods import Pod
from tests.fakes.cluster.world import World, container
from tests.fakes.http_target import fake_target
from tests.kill.customer import Customer
from tests.kill.programs import Failed, Meterbook
from tests.kill.tally import EVENT_TYPE, EVENTS, VALUES, WORK, Tally
from tests.kill.tally import METRIC as TALLIED
from tests.resilience import book
from tests.resilience.exporters import METRIC, TENANT, Exporter, exporter
from tests.resilience.stage import INTERVAL_S, RULES, Stage, Usage

pytestmark = [pytest.mark.resilience, pytest.mark.timeout(1_200)]

KILLS = 100
#: Seconds that programs have until the next kill, and how often: some are hit while they start, some while they work.
PAUSES_S = {(0.0, 0.7): 4, (0.7, 1.3): 5, (1.3, 2.5): 1}
VICTIMS = {("agent",): 7, ("ledger",): 2, ("agent", "ledger"): 1}
DOWN_S_MAX = 0.2
RESTARTS = 10
#: The pods' load ends, and the last job with it, so long after the beginning.
CLUSTER_S = 60
PODS = "prod"


def _meters() -> Iterator[dict[str, Any]]:
    yield meter(EVENTS, "count", event=EVENT_TYPE)
    yield meter(VALUES, "sum", event=EVENT_TYPE)
    yield meter(WORK, "increase", metric=TALLIED)
    for job in ("steady", "restarting"):
        made = meter(job, "increase", metric=METRIC)
        made["spec"] |= {"filter": {"job": [job]}, "group_by": ["run"]}
        yield made
    asked = meter("asked", "increase", metric="container_resource_request_seconds_total")
    asked["spec"]["filter"] = {"resource": ["cpu"]}
    yield asked
    yield meter("cpu", "increase", metric="pod_cpu_usage_seconds_total")


@dataclass
class Scene:
    """Everything that is read, and who reads it."""

    stage: Stage
    steady: Exporter
    restarting: Exporter
    tally: Tally
    customer: Customer
    jobs: list[Pod]
    cpu_s: Decimal

    @property
    def sources(self) -> list[str]:
        """Those whose own count is held against the book."""
        found = [
            f"prometheus/{job}/{each.address}"
            for job, each in (("steady", self.steady), ("restarting", self.restarting))
        ]
        return [*found, "logfile/customer", self._plain]

    _plain: str = ""

    def truth(self) -> Usage:
        """What the book has to say, but for what nobody can know."""
        asked = truth.of_pods(self.jobs, 0, instants.now_us(), told_seconds=True).request_cpu_s
        found = dict(self.tally.expected())
        return found | {
            ("steady", TENANT): self.steady.total,
            ("asked", "jobs"): Decimal(str(round(asked, 9))),
            ("cpu", "pods"): self.cpu_s,
        }


def _pods(world: World, begun_us: int, random: Random) -> tuple[list[Pod], Decimal]:
    """Jobs that come and go, and pods that work for a while and then idle: the jobs, and the CPU seconds of the others."""
    for name in ("jobs", "pods"):
        world.namespace(name, labels={"tenant": name})
    node = world.node("node-a")
    jobs = []
    for number in range(8):
        runs_us = seconds(random.uniform(2, 15))
        begins_us = begun_us + seconds(random.uniform(5, CLUSTER_S - 20))
        asks = Resources(random.randrange(50, 500, 50), 64 << 20)
        works = [container(load=steady_load(100, 32 << 20), requests=asks, runs_us=runs_us)]
        jobs.append(world.pod("jobs", f"job-{number}", node, works, at_us=begins_us, restart_policy="Never"))
    busy_us, rates = seconds(CLUSTER_S - 10), (300, 700)
    for number, rate in enumerate(rates):
        works = [container(load=Load(cpu_millicores=Profile(((0, rate), (busy_us, 0)))))]
        world.pod("pods", f"web-{number}", node, works, at_us=begun_us + 5 * SECOND)
    return jobs, Decimal(sum(rates) * busy_us) / 1_000 / SECOND


@contextmanager
def scene(directory: Path, seed: int) -> Iterator[Scene]:
    """All of it, read once, and at work."""
    with ExitStack() as opened:
        steady, restarting = (
            opened.enter_context(exporter(Random(f"{seed}/{name}"))) for name in ("steady", "restarting")
        )
        tally, log = Tally(), directory / "customer" / "usage.log"
        log.parent.mkdir()
        customer = Customer("customer", log, tally, Random(f"{seed}/customer"), deque(maxlen=5_000))
        target = opened.enter_context(fake_target())
        target.answer = lambda handler: tally.serve("customer", handler)
        begun_us = time.time_ns() // 1_000
        world = World(Clock(begun_us - 60 * SECOND))
        jobs, cpu_s = _pods(world, begun_us + 10 * SECOND, Random(f"{seed}/pods"))
        cluster = opened.enter_context(SimulatedCluster(world, directory / "cluster"))
        cluster.api.allow(READER)
        cluster.run_to(begun_us)
        cluster.follow()
        often = {"interval_s": INTERVAL_S, "timeout_s": 0.2}
        sources: list[dict[str, Any]] = [
            {"kind": "prometheus", "job": "steady", "targets": [steady.address]} | often,
            {"kind": "prometheus", "job": "restarting", "targets": [restarting.address]} | often,
            {"kind": "prometheus", "job": "customer", "targets": [target.address]} | often,
            {"kind": "logfile", "name": "logfile/customer", "path": str(log)} | often,
            {
                "kind": "kubernetes",
                "cluster": PODS,
                "interval_s": 1,
                "timeout_s": 0.8,
                "status_lag_s": 3,
                "api": {"kubeconfig": str(cluster.api.kubeconfig)},
            },
        ]
        rules = [*RULES, {"from": "tag:namespace.label.tenant"}]
        stage = opened.enter_context(Stage(directory, sources, rules=rules))
        made = Scene(stage, steady, restarting, tally, customer, jobs, cpu_s, f"prometheus/customer/{target.address}")
        stage.start(*_meters())
        stage.drain(*made.sources, f"kubernetes/{PODS}", f"kubernetes/{PODS}/node-a")
        for each in (steady, restarting):
            each.restart()
            each.begin()
        customer.start()
        opened.callback(customer.stop)
        yield made


def kill_at_random(programs: dict[str, Meterbook], random: Random, restarting: Exporter) -> None:
    """Kill and start again, a hundred times. Raises Failed where one ended by itself."""
    restarts = set(random.sample(range(KILLS), RESTARTS))
    for number in range(KILLS):
        shortest_s, longest_s = random.choices(list(PAUSES_S), list(PAUSES_S.values()))[0]
        time.sleep(random.uniform(shortest_s, longest_s))
        victims = random.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        for name in victims:
            if not programs[name].is_running:
                raise Failed(f"{name} ended by itself; its log ends with:\n{programs[name].last_words()}")
            programs[name].kill()
        if number in restarts:
            restarting.restart()
        time.sleep(random.uniform(0, DOWN_S_MAX))
        for name in victims:
            programs[name].start()


def runs(stage: Stage, name: str) -> dict[int, int]:
    """What the book has of each run of an exporter."""
    rows = [row for row in stage.ask("usage")["rows"] if row["meter"] == name]
    return {int(_dimensions(row)["run"]): int(Decimal(row["quantity"])) for row in rows}


def _dimensions(row: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = row["dimensions"] if isinstance(row["dimensions"], dict) else json.loads(row["dimensions"])
    return found


def test_killed_a_hundred_times(tmp_path: Path) -> None:
    seed = int(os.environ.get("RESILIENCE_SEED", "192"))
    print(f"RESILIENCE_SEED={seed}")
    with scene(tmp_path, seed) as on:
        stage = on.stage
        kill_at_random({"agent": stage.agent, "ledger": stage.ledger}, Random(f"{seed}/kills"), on.restarting)
        for each in (on.steady, on.restarting, on.customer):
            each.stop()
        for program in (stage.ledger, stage.agent):
            stage.wait_for_work(program)
        stage.drain(*on.sources)
        assert on.tally.events > 100
        assert stage.settled_usage(on.truth, more={"restarting", "asked", "cpu"}) == on.truth()
        stage.tell("verify", "--ledger", f"127.0.0.1:{stage.port}")

        held = book.batches(stage.book, tmp_path / "copy")
        book.check_order(held)
        # A kubelet goes on showing what it measured some seconds ago: that may be read twice, and has one time.
        book.check_samples_once(held, *on.sources)
        told = book.coverage(held)
        for source in told:
            if not source.startswith("agent/"):
                book.check_tiled(told[source])
        polls = {source: [each.end_us for each in told[source] if each.status == "complete"] for source in on.sources}
        restarted = f"prometheus/restarting/{on.restarting.address}"
        seen = on.restarting.seen(polls[restarted])
        assert len(on.restarting.runs) == RESTARTS + 2
        assert runs(stage, "restarting") == seen
        assert runs(stage, "restarting")[on.restarting.runs[-1].number] == on.restarting.runs[-1].count
        # A log is read on from where it was left; now and then it is not there for a moment, as its program rotates it.
        for record in told["logfile/customer"]:
            assert record.status == "complete" or "does not exist" in record.reason, record
        reasons = {each.reason for each in told[restarted] if each.status == "partial"}
        assert "agent was not running" in reasons

"""From a cluster to the book: who used what, though the agent was killed meanwhile, and a job that nobody polled in time."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.spine import Spine, eventually, meter
from tests.fakes.cluster import truth
from tests.fakes.cluster.clock import SECOND, Clock, seconds
from tests.fakes.cluster.cluster import READER, SimulatedCluster
from tests.fakes.cluster.loads import Resources, steady_load
from tests.fakes.cluster.world import World, container

RULES = [
    {"from": "tag:namespace.label.tenant"},
    {"from": "attribute:namespace", "match": "kube-.*", "tenant": "@shared"},
]


def source(kubeconfig: Path, **api: Any) -> dict[str, Any]:
    """A cluster that is read every second."""
    return {
        "kind": "kubernetes",
        "cluster": "prod",
        "interval_s": 1,
        "timeout_s": 0.8,
        "status_lag_s": 3,
        "api": {"kubeconfig": str(kubeconfig), **api},
    }


def asked_cpu() -> dict[str, Any]:
    """The meter ``asked``: core-seconds that pods asked for."""
    asked = meter("asked", "increase", metric="container_resource_request_seconds_total")
    asked["spec"]["filter"] = {"resource": ["cpu"]}
    return asked


def used_cpu() -> dict[str, Any]:
    """The meter ``cpu``: core-seconds that pods used."""
    return meter("cpu", "increase", metric="pod_cpu_usage_seconds_total")


@pytest.mark.slow
def test_a_cluster_in_the_book(tmp_path: Path) -> None:
    begun_us = time.time_ns() // 1_000
    world = World(Clock(begun_us - 60 * SECOND))
    for name, labels in (("shop", {"tenant": "acme"}), ("batch", {"tenant": "globex"}), ("kube-system", {})):
        world.namespace(name, labels=labels)
    node = world.node("node-a")
    small = Resources(250, 64 << 20)
    for name in ("shop", "kube-system"):
        world.pod(name, "web-0", node, [container(load=steady_load(300, 64 << 20), requests=small)])
    job = [container(load=steady_load(700, 48 << 20), requests=small, runs_us=seconds(4))]
    short = world.pod("batch", "job-0", node, job, at_us=begun_us + 12 * SECOND, restart_policy="Never")
    with SimulatedCluster(world, tmp_path / "cluster") as cluster:
        cluster.api.allow(READER)
        cluster.run_to(begun_us)
        cluster.follow()
        spine = Spine(tmp_path, [source(cluster.api.kubeconfig)], RULES)
        try:
            spine.ledger.start()
            spine.apply(asked_cpu(), used_cpu())
            spine.agent.start()
            assert eventually(lambda: ("asked", "acme") in spine.usage()), spine.usage()
            spine.agent.kill()
            spine.agent.start()
            told = truth.of_pod(short, 0, begun_us + 3_600 * SECOND, told_seconds=True)
            expected = Decimal(str(told.request_cpu_s))
            assert eventually(lambda: Decimal(spine.usage().get(("asked", "globex"), "0")) == expected), (
                spine.usage(),
                expected,
            )
            usage = spine.usage()
            assert usage.keys() >= {("cpu", "acme"), ("cpu", "@shared"), ("asked", "@shared")}
            assert {tenant for _, tenant in usage} <= {"acme", "globex", "@shared", "@unassigned"}
            sources = {row["source"] for row in spine.ask("coverage")["rows"]}
            assert sources >= {"kubernetes/prod", "kubernetes/prod/node-a", "kubernetes/prod/node-a/pods"}
        finally:
            spine.stop()

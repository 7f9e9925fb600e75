"""What reading the nodes of a cluster takes an agent: simulated kubelets, thirty pods each, read over HTTPS as real ones are."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from bench._procfs import family_cpu_s, family_rss_mib
from tests.e2e.spine import Spine
from tests.fakes.cluster.clock import SECOND, Clock
from tests.fakes.cluster.cluster import READER, SimulatedCluster
from tests.fakes.cluster.loads import Resources, steady_load
from tests.fakes.cluster.world import World, container

PODS = 30
_INTERVAL_S = 5
_WARM_S = 15.0
_PREFIX = "meterbook_agent_"


def read_nodes(directory: Path, nodes: int, seconds: float) -> tuple[float, float, float]:
    """Samples of a node, CPU-seconds of the agent for reading it once, and the agent's memory in MiB."""
    begun_us = time.time_ns() // 1_000
    world = World(Clock(begun_us - 60 * SECOND))
    world.namespace("shop", labels={"tenant": "acme"})
    for number in range(nodes):
        node = world.node(f"node-{number}")
        for pod in range(PODS):
            made = container(load=steady_load(300, 64 << 20), requests=Resources(250, 64 << 20))
            world.pod("shop", f"web-{number}-{pod}", node, [made])
    with SimulatedCluster(world, directory / "cluster") as cluster:
        cluster.api.allow(READER)
        cluster.run_to(begun_us)
        cluster.follow()
        source = {"kind": "kubernetes", "cluster": "bench", "interval_s": _INTERVAL_S, "timeout_s": _INTERVAL_S - 1}
        source["api"] = {"kubeconfig": str(cluster.api.kubeconfig)}
        spine = Spine(directory, [source], [{"from": "tag:namespace.label.tenant"}])
        try:
            spine.ledger.start()
            spine.agent.start()
            assert spine.agent.process is not None
            pid, page = spine.agent.process.pid, spine.agent.page.replace("healthz", "metrics")
            time.sleep(_WARM_S)
            before, before_cpu_s = _read(page), family_cpu_s(pid)
            time.sleep(seconds)
            after, spent_s = _read(page), family_cpu_s(pid) - before_cpu_s
            reads = after[1] - before[1]
            return (after[0] - before[0]) / reads, spent_s / reads, family_rss_mib(pid)
        finally:
            spine.stop()


def _read(page: str) -> tuple[float, float]:
    """Samples so far, and how often a node was read to the end."""
    samples = reads = 0.0
    for line in httpx.get(page, trust_env=False).text.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith(f"{_PREFIX}samples_total"):
            samples += float(value)
        elif name.startswith(f"{_PREFIX}collections_total") and "/node-" in name and 'status="complete"' in name:
            reads += 0.0 if '/pods"' in name else float(value)
    return samples, reads

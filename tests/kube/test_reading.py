"""The agent reads a cluster whose API server is real, with its service account's token, and goes on when that server is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.e2e.spine import Spine, eventually
from tests.e2e.test_kubernetes import RULES, asked_cpu, source, used_cpu
from tests.fakes.cluster import truth
from tests.fakes.cluster.clock import SECOND, Clock, seconds
from tests.fakes.cluster.kubelet import Kubelets
from tests.fakes.cluster.loads import Resources, steady_load
from tests.fakes.cluster.sync import Sync
from tests.fakes.cluster.world import World, container
from tests.helm.charts import ci, of_kind
from tests.kube.assets import needs_control_plane
from tests.kube.controlplane import ControlPlane
from tests.kube.realapi import RealApi
from tests.kube.releases import installed

pytestmark = needs_control_plane

SMALL = Resources(250, 64 << 20)
#: Namespaces that no other test makes on the same control plane.
WEB, BATCH = "survivor-web", "survivor-batch"


@contextmanager
def shown(world: World, plane: ControlPlane, folder: Path) -> Iterator[Kubelets]:
    """A world whose objects come into the API server as time passes, and whose kubelets ask it who may read them."""
    api = RealApi(plane.api, world)
    over = threading.Event()
    kubelets = Kubelets(world, api, folder)
    sync = Sync(world, api)

    def follow() -> None:
        while not over.wait(0.05):
            kubelets.apply()
            sync.sync()

    with closing(api), kubelets, ThreadPoolExecutor(1) as pool:
        kubelets.apply()
        sync.sync()
        world.clock.follow()
        follower = pool.submit(follow)
        try:
            yield kubelets
        finally:
            over.set()
            follower.result()


def job(world: World, name: str, after_s: float) -> Any:
    """A job of four seconds that begins after some time."""
    load = [container(load=steady_load(700, 48 << 20), requests=SMALL, runs_us=seconds(4))]
    at_us = world.clock.now_us() + seconds(after_s)
    return world.pod(BATCH, name, world.nodes["node-a"], load, at_us=at_us, restart_policy="Never")


def test_watches_go_on_when_the_api_server_is_killed(plane: ControlPlane, tmp_path: Path) -> None:
    world = World(Clock(time.time_ns() // 1_000))
    for name, labels in ((WEB, {"tenant": "acme"}), (BATCH, {"tenant": "globex"})):
        world.namespace(name, labels=labels)
    node = world.node("node-a")
    world.pod(WEB, "web-0", node, [container(load=steady_load(300, 64 << 20), requests=SMALL)])
    before = job(world, "before", 12)
    with installed(plane, "agent", ci("agent", "kubernetes"), "survivor") as release:
        (account,) = (each["metadata"]["name"] for each in of_kind(release.objects(), "ServiceAccount"))
        config = plane.account(release.namespace, account)
        with shown(world, plane, tmp_path / "kubelets") as kubelets:
            spine = Spine(tmp_path, [source(config, backoff_s_max=1)], RULES)
            try:
                spine.ledger.start()
                spine.apply(asked_cpu(), used_cpu())
                spine.agent.start()
                assert eventually(lambda: ("cpu", "acme") in spine.usage()), spine.usage()
                assert booked(spine, before) == requested(before)
                plane.api.kill()
                after = job(world, "after", 2)
                time.sleep(3)
                plane.api.start()
                assert booked(spine, before, after) == requested(before, after)
                assert spine.agent.process is not None and spine.agent.process.poll() is None
            finally:
                spine.stop()
            assert kubelets.forbidden_requests == []
            assert {each.status for each in kubelets.requests} <= {200}


def requested(*jobs: Any) -> Decimal:
    """Core-seconds that jobs asked for, by the seconds that the API server tells."""
    far_us = time.time_ns() // 1_000 + 3_600 * SECOND
    told = (truth.of_pod(each, 0, far_us, told_seconds=True).request_cpu_s for each in jobs)
    return sum((Decimal(str(each)) for each in told), Decimal(0))


def booked(spine: Spine, *jobs: Any) -> Decimal:
    """What the book says of that, once it is as much."""

    def now() -> Decimal:
        return Decimal(spine.usage().get(("asked", "globex"), "0"))

    eventually(lambda: now() >= requested(*jobs))
    return now()

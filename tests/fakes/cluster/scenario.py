"""Histories with a name: each shows one thing that meters of clusters get wrong.

A scenario is a world with its history written to the end; ``ends_us`` is by when everything in it is over, or has settled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.fakes.cluster import events
from tests.fakes.cluster.clock import MINUTE, SECOND, Clock, seconds
from tests.fakes.cluster.loads import Load, Profile, Resources, steady, steady_load
from tests.fakes.cluster.places import Node
from tests.fakes.cluster.pods import Pod
from tests.fakes.cluster.world import World, container, traffic

MIB = 1 << 20
SMALL = Resources(cpu_millicores=250, memory_bytes=256 * MIB)


@dataclass(frozen=True)
class Scenario:
    """A world, and the instants between which it happens."""

    world: World
    begins_us: int
    ends_us: int

    @property
    def pods(self) -> list[Pod]:
        return self.world.pods


def wave(millicores: int, period_s: int = 60, *, count: int = 60) -> Load:
    """Busy and idle by turns: what an average over the busy times gets wrong."""
    turns = [(seconds(number * period_s / 2), millicores if number % 2 == 0 else 0) for number in range(2 * count)]
    steps = tuple(turns)
    files = tuple((offset, rate * 1_000) for offset, rate in steps)
    return Load(Profile(steps), steady(64 * MIB), Profile(files), Profile(files), steady(10 * MIB))


def _world(seed: int, start_us: int | None) -> World:
    return World(Clock() if start_us is None else Clock(start_us), seed=seed)


def _pair(world: World, **shape: Any) -> tuple[Node, Node]:
    world.namespace("shop", labels={"tenant": "acme"})
    in_cloud: dict[str, Any] = {"provider_id": "aws:///eu-central-1a/i-0a1b2c3d4e5f60718"}
    bare_metal: dict[str, Any] = {"cgroup": 1, "cgroup_driver": "cgroupfs"}
    return world.node("node-a", **in_cloud | shape), world.node("node-b", **bare_metal | shape)


def short_jobs(
    life_s: float, period_s: float, count: int, *, seed: int = 0, start_us: int | None = None, **shape: Any
) -> Scenario:
    """Jobs of a CronJob, one after another, whose object is deleted a minute after each ended. ``shape`` is the nodes'."""
    world = _world(seed, start_us)
    begins_us = world.clock.now_us()
    nodes = _pair(world, **shape)
    cron = world.owner("CronJob", "shop", "report")
    end_us = begins_us
    for number in range(count):
        at_us = begins_us + seconds(1 + number * period_s) + world.random.randrange(SECOND)
        name = f"report-{number:05d}"
        job = world.owner("Job", "shop", name, parent=cron, at_us=at_us)
        load = steady_load(700, 48 * MIB, 100_000, 50_000)
        pod = world.pod(
            "shop",
            f"{name}-x{number:04d}",
            nodes[number % 2],
            [container(load=load, requests=SMALL, runs_us=seconds(life_s))],
            at_us=at_us,
            labels={"job-name": name},
            owner=job,
            restart_policy="Never",
            overhead=steady_load(5, MIB),
            traffic=traffic(20_000, 10_000),
        )
        events.delete(world, pod, pod.ended_us + MINUTE)
        job.gone_us = end_us = pod.gone_us
    return Scenario(world, begins_us, end_us)


def restarts(count: int = 5, *, seed: int = 0, start_us: int | None = None) -> Scenario:
    """A container that starts again and again while its neighbour runs on, an OOM kill, and a crash loop."""
    world = _world(seed, start_us)
    begins_us = world.clock.now_us()
    node, other = _pair(world)
    pod = world.pod(
        "shop",
        "web-0",
        node,
        [container(load=wave(900), requests=SMALL), container("log", steady_load(20, 16 * MIB, 10, 20))],
        traffic=traffic(1_000_000, 3_000_000),
        overhead=steady_load(3, MIB),
    )
    at_us = begins_us
    for number in range(count):
        at_us += seconds(37) + world.random.randrange(SECOND)
        load = steady_load(300 + 100 * number, 64 * MIB, 5_000, 7_000)
        events.restart(world, pod, "app", at_us, after_us=seconds(1.5), load=load)
    events.out_of_memory(world, pod, "app", at_us + MINUTE)
    crashing = world.pod("shop", "cart-0", other, [container(load=steady_load(1_500, 32 * MIB), requests=SMALL)])
    events.crash_loop(world, crashing, "app", begins_us + seconds(20), runs_us=seconds(7), times=count)
    return Scenario(world, begins_us, at_us + 20 * MINUTE)


def evictions(count: int = 4, *, seed: int = 0, start_us: int | None = None) -> Scenario:
    """Pods of a ReplicaSet are evicted, stay as failed objects, and are replaced on the other node."""
    world = _world(seed, start_us)
    begins_us = world.clock.now_us()
    nodes = _pair(world)
    deployment = world.owner("Deployment", "shop", "web")
    replicas = world.owner("ReplicaSet", "shop", "web-6d4cf56db6", parent=deployment)
    at_us = begins_us + SECOND
    for number in range(count):
        pod = world.pod(
            "shop",
            f"web-6d4cf56db6-{number:05d}",
            nodes[number % 2],
            [container(load=wave(400), requests=SMALL)],
            at_us=at_us,
            owner=replicas,
            traffic=traffic(5_000, 5_000),
        )
        at_us += seconds(95) + world.random.randrange(5 * SECOND)
        events.evict(world, pod, at_us)
        events.delete(world, pod, at_us + 5 * MINUTE)
    return Scenario(world, begins_us, at_us + 6 * MINUTE)


def node_loss(*, seed: int = 0, start_us: int | None = None) -> Scenario:
    """One node falls silent for 3 minutes and comes back, then reboots; the other one is lost for ever with its pods."""
    world = _world(seed, start_us)
    begins_us = world.clock.now_us()
    kept, lost = _pair(world)
    for number in range(4):
        name = f"web-{number}"
        node = lost if number % 2 else kept
        made = [container(load=wave(500), requests=SMALL)]
        world.pod("shop", name, node, made, traffic=traffic(100_000, 1_000), overhead=steady_load(2, MIB))
    events.silence(world, kept, begins_us + 2 * MINUTE, begins_us + 5 * MINUTE)
    events.lose(world, lost, begins_us + seconds(250.5))
    moved = [container(load=wave(500), requests=SMALL)]
    world.pod("shop", "web-1-again", kept, moved, at_us=begins_us + 8 * MINUTE)
    events.reboot(world, kept, begins_us + 12 * MINUTE + 345_678)
    return Scenario(world, begins_us, begins_us + 20 * MINUTE)


def renamed_namespaces(*, seed: int = 0, start_us: int | None = None) -> Scenario:
    """A namespace is deleted and made anew for another tenant, with a pod of the same name; labels change meanwhile."""
    world = _world(seed, start_us)
    begins_us = world.clock.now_us()
    node, _ = _pair(world)
    first = world.namespace("team", labels={"tenant": "acme"})
    sets = world.owner("StatefulSet", "team", "db")
    pod = world.pod("team", "db-0", node, [container(load=wave(600), requests=SMALL)], owner=sets)
    events.relabel(world, pod, begins_us + 2 * MINUTE, tier="gold")
    first.labels.set(begins_us + 3 * MINUTE, {"kubernetes.io/metadata.name": "team", "tenant": "acme-gmbh"})
    free_us = events.delete_namespace(world, first, begins_us + 5 * MINUTE)
    world.namespace("team", labels={"tenant": "globex"}, at_us=free_us + SECOND)
    again = world.owner("StatefulSet", "team", "db", at_us=free_us + SECOND)
    made = [container(load=steady_load(350, 64 * MIB), requests=SMALL)]
    world.pod("team", "db-0", node, made, at_us=free_us + 2 * SECOND, owner=again)
    return Scenario(world, begins_us, free_us + 5 * MINUTE)


def init_and_ephemeral(*, seed: int = 0, start_us: int | None = None) -> Scenario:
    """Two init containers, a native sidecar, an ephemeral container that ends, a resize in place, a claim and a GPU."""
    world = _world(seed, start_us)
    begins_us = world.clock.now_us()
    node, other = _pair(world, gpus=2)
    claim = world.claim("shop", "data-web-0")
    pod = world.pod(
        "shop",
        "web-0",
        node,
        [
            container("fetch", steady_load(1_000, 32 * MIB, 0, 4_000_000), role="init", runs_us=seconds(12.25)),
            container("mesh", steady_load(30, 24 * MIB), role="sidecar", requests=Resources(50, 32 * MIB)),
            container("migrate", steady_load(2_000, 96 * MIB), role="init", runs_us=seconds(3.5), requests=SMALL),
            container(
                load=wave(800),
                requests=Resources(500, 512 * MIB, ephemeral_bytes=1 << 30, gpus=1),
                limits=Resources(2_000, 1 << 30, gpus=1),
            ),
        ],
        claims=[claim],
        traffic=traffic(40_000, 80_000),
    )
    events.debug(
        world,
        pod,
        container("debugger", steady_load(400, 8 * MIB), role="ephemeral", runs_us=seconds(45)),
        begins_us + MINUTE,
    )
    events.resize(world, pod, "app", begins_us + 3 * MINUTE, Resources(750, 512 * MIB, ephemeral_bytes=1 << 30, gpus=1))
    slow = container("warm-up", steady_load(200, MIB), role="init", runs_us=seconds(90))
    world.pod("shop", "web-1", other, [slow, container(load=wave(100), requests=SMALL)], host_network=True)
    return Scenario(world, begins_us, begins_us + 8 * MINUTE)


def mirror_pods(*, seed: int = 0, start_us: int | None = None) -> Scenario:
    """Static pods: the kubelet calls them by the hash of their manifest, the API server by the UID of the mirror pod."""
    world = _world(seed, start_us)
    begins_us = world.clock.now_us()
    world.namespace("kube-system")
    for node in _pair(world):
        for name in ("etcd", "kube-apiserver"):
            config_hash = f"{world.random.getrandbits(128):032x}"
            made = [container(name, wave(150), requests=SMALL)]
            pod = world.pod(
                "kube-system", f"{name}-{node.name}", node, made, host_network=True, config_hash=config_hash
            )
            events.restart(world, pod, name, begins_us + 2 * MINUTE + world.random.randrange(SECOND))
    return Scenario(world, begins_us, begins_us + 6 * MINUTE)


def large(nodes: int = 100, pods_per_node: int = 50, *, seed: int = 0, start_us: int | None = None) -> Scenario:
    """Many nodes full of pods that run for an hour, one in ten of which restarts once."""
    world = _world(seed, start_us)
    begins_us = world.clock.now_us()
    spaces = [f"team-{number:02d}" for number in range(20)]
    for number, name in enumerate(spaces):
        world.namespace(name, labels={"tenant": f"tenant-{number // 2}"})
    for number in range(nodes):
        node = world.node(
            f"node-{number:03d}", cpu_millicores=32_000, provider_id=f"aws:///eu-central-1a/i-{number:017x}"
        )
        for turn in range(pods_per_node):
            space = spaces[(number + turn) % len(spaces)]
            load = steady_load(50 + 7 * turn, (20 + turn) * MIB, 100 * turn, 300 * turn)
            pod = world.pod(
                space,
                f"web-{number:03d}-{turn:03d}",
                node,
                [container(load=load, requests=SMALL)],
                traffic=traffic(1_000, 2_000),
            )
            if world.random.random() < 0.1:
                events.restart(world, pod, "app", begins_us + MINUTE + world.random.randrange(50 * MINUTE))
    return Scenario(world, begins_us, begins_us + 60 * MINUTE)

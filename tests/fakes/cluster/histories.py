"""Histories that nobody thought of: everything that can happen in a cluster, mixed, from a seed.

``history(seed)`` is always the same for a seed. ``histories()`` is a hypothesis strategy of them, which shrinks to fewer nodes and
pods. What the control plane would not do is not drawn: no pod begins on a node that is down, none is deleted twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.fakes.cluster import events
from tests.fakes.cluster.clock import MINUTE, SECOND, Clock
from tests.fakes.cluster.loads import Load, Profile, Resources, Traffic
from tests.fakes.cluster.places import GIB, Housekeeping, Node
from tests.fakes.cluster.pods import Container, Pod
from tests.fakes.cluster.scenario import Scenario
from tests.fakes.cluster.world import World, container

MIB = 1 << 20


def history(
    seed: int, *, nodes: int = 3, pods: int = 12, length_us: int = 20 * MINUTE, start_us: int | None = None
) -> Scenario:
    """A cluster of so many nodes, on which so many pods (and their successors) live for ``length_us``."""
    world = World(Clock() if start_us is None else Clock(start_us), seed=seed)
    return _Author(world, length_us).write(nodes, pods)


def histories(*, nodes_max: int = 3, pods_max: int = 12, length_us: int = 20 * MINUTE) -> st.SearchStrategy[Scenario]:
    """Any history of up to so many nodes and pods."""
    return st.builds(
        lambda seed, nodes, pods: history(seed, nodes=nodes, pods=pods, length_us=length_us),
        st.integers(0, 2**32 - 1),
        st.integers(1, nodes_max),
        st.integers(0, pods_max),
    )


class _Author:
    """Writes one history. Pods end what they do by ``until_us`` of their node: then something befalls it."""

    def __init__(self, world: World, length_us: int) -> None:
        self.world = world
        self.random: random.Random = world.random
        self.begin_us = world.clock.now_us()
        self.end_us = self.begin_us + length_us
        self.fates: dict[str, tuple[str, int]] = {}

    def write(self, nodes: int, pods: int) -> Scenario:
        for number in range(nodes):
            self._node(f"node-{number}")
        for name in ("shop", "fleeting"):
            self.world.namespace(name, labels={"tenant": self.random.choice(["acme", "globex"])})
        for number in range(pods):
            self._pod(number)
        for node in list(self.world.nodes.values()):
            self._befall(node)
        self._recreate_namespace()
        return Scenario(self.world, self.begin_us, self.end_us)

    def _between(self, begin_us: int, end_us: int) -> int:
        return self.random.randrange(begin_us, max(begin_us + 1, end_us))

    def _node(self, name: str) -> None:
        draw = self.random
        fate = draw.choice(["none", "none", "silence", "reboot", "lose"])
        keeping = Housekeeping(jitter=draw.choice([0.0, 0.0, 1.0]), immediate=draw.random() < 0.5)
        self.world.node(
            name,
            cgroup=draw.choice([1, 2]),
            cgroup_driver=draw.choice(["cgroupfs", "systemd"]),
            provider_id=draw.choice(["", f"gce://project/zone/{name}"]),
            file_io=draw.choice(["right", "right", "zero", "missing", "some"]),
            devices=draw.choice([("/dev/sda",), ("/dev/sda", "/dev/nvme0n1")]),
            gpus=draw.choice([0, 4]),
            housekeeping=keeping,
            runtime_stats=draw.random() < 0.3,
            clock_offset_us=draw.choice([0, 0, draw.randrange(-3 * SECOND, 3 * SECOND)]),
            status_delay_us=draw.randrange(2 * SECOND),
        )
        third_us = (self.end_us - self.begin_us) // 3
        at_us = self._between(self.begin_us + third_us, self.begin_us + 2 * third_us)
        self.fates[name] = (fate, at_us)
        if fate == "silence":
            back_us = at_us + draw.randrange(MINUTE, 4 * MINUTE)
            events.silence(self.world, self.world.nodes[name], at_us, back_us, silent=self._chance(0.5))

    def _until(self, node: Node) -> int:
        fate, at_us = self.fates[node.name]
        return at_us if fate in ("reboot", "lose") else self.end_us

    def _befall(self, node: Node) -> None:
        fate, at_us = self.fates[node.name]
        if fate == "lose":
            events.lose(self.world, node, at_us, gone_us=at_us + self.random.randrange(6 * MINUTE, 10 * MINUTE))
        elif fate == "reboot":
            takes_us = self.random.randrange(20 * SECOND, 2 * MINUTE)
            events.reboot(self.world, node, at_us, takes_us=takes_us)
            self._live_on(node, at_us + takes_us + MINUTE)

    def _live_on(self, node: Node, at_us: int) -> None:
        """Things happen to the pods that came back after a reboot."""
        for pod in self.world.on_node[node.name]:
            runs_on = [each for each in pod.containers if each.role == "app" and each.running(at_us)]
            if not runs_on or runs_on[0].instances[-1].end_us < self.end_us or at_us + MINUTE > self.end_us:
                continue
            if self._chance(0.4):
                events.restart(self.world, pod, runs_on[0].name, at_us + self.random.randrange(20 * SECOND))
            if self._chance(0.3):
                events.delete(self.world, pod, at_us + self.random.randrange(30 * SECOND, MINUTE))

    def _chance(self, of: float) -> bool:
        return self.random.random() < of

    def _load(self) -> Load:
        return Load(
            self._profile(2_000),
            self._profile(512 * MIB),
            self._profile(5_000_000),
            self._profile(2_000_000),
            self._profile(GIB),
        )

    def _profile(self, most: int) -> Profile:
        offsets = sorted({0, *(self.random.randrange(1, 10 * MINUTE) for _ in range(self.random.randrange(4)))})
        return Profile(tuple((offset, self.random.choice([0, self.random.randrange(most)])) for offset in offsets))

    def _asked(self) -> Resources:
        draw = self.random
        return Resources(
            draw.choice([None, 100, 250, 1_500]),
            draw.choice([None, 64 * MIB, 100_000_000]),
            draw.choice([None, GIB]),
            draw.choice([None, None, None, 1]),
        )

    def _containers(self, *, ends: bool) -> list[Container]:
        draw = self.random
        found = []
        for number in range(draw.choice([0, 0, 0, 1, 2])):
            runs_us = draw.randrange(SECOND, 30 * SECOND)
            found.append(
                container(f"init-{number}", self._load(), role="init", runs_us=runs_us, requests=self._asked())
            )
        if self._chance(0.2):
            found.append(container("mesh", self._load(), role="sidecar", requests=self._asked()))
        for number in range(draw.choice([1, 1, 2])):
            asked = self._asked()
            limits = asked if self._chance(0.3) else Resources()
            made = container(f"app-{number}", self._load(), requests=asked, limits=limits)
            if ends:
                made.runs_us, made.exit_code = draw.randrange(SECOND, 3 * MINUTE), draw.choice([0, 0, 1])
            found.append(made)
        return found

    def _pod(self, number: int) -> None:
        """One pod: what kind it is says what can happen to it."""
        node = self.random.choice(list(self.world.nodes.values()))
        until_us = self._until(node)
        at_us = self._between(self.begin_us, max(self.begin_us + 1, until_us - 3 * MINUTE))
        space = self.random.choice(["shop", "shop", "fleeting"])
        kinds: list[Callable[[int, str, Node, int, int], None]] = [self._service] * 4
        kinds += [self._job, self._job, self._stateful, self._static, self._waiting]
        self.random.choice(kinds)(number, space, node, at_us, until_us)

    def _make(self, space: str, name: str, node: Node | None, made: list[Container], at_us: int, **shape: Any) -> Pod:
        down = node.down(at_us) if node else None
        return self.world.pod(
            space,
            name,
            node,
            made,
            at_us=down.end_us + SECOND if down else at_us,
            starts_after_us=self.random.randrange(200_000, 5 * SECOND),
            labels={"app": name.rstrip("0123456789-")},
            overhead=Load(self._profile(20), self._profile(8 * MIB)),
            traffic=Traffic(self._profile(1_000_000), self._profile(1_000_000)),
            **shape,
        )

    def _service(self, number: int, space: str, node: Node, at_us: int, until_us: int) -> None:
        deployment = self.world.owner("Deployment", space, f"web-{number}", at_us=at_us)
        replicas = self.world.owner("ReplicaSet", space, f"web-{number}-5d8", parent=deployment, at_us=at_us)
        claims = [self.world.claim(space, f"data-{number}", at_us=at_us)] if self._chance(0.3) else []
        made = self._containers(ends=False)
        pod = self._make(
            space,
            f"web-{number}-5d8-abcde",
            node,
            made,
            at_us,
            owner=replicas,
            claims=claims,
            host_network=self._chance(0.15),
        )
        self._happen(pod, until_us)

    def _happen(self, pod: Pod, until_us: int) -> None:
        """A few things, one after another, and perhaps an end."""
        app = next(each for each in pod.containers if each.role == "app")
        at_us = app.instances[-1].begin_us + self.random.randrange(SECOND, 90 * SECOND)
        for turn in range(self.random.randrange(4)):
            if at_us + MINUTE > until_us:
                return
            what = self.random.choice(["restart", "oom", "crash", "resize", "relabel", "debug"])
            if what == "restart":
                events.restart(
                    self.world,
                    pod,
                    app.name,
                    at_us,
                    after_us=self.random.randrange(100_000, 5 * SECOND),
                    load=self._load(),
                )
            elif what == "oom":
                events.out_of_memory(self.world, pod, app.name, at_us)
            elif what == "crash" and at_us + 3 * MINUTE < until_us:
                events.crash_loop(
                    self.world, pod, app.name, at_us, runs_us=self.random.randrange(SECOND, 20 * SECOND), times=3
                )
                at_us += 2 * MINUTE
            elif what == "resize":
                events.resize(self.world, pod, app.name, at_us, self._asked())
            elif what == "relabel":
                events.relabel(self.world, pod, at_us, tier=f"t{turn}")
            elif what == "debug":
                joined = container(
                    f"debug-{turn}", self._load(), role="ephemeral", runs_us=self.random.randrange(SECOND, 2 * MINUTE)
                )
                events.debug(self.world, pod, joined, at_us)
            at_us += self.random.randrange(10 * SECOND, 2 * MINUTE)
        if at_us + MINUTE > until_us or pod.namespace == "fleeting":
            return
        end = self.random.choice(["", "", "evict", "delete", "evict and delete"])
        if "evict" in end:
            events.evict(self.world, pod, at_us)
            at_us += 20 * SECOND
        if "delete" in end:
            events.delete(self.world, pod, at_us, takes_us=self.random.randrange(100_000, 20 * SECOND))

    def _job(self, number: int, space: str, node: Node, at_us: int, until_us: int) -> None:
        job = self.world.owner("Job", space, f"job-{number}", at_us=at_us)
        made = self._containers(ends=True)
        pod = self._make(space, f"job-{number}-xyz", node, made, at_us, owner=job, restart_policy="Never")
        if space != "fleeting" and self._chance(0.5) and pod.ended_us + 2 * MINUTE < until_us:
            events.delete(self.world, pod, pod.ended_us + self.random.randrange(100_000, MINUTE))

    def _stateful(self, number: int, space: str, node: Node, at_us: int, until_us: int) -> None:
        """The same name again and again, each time with another UID."""
        sets = self.world.owner("StatefulSet", space, f"db-{number}", at_us=at_us)
        pod = self._make(
            space, f"db-{number}-0", node, [container("db", self._load(), requests=self._asked())], at_us, owner=sets
        )
        for _ in range(self.random.randrange(3)):
            at_us = pod.accepted_us + self.random.randrange(20 * SECOND, 3 * MINUTE)
            if at_us + MINUTE > until_us or space == "fleeting" or node.down(at_us):
                return
            events.delete(self.world, pod, at_us, takes_us=SECOND)
            made = [container("db", self._load(), requests=self._asked())]
            pod = self._make(space, pod.name, node, made, pod.gone_us + self.random.randrange(2 * SECOND), owner=sets)

    def _static(self, number: int, space: str, node: Node, at_us: int, until_us: int) -> None:
        config_hash = f"{self.random.getrandbits(128):032x}"
        made = [container("proxy", self._load(), requests=self._asked())]
        self._make("shop", f"proxy-{number}-{node.name}", node, made, at_us, config_hash=config_hash, host_network=True)

    def _waiting(self, number: int, space: str, node: Node, at_us: int, until_us: int) -> None:
        """It never starts: no node has room for it, or its image is not to be had."""
        made = [container("app", self._load(), requests=self._asked())]
        name = f"stuck-{number}"
        if self._chance(0.5):
            self._make(space, name, None, made, at_us)
        else:
            self._make(space, name, node, made, at_us, waits_for="ImagePullBackOff")

    def _recreate_namespace(self) -> None:
        """The second namespace goes, where that can be, and one of its name comes for another tenant."""
        space = next(each for each in self.world.namespaces if each.name == "fleeting")
        inside = [pod for pod in self.world.pods if pod.namespace == "fleeting"]
        at_us = self.end_us - 2 * MINUTE
        if any(pod.node and self.fates[pod.node.name][0] == "lose" for pod in inside) or self._chance(0.3):
            return
        free_us = events.delete_namespace(self.world, space, at_us)
        self.world.namespace("fleeting", labels={"tenant": "initech"}, at_us=free_us + SECOND)

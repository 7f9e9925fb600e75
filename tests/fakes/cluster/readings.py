"""What cAdvisor and the runtime of a node know at an instant: the newest reading of each cgroup, and of what still runs.

A reading is as old as the last housekeeping of its cgroup, and stamped with the node's own clock. A cgroup that was not read
yet has none. What ended is not there, however much it used since the last reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tests.fakes.cluster import counters
from tests.fakes.cluster.places import Node
from tests.fakes.cluster.pods import Container, Instance, Pod, Sandbox
from tests.fakes.cluster.world import World

NETWORK = ("receive_bytes_s", "transmit_bytes_s")
FILES = ("read_bytes_s", "write_bytes_s")


class Reading(NamedTuple):
    """One cgroup as it was read. ``taken_us`` is the cluster's time, ``time_us`` what the node's clock said."""

    taken_us: int
    time_us: int
    cpu_ns: int
    cpu_millicores: int
    memory_bytes: int


class ContainerReading(NamedTuple):
    container: Container
    instance: Instance
    reading: Reading | None


class PodReading(NamedTuple):
    """A pod whose sandbox is there; ``network_us`` is when its interface was read."""

    pod: Pod
    sandbox: Sandbox
    reading: Reading | None
    network_us: int | None
    containers: list[ContainerReading]


@dataclass(frozen=True)
class NodeReadings:
    """Everything of one node."""

    world: World
    node: Node
    now_us: int
    booted_us: int
    root: Reading
    pods_root: Reading
    pods: list[PodReading]

    def stamp(self, at_us: int) -> int:
        """An instant by the node's clock."""
        return at_us + self.node.clock_offset_us

    def network(self, found: PodReading, at_us: int) -> tuple[int, int]:
        """Bytes received and sent on the interface that a pod sees: its own, or the host's."""
        if found.pod.host_network:
            return self.host_network(at_us)
        received, sent = (counters.of_traffic(found.pod, found.sandbox, what, at_us) for what in NETWORK)
        return counters.whole(received), counters.whole(sent)

    def host_network(self, at_us: int) -> tuple[int, int]:
        received, sent = (counters.of_node(self.world, self.node, what, at_us) for what in NETWORK)
        return counters.whole(received), counters.whole(sent)


def read(world: World, node: Node, now_us: int) -> NodeReadings:
    """All readings of a node."""
    pods = [_pod(node, pod, sandbox, now_us) for pod, sandbox in world.live(node, now_us)]
    booted_us = node.booted_us(now_us)
    taken_us = node.housekeeping.last(node.name, booted_us, now_us)
    taken_us = booted_us if taken_us is None else taken_us
    root, pods_root = _roots(world, node, taken_us)
    return NodeReadings(world, node, now_us, booted_us, root, pods_root, pods)


def _roots(world: World, node: Node, taken_us: int) -> tuple[Reading, Reading]:
    live = world.live(node, taken_us)
    pods_cpu_ns = counters.of_pods(world, node, "cpu_millicores", taken_us)
    memory_bytes = sum(counters.memory_of_sandbox(pod, sandbox, taken_us) for pod, sandbox in live)
    millicores = sum(_millicores(pod, sandbox, taken_us) for pod, sandbox in live)
    since_us = taken_us - node.booted_us(taken_us)
    system = node.system
    stamp_us = taken_us + node.clock_offset_us
    pods = Reading(taken_us, stamp_us, pods_cpu_ns, millicores, memory_bytes)
    root = Reading(
        taken_us,
        stamp_us,
        pods_cpu_ns + system.cpu_millicores.integral(since_us),
        millicores + system.cpu_millicores.at(since_us),
        memory_bytes + system.memory_bytes.at(since_us),
    )
    return root, pods


def _pod(node: Node, pod: Pod, sandbox: Sandbox, now_us: int) -> PodReading:
    keep, offset_us = node.housekeeping, node.clock_offset_us
    taken_us = keep.last(f"pod{pod.kubelet_uid}{sandbox.sandbox_id}", sandbox.begin_us, now_us)
    reading = None
    if taken_us is not None:
        cpu_ns = counters.of_sandbox(pod, sandbox, "cpu_millicores", taken_us)
        memory_bytes = counters.memory_of_sandbox(pod, sandbox, taken_us)
        reading = Reading(taken_us, taken_us + offset_us, cpu_ns, _millicores(pod, sandbox, taken_us), memory_bytes)
    containers = []
    for container in pod.containers:
        instance = container.running(now_us)
        if instance is not None:
            containers.append(ContainerReading(container, instance, _container(node, instance, now_us)))
    network_us = keep.last(sandbox.sandbox_id, sandbox.begin_us, now_us)
    return PodReading(pod, sandbox, reading, network_us, containers)


def _container(node: Node, instance: Instance, now_us: int) -> Reading | None:
    taken_us = node.housekeeping.last(instance.container_id, instance.begin_us, now_us)
    is_young = taken_us is None or taken_us == node.housekeeping.first(instance.container_id, instance.begin_us)
    if node.runtime_stats and is_young:
        # One reading has no rate yet: the kubelet takes its container for terminated, and asks the runtime.
        taken_us = now_us
    return None if taken_us is None else of_container(node, instance, taken_us)


def of_container(node: Node, instance: Instance, taken_us: int) -> Reading:
    """What a container's cgroup says at an instant."""
    since_us = taken_us - instance.begin_us
    load = instance.load
    return Reading(
        taken_us,
        taken_us + node.clock_offset_us,
        load.cpu_millicores.integral(since_us),
        load.cpu_millicores.at(since_us),
        load.memory_bytes.at(since_us),
    )


def _millicores(pod: Pod, sandbox: Sandbox, at_us: int) -> int:
    own = pod.overhead.cpu_millicores.at(max(0, at_us - sandbox.begin_us))
    running = (each for each in sandbox.instances if each.runs(at_us))
    return own + sum(each.load.cpu_millicores.at(at_us - each.begin_us) for each in running)

"""What the cgroups of a node have counted at an instant, as cAdvisor would read it then: whole numbers, floored as late as can be.

A container's counters are its instance's; a pod's are those of its sandbox, which go on over restarts of containers; a
node's go on from boot to boot, and hold everything that ran.
"""

from __future__ import annotations

from tests.fakes.cluster.loads import Profile
from tests.fakes.cluster.places import Node
from tests.fakes.cluster.pods import Instance, Pod, Sandbox
from tests.fakes.cluster.world import World

_MILLION = 1_000_000


def of_instance(instance: Instance, what: str, at_us: int) -> int:
    """Rate times microseconds since the start of a container; ``what`` names a field of ``Load``."""
    offset_us = min(at_us, instance.end_us) - instance.begin_us
    profile: Profile = getattr(instance.load, what)
    return profile.integral(offset_us) if offset_us > 0 else 0


def of_sandbox(pod: Pod, sandbox: Sandbox, what: str, at_us: int) -> int:
    """The same for a pod's cgroup: its overhead, and all containers that ran in it."""
    if at_us >= sandbox.end_us:
        key = (what, sandbox.end_us, len(sandbox.instances))
        if key not in sandbox.final:
            sandbox.final[key] = _of_sandbox(pod, sandbox, what, sandbox.end_us)
        return sandbox.final[key]
    return _of_sandbox(pod, sandbox, what, at_us)


def _of_sandbox(pod: Pod, sandbox: Sandbox, what: str, at_us: int) -> int:
    overhead: Profile = getattr(pod.overhead, what)
    total = overhead.integral(max(0, at_us - sandbox.begin_us))
    for instance in sandbox.instances:
        total += of_instance(instance, what, at_us)
    return total


def of_traffic(pod: Pod, sandbox: Sandbox, what: str, at_us: int) -> int:
    """Bytes a second times microseconds on a pod's own interface since its sandbox began."""
    profile: Profile = getattr(pod.traffic, what)
    return profile.integral(max(0, min(at_us, sandbox.end_us) - sandbox.begin_us))


def of_pods(world: World, node: Node, what: str, at_us: int) -> int:
    """Everything that pods used on a node since its last boot; the cgroup above them keeps what the gone ones counted."""
    booted_us = node.booted_us(at_us)
    traffic = what.endswith(("receive_bytes_s", "transmit_bytes_s"))
    total = 0
    for pod in world.on_node[node.name]:
        if traffic and pod.host_network:
            continue
        for sandbox in pod.sandboxes:
            if booted_us <= sandbox.begin_us <= at_us:
                total += (of_traffic if traffic else of_sandbox)(pod, sandbox, what, at_us)
    return total


def of_node(world: World, node: Node, what: str, at_us: int) -> int:
    """Everything on a node since its last boot."""
    source = node.traffic if what.endswith(("receive_bytes_s", "transmit_bytes_s")) else node.system
    profile: Profile = getattr(source, what)
    return profile.integral(at_us - node.booted_us(at_us)) + of_pods(world, node, what, at_us)


def memory_of_instance(instance: Instance, at_us: int) -> int:
    """Bytes of memory that a container has at an instant."""
    return instance.load.memory_bytes.at(at_us - instance.begin_us) if instance.runs(at_us) else 0


def memory_of_sandbox(pod: Pod, sandbox: Sandbox, at_us: int) -> int:
    """Bytes of memory that a pod has at an instant."""
    if not sandbox.begin_us <= at_us < sandbox.end_us:
        return 0
    own = pod.overhead.memory_bytes.at(at_us - sandbox.begin_us)
    return own + sum(memory_of_instance(each, at_us) for each in sandbox.instances)


def whole(integral: int) -> int:
    """Rate times microseconds as a counter of units."""
    return integral // _MILLION

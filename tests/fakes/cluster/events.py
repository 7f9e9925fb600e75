"""What becomes of pods, nodes and namespaces: restarts, crashes, evictions, deletions, reboots, losses.

Each function writes an event of one instant into the history; ValueError where it could not happen. Events of one thing
are written in their order.
"""

from __future__ import annotations

from dataclasses import replace

from tests.fakes.cluster.clock import FOREVER, SECOND
from tests.fakes.cluster.loads import Load, Resources
from tests.fakes.cluster.places import Claim, Down, Namespace, Node, Owner
from tests.fakes.cluster.pods import Container, Instance, Pod
from tests.fakes.cluster.world import World, stop


def restart(
    world: World,
    pod: Pod,
    name: str,
    at_us: int,
    *,
    after_us: int = 1 * SECOND,
    exit_code: int = 1,
    reason: str = "Error",
    load: Load | None = None,
) -> Instance:
    """A container ends, and a new instance begins; the pod's cgroup goes on."""
    container = pod.container(name)
    running = _running(pod, container, at_us)
    sandbox = pod.sandbox(at_us)
    assert sandbox is not None
    running.end_us, running.exit_code, running.reason = at_us, exit_code, reason
    world.changed += 1
    return world.instance(container, sandbox, at_us + after_us, load)


def out_of_memory(world: World, pod: Pod, name: str, at_us: int) -> Instance:
    """The kernel kills a container that used more than its limit; it is started again."""
    return restart(world, pod, name, at_us, exit_code=137, reason="OOMKilled")


def crash_loop(world: World, pod: Pod, name: str, at_us: int, *, runs_us: int, times: int) -> None:
    """A container ends again and again, ``runs_us`` after each start, and waits 10 s, 20 s, 40 s ... 5 min between."""
    wait_us = 10 * SECOND
    for _ in range(times):
        begun = restart(world, pod, name, at_us, after_us=wait_us)
        at_us = begun.begin_us + runs_us
        wait_us = min(2 * wait_us, 300 * SECOND)


def resize(world: World, pod: Pod, name: str, at_us: int, requests: Resources) -> None:
    """Other requests in place, while the container runs."""
    container = pod.container(name)
    container.requests.set(at_us, requests)
    limit = container.limits.at(at_us)
    if limit.cpu_millicores is not None and requests.cpu_millicores is not None:
        container.limits.set(at_us, replace(limit, cpu_millicores=max(limit.cpu_millicores, requests.cpu_millicores)))
    world.changed += 1


def debug(world: World, pod: Pod, container: Container, at_us: int) -> Instance:
    """An ephemeral container joins a running pod; it is not started again when it ends."""
    sandbox = pod.sandbox(at_us)
    if sandbox is None or container.role != "ephemeral":
        raise ValueError(f"{pod.name}: only an ephemeral container joins, and only a running pod")
    pod.containers.append(container)
    world.changed += 1
    return world.instance(container, sandbox, at_us)


def evict(world: World, pod: Pod, at_us: int, *, message: str = "The node was low on resource: memory.") -> None:
    """The kubelet ends the pod; its object stays, Failed, until somebody deletes it."""
    _alive(pod, at_us)
    world.end(pod, at_us, "Failed", "Evicted", message)


def delete(world: World, pod: Pod, at_us: int, *, grace_s: int = 30, takes_us: int = 1 * SECOND) -> None:
    """The object gets its deletionTimestamp at once; the containers end ``takes_us`` later, and then it is gone.

    A kubelet that is down hears of it when it is back.
    """
    if pod.created_us > at_us or pod.deleted_us != FOREVER:
        raise ValueError(f"{pod.namespace}/{pod.name} cannot be deleted at {at_us} us")
    down = pod.node.down(at_us) if pod.node else None
    heard_us = down.end_us if down else at_us
    if heard_us == FOREVER:
        raise ValueError(f"{pod.namespace}/{pod.name} is on a node that is lost: its loss removes it")
    pod.deleted_us, pod.grace_s = at_us, grace_s
    end_us = heard_us + min(takes_us, grace_s * SECOND)
    if pod.ended_us > end_us:
        world.end(pod, end_us, "Succeeded")
    pod.gone_us = end_us + SECOND + (pod.node.status_delay_us if pod.node else 0)
    world.changed += 1


def delete_namespace(world: World, space: Namespace, at_us: int) -> int:
    """All in it goes, then the namespace; tells when its name is free again."""
    space.deleted_us = at_us
    gone_us = at_us
    for pod in world.pods:
        if pod.namespace == space.name and pod.created_us <= at_us < pod.gone_us:
            if pod.deleted_us == FOREVER:
                delete(world, pod, at_us)
            gone_us = max(gone_us, pod.gone_us)
    inside: list[Claim | Owner] = [*world.claims, *world.owners]
    for thing in inside:
        if thing.namespace == space.name and thing.created_us <= at_us < thing.gone_us:
            thing.gone_us = gone_us
    space.gone_us = gone_us + SECOND
    world.changed += 1
    return space.gone_us


def silence(world: World, node: Node, begin_us: int, end_us: int, *, silent: bool = True) -> None:
    """The kubelet cannot be reached for a while, and tells nothing; its pods run on."""
    node.downs.append(Down(begin_us, end_us, silent))
    world.changed += 1


def lose(world: World, node: Node, at_us: int, *, gone_us: int | None = None, silent: bool = True) -> None:
    """The machine stops for ever. The control plane marks its pods 340 s later, and removes node and pods at ``gone_us``."""
    gone_us = at_us + 600 * SECOND if gone_us is None else gone_us
    node.lost_us, node.gone_us = at_us, gone_us
    node.downs.append(Down(at_us, FOREVER, silent))
    for pod in world.on_node[node.name]:
        if pod.gone_us <= at_us:
            continue
        if pod.created_us >= at_us:
            raise ValueError(f"{pod.name} was to begin on {node.name} after its loss")
        stop(pod, at_us, 137, "Error")
        if pod.ended_us > at_us:
            pod.ended_us, pod.ended_as = FOREVER, ""
        pod.deleted_us = min(pod.deleted_us, at_us + 340 * SECOND)
        pod.gone_us = gone_us + SECOND
    world.changed += 1


def reboot(world: World, node: Node, at_us: int, *, takes_us: int = 60 * SECOND) -> None:
    """The machine starts again: its counters and those of all cgroups begin anew, in new sandboxes and instances."""
    back_us = at_us + takes_us
    node.downs.append(Down(at_us, back_us))
    node.boots.append(at_us + takes_us // 2)
    for pod in world.on_node[node.name]:
        if at_us >= min(pod.ended_us, pod.gone_us):
            continue
        if pod.created_us >= at_us or at_us < pod.deleted_us < FOREVER:
            raise ValueError(f"{pod.name}: what happens after a reboot is written after it")
        has_begun = any(True for _ in pod.instances)
        stop(pod, at_us, 255, "Unknown")
        if pod.restart_policy == "Never" or pod.deleted_us < FOREVER:
            pod.ended_us, pod.ended_as = at_us, "Failed"
            continue
        pod.ended_us, pod.ended_as = FOREVER, ""
        if pod.accepted_us > at_us:
            pod.accepted_us = back_us
        sandbox = world.sandbox(pod, back_us + SECOND)
        if has_begun:
            world.start(pod, sandbox, back_us + 2 * SECOND)
    world.changed += 1


def relabel(world: World, pod: Pod, at_us: int, **labels: str) -> None:
    """Other labels while the pod runs."""
    pod.labels.set(at_us, pod.labels.at(at_us) | labels)
    world.changed += 1


def _running(pod: Pod, container: Container, at_us: int) -> Instance:
    running = container.running(at_us)
    if running is None or running.end_us != FOREVER:
        raise ValueError(f"{pod.namespace}/{pod.name}: {container.name} does not run on beyond {at_us} us")
    return running


def _alive(pod: Pod, at_us: int) -> None:
    if not pod.accepted_us <= at_us < min(pod.ended_us, pod.deleted_us):
        raise ValueError(f"{pod.namespace}/{pod.name} is not alive at {at_us} us")

"""A pod as it happens: its containers, every instance that ran of them, and the sandboxes in which they did.

Nothing here knows what anybody shows of it: ``counters`` says what a cgroup counted, ``truth`` what was used,
``api_pods`` what the API server tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tests.fakes.cluster.clock import FOREVER
from tests.fakes.cluster.loads import Load, Resources, Timeline, Traffic
from tests.fakes.cluster.places import Claim, Node, Owner

Role = Literal["app", "init", "sidecar", "ephemeral"]


@dataclass
class Instance:
    """One container of the runtime; its counters begin at 0."""

    container_id: str
    begin_us: int
    load: Load
    end_us: int = FOREVER
    exit_code: int = 0
    reason: str = "Completed"

    @property
    def created_us(self) -> int:
        """The runtime makes a container a little before it starts it; this is what kubelets call its start."""
        return self.begin_us - 50_000

    def runs(self, at_us: int) -> bool:
        return self.begin_us <= at_us < self.end_us


@dataclass
class Container:
    """One container of the specification. It runs ``runs_us`` and ends with ``exit_code``, or for ever."""

    name: str
    load: Load
    role: Role = "app"
    image: str = "shop:1.4"
    requests: Timeline[Resources] = field(default_factory=lambda: Timeline(Resources()))
    limits: Timeline[Resources] = field(default_factory=lambda: Timeline(Resources()))
    runs_us: int = FOREVER
    exit_code: int = 0
    instances: list[Instance] = field(default_factory=list)
    #: Why it waits as long as no instance was started.
    waits_for: str = "ContainerCreating"

    def running(self, at_us: int) -> Instance | None:
        return next((each for each in reversed(self.instances) if each.runs(at_us)), None)

    def latest(self, at_us: int) -> int:
        """The number of the last instance that was started by an instant; -1 if there was none."""
        return sum(each.begin_us <= at_us for each in self.instances) - 1


@dataclass
class Sandbox:
    """The pod's cgroup and network, from one start of the pod to the next: a reboot makes a new one, a restart does not."""

    sandbox_id: str
    begin_us: int
    end_us: int = FOREVER
    instances: list[Instance] = field(default_factory=list)
    #: What it had counted at its end, by what, when that is, and how many containers had run.
    final: dict[tuple[str, int, int], int] = field(default_factory=dict)


@dataclass
class Pod:
    """One pod, from its creation until its object is gone."""

    namespace: str
    name: str
    uid: str
    created_us: int
    containers: list[Container]
    node: Node | None = None
    labels: Timeline[dict[str, str]] = field(default_factory=lambda: Timeline({}))
    annotations: Timeline[dict[str, str]] = field(default_factory=lambda: Timeline({}))
    owner: Owner | None = None
    claims: list[Claim] = field(default_factory=list)
    restart_policy: Literal["Always", "OnFailure", "Never"] = "Always"
    host_network: bool = False
    #: The hash of the manifest of a static pod: its UID in the kubelet's eyes, its mirror pod has another.
    config_hash: str = ""
    #: Beside the containers: the pause container, shims, and what no container is charged for.
    overhead: Load = field(default_factory=Load)
    traffic: Traffic = field(default_factory=Traffic)
    #: When the kubelet took it on: ``status.startTime``.
    accepted_us: int = FOREVER
    sandboxes: list[Sandbox] = field(default_factory=list)
    ended_us: int = FOREVER
    ended_as: Literal["", "Succeeded", "Failed"] = ""
    reason: str = ""
    message: str = ""
    deleted_us: int = FOREVER
    grace_s: int = 30
    gone_us: int = FOREVER

    @property
    def kubelet_uid(self) -> str:
        return self.config_hash or self.uid

    @property
    def instances(self) -> Iterator[tuple[Container, Instance]]:
        for container in self.containers:
            for instance in container.instances:
                yield container, instance

    @property
    def qos(self) -> Literal["Guaranteed", "Burstable", "BestEffort"]:
        """As the specification stood at first: it does not change with a resize (k8s.io/api/core/v1, ``qosClass``)."""
        pairs = [(each.requests.changes[0][1], each.limits.changes[0][1]) for each in self.containers]
        asked = [
            (request.cpu_millicores, request.memory_bytes, limit.cpu_millicores, limit.memory_bytes)
            for (request, limit), each in zip(pairs, self.containers, strict=True)
            if each.role != "ephemeral"
        ]
        if not any(any(one) for one in asked):
            return "BestEffort"
        if all(one[2] and one[3] and one[:2] == one[2:] for one in asked):
            return "Guaranteed"
        return "Burstable"

    def container(self, name: str) -> Container:
        return next(each for each in self.containers if each.name == name)

    def sandbox(self, at_us: int) -> Sandbox | None:
        """The sandbox that is there at an instant."""
        return next((each for each in reversed(self.sandboxes) if each.begin_us <= at_us < each.end_us), None)

    def edges(self) -> list[int]:
        """When anything of it changes; what the kubelet tells later than it happens is not counted in."""
        found = [self.created_us, self.accepted_us, self.ended_us, self.deleted_us, self.gone_us]
        found += [*self.labels.edges(), *self.annotations.edges()]
        for sandbox in self.sandboxes:
            found += (sandbox.begin_us, sandbox.end_us)
        for container in self.containers:
            found += [*container.requests.edges(), *container.limits.edges()]
            for instance in container.instances:
                found += (instance.begin_us, instance.end_us)
        return found

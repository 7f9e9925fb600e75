"""A cluster and all that happens in it, written down as a history of which every instant can be asked.

``World`` holds the clock and the things; things are added at an instant, past or future, and ``events`` says what becomes
of them. Nothing runs: a history is a value, what is served and what is true are functions of it and of a time.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from typing import Any, Literal

from tests.fakes.cluster.clock import FOREVER, SECOND, Clock
from tests.fakes.cluster.loads import Load, Resources, Timeline, Traffic, steady
from tests.fakes.cluster.places import Claim, Namespace, Node, Owner
from tests.fakes.cluster.pods import Container, Instance, Pod, Role, Sandbox

Labels = dict[str, str]


class World:
    """One cluster. ``changed`` counts additions and events, so that what is derived from the history knows it is old."""

    def __init__(self, clock: Clock | None = None, *, seed: int = 0) -> None:
        self.clock = clock or Clock()
        self.random = random.Random(seed)
        self.nodes: dict[str, Node] = {}
        self.namespaces: list[Namespace] = []
        self.owners: list[Owner] = []
        self.claims: list[Claim] = []
        self.pods: list[Pod] = []
        self.on_node: dict[str, list[Pod]] = {}
        self.changed = 0

    def uid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def runtime_id(self) -> str:
        return f"{self.random.getrandbits(256):064x}"

    def node(self, name: str, *, at_us: int | None = None, labels: Labels | None = None, **shape: Any) -> Node:
        """Add a node; ``shape`` is what ``places.Node`` takes."""
        if name in self.nodes:
            raise ValueError(f"there is a node {name} already")
        base = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
        }
        created_us = self._at(at_us)
        node = Node(name, self.uid(), created_us, labels=Timeline(base | (labels or {})), **shape)
        self.nodes[name] = node
        self.on_node[name] = []
        self.changed += 1
        return node

    def namespace(
        self, name: str, *, labels: Labels | None = None, annotations: Labels | None = None, at_us: int | None = None
    ) -> Namespace:
        """Add a namespace; ValueError while one of that name is there."""
        created_us = self._at(at_us)
        if any(each.name == name and each.gone_us > created_us for each in self.namespaces):
            raise ValueError(f"the namespace {name} is still there at {created_us} us")
        full = {"kubernetes.io/metadata.name": name} | (labels or {})
        space = Namespace(name, self.uid(), created_us, Timeline(full), Timeline(annotations or {}))
        self.namespaces.append(space)
        self.changed += 1
        return space

    def owner(
        self,
        kind: Literal["ReplicaSet", "Deployment", "Job", "CronJob", "StatefulSet", "DaemonSet"],
        namespace: str,
        name: str,
        *,
        parent: Owner | None = None,
        labels: Labels | None = None,
        at_us: int | None = None,
    ) -> Owner:
        """Add an owner of pods, or of owners."""
        made = Owner(kind, namespace, name, self.uid(), self._at(at_us), parent, Timeline(labels or {}))
        self.owners.append(made)
        self.changed += 1
        return made

    def claim(self, namespace: str, name: str, *, at_us: int | None = None, **shape: Any) -> Claim:
        """Add a claim and its volume; ``shape`` is what ``places.Claim`` takes."""
        made = Claim(namespace, name, self.uid(), self._at(at_us), **shape)
        self.claims.append(made)
        self.changed += 1
        return made

    def pod(
        self,
        namespace: str,
        name: str,
        node: Node | None,
        containers: Sequence[Container],
        *,
        at_us: int | None = None,
        starts_after_us: int = 1 * SECOND,
        labels: Labels | None = None,
        annotations: Labels | None = None,
        waits_for: str = "",
        **shape: Any,
    ) -> Pod:
        """Add a pod, and start it, if it has a node, and unless it ``waits_for`` something (ImagePullBackOff) for ever."""
        created_us = self._at(at_us)
        pod = Pod(
            namespace,
            name,
            self.uid(),
            created_us,
            list(containers),
            node,
            labels=Timeline(labels or {}),
            annotations=Timeline(annotations or {}),
            **shape,
        )
        if any(
            each.namespace == namespace and each.name == name and each.gone_us > created_us
            for each in (self.on_node[node.name] if node else self.pods)
        ):
            raise ValueError(f"the pod {namespace}/{name} is still there at {created_us} us")
        self.pods.append(pod)
        self.changed += 1
        if node is not None:
            self.on_node[node.name].append(pod)
            pod.accepted_us = created_us + starts_after_us // 4
            sandbox = self.sandbox(pod, created_us + starts_after_us // 2)
            if waits_for:
                pod.containers[0].waits_for = waits_for
            else:
                self.start(pod, sandbox, created_us + starts_after_us)
        return pod

    def sandbox(self, pod: Pod, begin_us: int) -> Sandbox:
        """A new cgroup and network for a pod."""
        sandbox = Sandbox(self.runtime_id(), begin_us)
        pod.sandboxes.append(sandbox)
        return sandbox

    def start(self, pod: Pod, sandbox: Sandbox, at_us: int) -> None:
        """Start the containers in their order: init ones one after another, sidecars among them, then the others at once."""
        for container in pod.containers:
            if container.role == "init":
                at_us = self.instance(container, sandbox, at_us).end_us + SECOND // 5
            elif container.role == "sidecar":
                self.instance(container, sandbox, at_us)
                at_us += SECOND // 5
        apps = [self.instance(each, sandbox, at_us) for each in pod.containers if each.role == "app"]
        if at_us >= FOREVER or pod.restart_policy == "Always" or any(each.end_us == FOREVER for each in apps):
            return
        end_us = max(each.end_us for each in apps)
        for container in pod.containers:
            if container.role == "sidecar":
                end_us = max(end_us, container.instances[-1].end_us)
        self.end(pod, end_us, "Failed" if any(each.exit_code for each in apps) else "Succeeded")

    def instance(self, container: Container, sandbox: Sandbox, begin_us: int, load: Load | None = None) -> Instance:
        """Another instance of a container."""
        if begin_us >= FOREVER:  # behind an init container that never ends
            return Instance("", FOREVER, container.load)
        end_us = min(begin_us + container.runs_us, FOREVER)
        code = container.exit_code
        made = Instance(
            self.runtime_id(), begin_us, load or container.load, end_us, code, "Error" if code else "Completed"
        )
        container.instances.append(made)
        sandbox.instances.append(made)
        return made

    def end(
        self, pod: Pod, at_us: int, phase: Literal["Succeeded", "Failed"], reason: str = "", message: str = ""
    ) -> None:
        """The pod is over: whatever runs is stopped, and its cgroup goes."""
        killed = (137, "Error") if phase == "Failed" else (0, "Completed")
        stop(pod, at_us, *killed)
        pod.ended_us, pod.ended_as, pod.reason, pod.message = at_us, phase, reason, message
        self.changed += 1

    def live(self, node: Node, at_us: int) -> list[tuple[Pod, Sandbox]]:
        """The pods that have a sandbox on a node at an instant."""
        if at_us >= node.lost_us:
            return []
        found = []
        for pod in self.on_node[node.name]:
            sandboxes = pod.sandboxes
            if sandboxes and sandboxes[0].begin_us <= at_us < sandboxes[-1].end_us:
                sandbox = pod.sandbox(at_us)
                if sandbox is not None:
                    found.append((pod, sandbox))
        return found

    def _at(self, at_us: int | None) -> int:
        return self.clock.now_us() if at_us is None else at_us


def container(
    name: str = "app",
    load: Load | None = None,
    *,
    role: Role = "app",
    requests: Resources | None = None,
    limits: Resources | None = None,
    **shape: Any,
) -> Container:
    """A container for ``World.pod``; ``shape`` is what ``pods.Container`` takes."""
    return Container(
        name,
        load or Load(),
        role,
        requests=Timeline(requests or Resources()),
        limits=Timeline(limits or Resources()),
        **shape,
    )


def traffic(receive_bytes_s: int, transmit_bytes_s: int) -> Traffic:
    """The same traffic for ever."""
    return Traffic(steady(receive_bytes_s), steady(transmit_bytes_s))


def stop(pod: Pod, at_us: int, exit_code: int, reason: str) -> None:
    """Whatever runs at an instant ends then, whatever was to start later does not, and the cgroup goes."""
    for each in pod.containers:
        each.instances = [instance for instance in each.instances if instance.begin_us < at_us]
        for instance in each.instances:
            if instance.end_us > at_us:
                instance.end_us, instance.exit_code, instance.reason = at_us, exit_code, reason
    pod.sandboxes = [sandbox for sandbox in pod.sandboxes if sandbox.begin_us < at_us]
    for sandbox in pod.sandboxes:
        sandbox.instances = [instance for instance in sandbox.instances if instance.begin_us < at_us]
        sandbox.end_us = min(sandbox.end_us, at_us)

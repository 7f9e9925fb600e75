"""What is in the cluster, always nearly current, and what each pod is marked with.

One list and watch per kind keeps it. Usage is tagged by it, so it is asked first: is everything listed that a tenant may be read
from, and is this pod known, with its namespace? A pod that is not is nobody's until it is; a rule that looks at labels which have
not arrived yet would give it to the wrong tenant.

Pods that are gone are kept for a while, in their last state: only there stands when their containers ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from collector.cluster.client import KubernetesApi
from collector.cluster.permissions import Permission
from collector.cluster.reflector import Reflector
from collector.kubernetes import objects
from collector.kubernetes.gone import Gone
from collector.kubernetes.objects import Claim, Named, Node, Owner, Pod, Volume
from meterbook.wire.series import canonical_json

_READ = ("list", "watch")
#: What is listed and watched: kind, path, group and resource.
OWNERS = {
    "ReplicaSet": ("/apis/apps/v1/replicasets", "apps", "replicasets"),
    "Deployment": ("/apis/apps/v1/deployments", "apps", "deployments"),
    "StatefulSet": ("/apis/apps/v1/statefulsets", "apps", "statefulsets"),
    "DaemonSet": ("/apis/apps/v1/daemonsets", "apps", "daemonsets"),
    "Job": ("/apis/batch/v1/jobs", "batch", "jobs"),
    "CronJob": ("/apis/batch/v1/cronjobs", "batch", "cronjobs"),
}
_CORE = ("pods", "nodes", "namespaces", "persistentvolumeclaims", "persistentvolumes")
PERMISSIONS = (
    *(Permission("", resource, _READ) for resource in _CORE),
    *(Permission(group, resource, _READ) for _, group, resource in OWNERS.values()),
)

#: How long a collection waits for the cluster to be listed; hundreds of them share some threads.
LISTED_S = 0.5
#: How long an owner that is not known is waited for: it is told on another watch than its pod, or it is gone itself.
OWNER_S = 5.0
_OWNERS_DEEP_MAX = 4


class _HasUid(Protocol):
    @property
    def uid(self) -> str: ...


U = TypeVar("U", bound=_HasUid)


class _Shelf(Generic[U]):
    """The objects of one kind, by UID and by a name of the caller's; the sink of a reflector."""

    def __init__(
        self,
        lock: threading.Lock,
        name: Callable[[U], str],
        *,
        gone: Callable[[U], None] | None = None,
        merged: Callable[[U, U], U] | None = None,
    ) -> None:
        self.by_uid: dict[str, U] = {}
        self.by_name: dict[str, dict[str, U]] = {}
        self._lock, self._name, self._gone, self._merged = lock, name, gone, merged

    def replace(self, present: list[U]) -> None:
        with self._lock:
            before, self.by_uid, self.by_name = self.by_uid, {}, {}
            for value in present:
                self._put(self._with_past(before.get(value.uid), value))

    def changed(self, value: U) -> None:
        with self._lock:
            before = self.by_uid.get(value.uid)
            value = self._with_past(before, value)
            if before != value:
                if before is not None:
                    self._drop(before)
                self._put(value)

    def removed(self, value: U) -> None:
        with self._lock:
            before = self.by_uid.get(value.uid)
            if before is not None:
                self._drop(before)
            if self._gone is not None:
                self._gone(self._with_past(before, value))

    def named(self, name: str) -> list[U]:
        """Those of a name; the caller holds the lock."""
        return list(self.by_name.get(name, {}).values())

    def _with_past(self, before: U | None, value: U) -> U:
        return value if before is None or self._merged is None else self._merged(before, value)

    def _put(self, value: U) -> None:
        self.by_uid[value.uid] = value
        self.by_name.setdefault(self._name(value), {})[value.uid] = value

    def _drop(self, value: U) -> None:
        del self.by_uid[value.uid]
        name = self._name(value)
        same = self.by_name[name]
        del same[value.uid]
        if not same:
            del self.by_name[name]


@dataclass(frozen=True)
class Place:
    """A pod with what it is marked with (canonical JSON); None where that cannot be told yet."""

    pod: Pod
    tags: str | None


class Inventory:
    """The objects of one cluster. Safe for threads; reads nothing before ``start``."""

    def __init__(self, api: KubernetesApi) -> None:
        self._lock = threading.Lock()
        self._gone = Gone()
        self._waits_since: dict[str, float] = {}
        self._pods: _Shelf[Pod] = _Shelf(self._lock, lambda pod: pod.node, gone=self._gone.add, merged=objects.merged)
        self._kubelet_uids: _Shelf[Pod] = _Shelf(self._lock, lambda pod: pod.kubelet_uid)
        self._nodes: _Shelf[Node] = _Shelf(self._lock, lambda node: node.name)
        self._namespaces: _Shelf[Named] = _Shelf(self._lock, lambda namespace: namespace.name)
        self._owners: _Shelf[Named] = _Shelf(self._lock, lambda owner: owner.uid)
        self._claims: _Shelf[Claim] = _Shelf(self._lock, lambda claim: f"{claim.namespace}/{claim.name}")
        self._volumes: _Shelf[Volume] = _Shelf(self._lock, lambda volume: volume.name)
        self._marked: dict[str, tuple[tuple[object, ...], str]] = {}
        self._reflectors: dict[str, Reflector[Any]] = {
            "pods": Reflector(api, "/api/v1/pods", objects.pod, _Both(self._pods, self._kubelet_uids)),
            "nodes": Reflector(api, "/api/v1/nodes", objects.node, self._nodes),
            "namespaces": Reflector(api, "/api/v1/namespaces", objects.named, self._namespaces),
            "claims": Reflector(api, "/api/v1/persistentvolumeclaims", objects.claim, self._claims),
            "volumes": Reflector(api, "/api/v1/persistentvolumes", objects.volume, self._volumes),
        }
        for kind, (path, _, _) in OWNERS.items():
            self._reflectors[kind] = Reflector(api, path, objects.named, _Part(self._owners))

    def start(self) -> None:
        """Begin to list and watch."""
        for reflector in self._reflectors.values():
            reflector.start()

    def stop(self) -> None:
        """Let go of all connections."""
        for reflector in self._reflectors.values():
            reflector.stop()
        for reflector in self._reflectors.values():
            reflector.join()

    def unlisted(self, timeout_s: float = 0.0) -> str:
        """Why pods cannot be told yet: what has not been listed once; "" when all has."""
        deadline = time.monotonic() + timeout_s
        for name, reflector in self._reflectors.items():
            if not reflector.synced.wait(max(0.0, deadline - time.monotonic())):
                return reflector.problem or f"{name} are not listed yet"
        return ""

    def outdated(self) -> str:
        """Why what is known may not be current; "" when it is."""
        return next((found.problem for found in self._reflectors.values() if found.problem), "")

    def node(self, name: str) -> Node | None:
        """A node, if there is one of this name."""
        with self._lock:
            return next(iter(self._nodes.named(name)), None)

    def node_names(self) -> set[str]:
        """The nodes there are, and those that pods are on or were lately."""
        with self._lock:
            names = {node.name for node in self._nodes.by_uid.values()} | set(self._pods.by_name)
            return (names | set(self._gone.nodes)) - {""}

    def pods_on(self, node: str) -> list[Place]:
        """The pods of a node."""
        with self._lock:
            return [self._placed(pod) for pod in self._pods.named(node)]

    def gone_from(self, node: str) -> tuple[list[Place], int]:
        """Pods that were on a node and are gone, in their last state; and how many more there were that nobody had asked for in time."""
        with self._lock:
            pods, lost = self._gone.read(node)
            return [self._placed(pod, is_gone=True) for pod in pods], lost

    def find(self, kubelet_uid: str) -> Place | None:
        """The pod of which a kubelet speaks, if it is known."""
        with self._lock:
            pod = self._pods.by_uid.get(kubelet_uid) or next(iter(self._kubelet_uids.named(kubelet_uid)), None)
            if pod is not None:
                return self._placed(pod)
            pod = next((each for each in self._gone if each.kubelet_uid == kubelet_uid), None)
            return None if pod is None else self._placed(pod, is_gone=True)

    def nodes(self) -> list[tuple[Node, str]]:
        """All nodes, with what they are marked with."""
        with self._lock:
            return [(node, _tags([("node", node)])) for node in self._nodes.by_uid.values()]

    def claims(self) -> list[tuple[Claim, str | None]]:
        """All claims, with what they and their namespaces are marked with; None where the namespace is not known."""
        with self._lock:
            found: list[tuple[Claim, str | None]] = []
            for claim in self._claims.by_uid.values():
                namespace = next(iter(self._namespaces.named(claim.namespace)), None)
                marked = None if namespace is None else _tags([("claim", claim), ("namespace", namespace)])
                found.append((claim, marked))
            return found

    def volumes(self) -> list[Volume]:
        """All volumes."""
        with self._lock:
            return list(self._volumes.by_uid.values())

    def node_tags(self, name: str) -> str:
        """What a node is marked with."""
        node = self.node(name)
        return "{}" if node is None else _tags([("node", node)])

    def _placed(self, pod: Pod, *, is_gone: bool = False) -> Place:
        namespace = next(iter(self._namespaces.named(pod.namespace)), None)
        known = self._marked.get(pod.uid)
        if namespace is None or (is_gone and known is not None):
            # Of a pod that is gone the namespace may be, too, or may be another's by now: what was known then holds.
            return Place(pod, None if known is None else known[1])
        owners, complete = self._owners_of(pod.owner)
        node = next(iter(self._nodes.named(pod.node)), None)
        complete = complete and (node is not None or not pod.node)
        made_of = (pod, namespace, node, owners)
        if known is not None and (known[0] == made_of or not complete):
            # Of what is gone the marks hold as they were.
            return Place(pod, known[1])
        if not complete:
            waits_since = self._waits_since.setdefault(pod.uid, time.monotonic())
            if time.monotonic() < waits_since + OWNER_S or self.outdated():
                return Place(pod, None)
        self._waits_since.pop(pod.uid, None)
        about: list[tuple[str, _Marked]] = [("pod", pod), ("namespace", namespace)]
        about += [("node", node)] if node is not None else []
        about += [("owner", owner) for owner in owners]
        tags = _tags(about, _workload(pod, owners))
        self._marked[pod.uid] = (made_of, tags)
        self._forget_marks()
        return Place(pod, tags)

    def _owners_of(self, owner: Owner | None) -> tuple[tuple[Named, ...], bool]:
        """What made a pod, and what made that; and whether nothing is missing."""
        found: list[Named] = []
        while owner is not None and owner.kind in OWNERS and len(found) < _OWNERS_DEEP_MAX:
            value = self._owners.by_uid.get(owner.uid)
            if value is None:
                return tuple(found), False
            found.append(value)
            owner = value.owner
        return tuple(found), True

    def _forget_marks(self) -> None:
        if len(self._marked) > 2 * (len(self._pods.by_uid) + len(self._gone)) + 1_000:
            alive = self._pods.by_uid.keys() | {pod.uid for pod in self._gone}
            self._marked = {uid: marked for uid, marked in self._marked.items() if uid in alive}
            self._waits_since = {uid: since for uid, since in self._waits_since.items() if uid in alive}


class _Marked(Protocol):
    @property
    def labels(self) -> objects.Marks: ...

    @property
    def annotations(self) -> objects.Marks: ...


def _tags(about: Sequence[tuple[str, _Marked]], more: Mapping[str, str] | None = None) -> str:
    """``pod.label.app``, ``namespace.annotation.owner`` ...: of several owners the nearest wins."""
    tags: dict[str, str] = dict(more or {})
    for what, marked in about:
        for sort, marks in (("label", marked.labels), ("annotation", marked.annotations)):
            for name, text in marks:
                tags.setdefault(f"{what}.{sort}.{name}", text)
    return canonical_json(tags)


def _workload(pod: Pod, owners: Sequence[Named]) -> dict[str, str]:
    """What the pod is part of: the Deployment and not its ReplicaSet, the CronJob and not its Job."""
    kind, name = "Pod", pod.name
    owner = pod.owner
    for value in (*owners, None):
        if owner is not None:
            kind, name = owner.kind, owner.name
        owner = None if value is None else value.owner
    return {"workload.kind": kind, "workload.name": name}


class _Both(Generic[U]):
    """One collection kept on two shelves."""

    def __init__(self, *shelves: _Shelf[U]) -> None:
        self._shelves = shelves

    def replace(self, present: list[U]) -> None:
        for shelf in self._shelves:
            shelf.replace(present)

    def changed(self, value: U) -> None:
        for shelf in self._shelves:
            shelf.changed(value)

    def removed(self, value: U) -> None:
        for shelf in self._shelves:
            shelf.removed(value)


class _Part(Generic[U]):
    """One of several collections that share a shelf."""

    def __init__(self, shelf: _Shelf[U]) -> None:
        self._shelf = shelf

    def replace(self, present: list[U]) -> None:
        # What vanished was told as removed before.
        for value in present:
            self._shelf.changed(value)

    def changed(self, value: U) -> None:
        self._shelf.changed(value)

    def removed(self, value: U) -> None:
        self._shelf.removed(value)

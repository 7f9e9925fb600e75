"""Objects of the API server as small values: of a pod of 10 kB a meter wants 300 bytes.

Field names are those of the API ("Kubernetes API Reference", core/v1). What is missing is empty, not an error; an object without a
name or UID is of no use, and None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from collector.kubernetes.quantities import quantity
from meterbook.wire import instants

Marks = tuple[tuple[str, str], ...]
Amounts = tuple[tuple[str, Decimal], ...]

#: Annotations longer than this are documents, such as what was last applied: they name no tenant.
_MARK_CHARACTERS_MAX = 512
#: Runs of a container that are remembered. They are booked at every poll, and follow each other by ten seconds at least.
_INSTANCES_MAX = 32
#: Nothing in a cluster began before this: 2014, when there was no Kubernetes.
_ERA_US = 1_388_534_400 * 1_000_000
_MIRROR = "kubernetes.io/config.mirror"
_CONTAINERS = (
    ("init", "initContainers", "initContainerStatuses"),
    ("app", "containers", "containerStatuses"),
    ("ephemeral", "ephemeralContainers", "ephemeralContainerStatuses"),
)


@dataclass(frozen=True)
class Instance:
    """One run of a container: when it began and ended (None: it runs), in microseconds; the API tells whole seconds."""

    started_us: int
    finished_us: int | None = None


@dataclass(frozen=True)
class Container:
    """A container of a pod with what it asks for and may use, and the runs that are known of it.

    ``unseen`` are runs of which no status told: it has restarted more often than it was seen to.
    """

    name: str
    kind: str
    requests: Amounts
    limits: Amounts
    restarts: int
    instances: tuple[Instance, ...]
    unseen: int = 0


@dataclass(frozen=True)
class Owner:
    """What an object was made by."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class Pod:
    """``uid`` is the API server's; ``static_uid`` is what the kubelet calls a static pod of which this is the mirror."""

    namespace: str
    name: str
    uid: str
    static_uid: str
    node: str
    host_network: bool
    labels: Marks
    annotations: Marks
    owner: Owner | None
    containers: tuple[Container, ...]
    claims: Marks

    @property
    def kubelet_uid(self) -> str:
        """The UID under which its kubelet speaks of it."""
        return self.static_uid or self.uid


@dataclass(frozen=True)
class Node:
    """``addresses`` are (type, address) in the order of the object; ``port`` is its kubelet's, which says it is ``ready``."""

    name: str
    uid: str
    labels: Marks
    annotations: Marks
    addresses: Marks
    port: int
    ready: bool
    capacity: Amounts
    allocatable: Amounts


@dataclass(frozen=True)
class Named:
    """A namespace, or something that owns pods."""

    namespace: str
    name: str
    uid: str
    labels: Marks
    annotations: Marks
    owner: Owner | None


@dataclass(frozen=True)
class Claim:
    """A claim for a volume, and the capacity that it has got, in bytes; None while it waits."""

    namespace: str
    name: str
    uid: str
    labels: Marks
    annotations: Marks
    storage_class: str
    volume: str
    capacity_bytes: Decimal | None


@dataclass(frozen=True)
class Volume:
    """A volume, and the claim that has it: namespace and name, or nothing."""

    name: str
    uid: str
    storage_class: str
    claim: str
    capacity_bytes: Decimal | None


def pod(document: Mapping[str, Any]) -> Pod | None:
    """A pod."""
    meta, spec, status = _meta(document), document.get("spec") or {}, document.get("status") or {}
    if meta is None:
        return None
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    claims = [
        (str(volume.get("name")), str(volume["persistentVolumeClaim"].get("claimName")))
        for volume in spec.get("volumes") or ()
        if volume.get("persistentVolumeClaim")
    ]
    return Pod(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        # Anybody can write an annotation; a mirror pod is owned by its node, which only its kubelet can be.
        static_uid=str(annotations.get(_MIRROR, "")) if meta.owner is not None and meta.owner.kind == "Node" else "",
        node=str(spec.get("nodeName") or ""),
        host_network=bool(spec.get("hostNetwork")),
        labels=meta.labels,
        annotations=meta.annotations,
        owner=meta.owner,
        containers=tuple(_containers(spec, status)),
        claims=tuple(claims),
    )


def merged(before: Pod, after: Pod) -> Pod:
    """The pod as it is now, with the runs that it told of before: a status has the last two of a container only."""
    known = {(each.kind, each.name): each for each in before.containers}
    containers = []
    for each in after.containers:
        old = known.get((each.kind, each.name))
        containers.append(each if old is None else _with_runs_of(old, each))
    return replace(after, containers=tuple(containers))


def _with_runs_of(before: Container, after: Container) -> Container:
    found = {each.started_us: each for each in (*before.instances, *after.instances)}
    # What ended, ended: an older status may come again after a list.
    for each in before.instances:
        if each.finished_us is not None:
            found[each.started_us] = each
    added = sum(1 for each in after.instances if each.started_us not in {old.started_us for old in before.instances})
    unseen = before.unseen + max(0, after.restarts - before.restarts - added)
    instances = tuple(found[started_us] for started_us in sorted(found))[-_INSTANCES_MAX:]
    return replace(after, instances=instances, restarts=max(before.restarts, after.restarts), unseen=unseen)


def node(document: Mapping[str, Any]) -> Node | None:
    """A node."""
    meta, status = _meta(document), document.get("status") or {}
    if meta is None:
        return None
    endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
    return Node(
        name=meta.name,
        uid=meta.uid,
        labels=meta.labels,
        annotations=meta.annotations,
        addresses=tuple((str(each.get("type")), str(each.get("address"))) for each in status.get("addresses") or ()),
        port=int(endpoint.get("Port") or 0),
        ready=any(
            each.get("type") == "Ready" and each.get("status") == "True" for each in status.get("conditions") or ()
        ),
        capacity=_amounts(status.get("capacity")),
        allocatable=_amounts(status.get("allocatable")),
    )


def named(document: Mapping[str, Any]) -> Named | None:
    """A namespace, ReplicaSet, Job or the like."""
    return _meta(document)


def claim(document: Mapping[str, Any]) -> Claim | None:
    """A PersistentVolumeClaim."""
    meta, spec = _meta(document), document.get("spec") or {}
    if meta is None:
        return None
    capacity = dict(_amounts((document.get("status") or {}).get("capacity"))).get("storage")
    storage_class, volume = str(spec.get("storageClassName") or ""), str(spec.get("volumeName") or "")
    about = (meta.namespace, meta.name, meta.uid, meta.labels, meta.annotations)
    return Claim(*about, storage_class, volume, capacity)


def volume(document: Mapping[str, Any]) -> Volume | None:
    """A PersistentVolume."""
    meta, spec = _meta(document), document.get("spec") or {}
    if meta is None:
        return None
    reference = spec.get("claimRef") or {}
    claimed = f"{reference.get('namespace')}/{reference.get('name')}" if reference else ""
    capacity = dict(_amounts(spec.get("capacity"))).get("storage")
    return Volume(meta.name, meta.uid, str(spec.get("storageClassName") or ""), claimed, capacity)


def _meta(document: Mapping[str, Any]) -> Named | None:
    meta = document.get("metadata") or {}
    if not meta.get("name") or not meta.get("uid"):
        return None
    owners = [each for each in meta.get("ownerReferences") or () if each.get("controller")]
    owner = Owner(str(owners[0].get("kind")), str(owners[0].get("name")), str(owners[0].get("uid"))) if owners else None
    return Named(
        str(meta.get("namespace") or ""),
        str(meta["name"]),
        str(meta["uid"]),
        _marks(meta.get("labels")),
        _marks(meta.get("annotations")),
        owner,
    )


def _marks(found: Mapping[str, Any] | None) -> Marks:
    return tuple(
        sorted((str(key), str(text)) for key, text in (found or {}).items() if len(str(text)) <= _MARK_CHARACTERS_MAX)
    )


def _amounts(found: Mapping[str, Any] | None) -> Amounts:
    amounts = []
    for name, text in sorted((found or {}).items()):
        try:
            amounts.append((str(name), quantity(text)))
        except ValueError:
            continue  # the API server refuses such a thing: it is none of ours to guess at
    return tuple(amounts)


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[Container]:
    for kind, specs, statuses in _CONTAINERS:
        by_name = {each.get("name"): each for each in status.get(statuses) or ()}
        for each in spec.get(specs) or ():
            told = by_name.get(each.get("name")) or {}
            # What is allocated, where the status says so: a resize in place is told there once it is done.
            resources = told.get("resources") or each.get("resources") or {}
            wanted = each.get("resources") or {}
            sidecar = kind == "init" and each.get("restartPolicy") == "Always"
            yield Container(
                name=str(each.get("name")),
                kind="sidecar" if sidecar else kind,
                requests=_amounts(resources.get("requests") or wanted.get("requests")),
                limits=_amounts(resources.get("limits") or wanted.get("limits")),
                restarts=int(told.get("restartCount") or 0),
                instances=tuple(_instances(told)),
            )


def _instances(status: Mapping[str, Any]) -> Iterable[Instance]:
    """The runs that a container's status tells of: the one before, and the present or last one."""
    for state in (status.get("lastState") or {}, status.get("state") or {}):
        running, terminated = state.get("running") or {}, state.get("terminated") or {}
        started = _time_us(running.get("startedAt") or terminated.get("startedAt"))
        # Of a container that could not be started the runtime says that it began in 1970: it never ran.
        if started is None or started < _ERA_US:
            continue
        finished = _time_us(terminated.get("finishedAt")) if terminated else None
        if terminated and finished is None:
            continue
        yield Instance(started, None if finished is None else max(started, finished))


def _time_us(text: object) -> int | None:
    try:
        return instants.parse(str(text)) if text else None
    except ValueError:
        return None

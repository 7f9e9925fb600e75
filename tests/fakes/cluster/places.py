"""Where pods are: nodes, namespaces, claims and the owners above them, each with what happens to it, and when."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.fakes.cluster.clock import FOREVER, SECOND
from tests.fakes.cluster.loads import Load, Profile, Timeline, Traffic, steady, steady_load

GIB = 1 << 30


def phase_of(key: str) -> float:
    """A number in [0, 1) that is always the same for a key, and differs from key to key."""
    return zlib.crc32(key.encode()) / 2**32


@dataclass(frozen=True)
class Housekeeping:
    """When cAdvisor reads a cgroup: first within ``interval_us`` of its begin, by a phase of its own, then every interval.

    The real one reads for the first time at once (``immediate``), and adds up to a whole interval of its own to every
    wait (``jitter`` 1): github.com/google/cadvisor, manager/container.go, ``housekeeping`` and ``jitter``.
    """

    interval_us: int = 10 * SECOND
    jitter: float = 0.0
    immediate: bool = False

    def last(self, key: str, begin_us: int, now_us: int) -> int | None:
        """The newest reading by now of the cgroup that began; None before the first one."""
        first_us = self.first(key, begin_us)
        if now_us < first_us:
            return None
        turn = (now_us - first_us) // self.interval_us
        if not self.jitter:
            return first_us + turn * self.interval_us
        late_us = self._late_us(key, turn)
        if first_us + turn * self.interval_us + late_us > now_us:
            turn -= 1
            late_us = self._late_us(key, turn)
        return first_us + turn * self.interval_us + late_us

    def first(self, key: str, begin_us: int) -> int:
        """When the cgroup that began is read for the first time."""
        return begin_us + (50_000 if self.immediate else int(phase_of(key) * self.interval_us))

    def _late_us(self, key: str, turn: int) -> int:
        return int(self.jitter * phase_of(f"{key}/{turn}") * self.interval_us) if turn > 0 else 0


#: A node as recorded from kubelet 1.34 and containerd: ``world.node(name, **AS_RECORDED)``. The numbers of young containers are of
#: now while their pod's are still those of its first moment, and less.
AS_RECORDED: dict[str, Any] = {"housekeeping": Housekeeping(jitter=1.0, immediate=True), "runtime_stats": True}


@dataclass(frozen=True)
class Down:
    """A time in which a kubelet does not answer: it refuses connections, or says nothing at all."""

    begin_us: int
    end_us: int = FOREVER
    silent: bool = False


@dataclass
class Node:
    """A machine with a kubelet. Its clock is ``clock_offset_us`` ahead of the cluster's: all that the kubelet stamps is."""

    name: str
    uid: str
    created_us: int
    cpu_millicores: int = 4_000
    memory_bytes: int = 16 * GIB
    ephemeral_bytes: int = 100 * GIB
    gpus: int = 0
    pods_max: int = 110
    #: What the system keeps for itself of the capacity.
    reserved_millicores: int = 100
    reserved_bytes: int = GIB
    #: Empty on bare metal.
    provider_id: str = ""
    labels: Timeline[dict[str, str]] = field(default_factory=lambda: Timeline({}))
    annotations: Timeline[dict[str, str]] = field(default_factory=lambda: Timeline({}))
    cgroup: Literal[1, 2] = 2
    cgroup_driver: Literal["cgroupfs", "systemd"] = "systemd"
    #: What container_fs_* shows: everything, zeros, nothing, or each for a third of the containers (cAdvisor #2881, #3047).
    file_io: Literal["right", "zero", "missing", "some"] = "right"
    devices: tuple[str, ...] = ("/dev/sda",)
    housekeeping: Housekeeping = field(default_factory=Housekeeping)
    #: Whether a container that cAdvisor has not read twice is told by the runtime instead, as of now (containerd does).
    runtime_stats: bool = False
    clock_offset_us: int = 0
    #: How much later than it happens the kubelet writes what became of a pod.
    status_delay_us: int = 1 * SECOND
    #: What runs beside the pods.
    system: Load = field(default_factory=lambda: steady_load(80, 600 << 20, 2_000, 20_000, 8 * GIB))
    traffic: Traffic = field(default_factory=lambda: Traffic(steady(3_000), steady(5_000)))
    downs: list[Down] = field(default_factory=list)
    boots: list[int] = field(default_factory=list)
    #: When it stopped for ever, and when its object went.
    lost_us: int = FOREVER
    gone_us: int = FOREVER
    #: Where its kubelet listens; the kubelets fill it in.
    port: int = 10250

    def __post_init__(self) -> None:
        if not self.boots:
            self.boots.append(self.created_us)

    def booted_us(self, at_us: int) -> int:
        """The last boot by an instant."""
        return max((boot for boot in self.boots if boot <= at_us), default=self.boots[0])

    def down(self, at_us: int) -> Down | None:
        """Whether, and how, the kubelet does not answer."""
        return next((down for down in self.downs if down.begin_us <= at_us < down.end_us), None)

    def edges(self) -> list[int]:
        downs = [edge for down in self.downs for edge in (down.begin_us + 40 * SECOND, down.end_us)]
        named = [*self.labels.edges(), *self.annotations.edges()]
        return [self.created_us, self.gone_us, *self.boots, *downs, *named]


@dataclass
class Namespace:
    """Named space; a second one of the same name has another UID."""

    name: str
    uid: str
    created_us: int
    labels: Timeline[dict[str, str]] = field(default_factory=lambda: Timeline({}))
    annotations: Timeline[dict[str, str]] = field(default_factory=lambda: Timeline({}))
    deleted_us: int = FOREVER
    gone_us: int = FOREVER

    def edges(self) -> list[int]:
        return [self.created_us, self.deleted_us, self.gone_us, *self.labels.edges(), *self.annotations.edges()]


@dataclass
class Claim:
    """A PersistentVolumeClaim, bound to a volume of its own from the beginning."""

    namespace: str
    name: str
    uid: str
    created_us: int
    capacity_bytes: int = 10 * GIB
    storage_class: str = "standard"
    #: Offsets count from its creation.
    used_bytes: Profile = field(default_factory=lambda: steady(GIB))
    labels: Timeline[dict[str, str]] = field(default_factory=lambda: Timeline({}))
    gone_us: int = FOREVER

    @property
    def volume(self) -> str:
        return f"pvc-{self.uid}"

    def edges(self) -> list[int]:
        return [self.created_us, self.gone_us, *self.labels.edges()]


@dataclass
class Owner:
    """What stands above a pod: a ReplicaSet below its Deployment, a Job below its CronJob, a StatefulSet, a DaemonSet."""

    kind: Literal["ReplicaSet", "Deployment", "Job", "CronJob", "StatefulSet", "DaemonSet"]
    namespace: str
    name: str
    uid: str
    created_us: int
    parent: Owner | None = None
    labels: Timeline[dict[str, str]] = field(default_factory=lambda: Timeline({}))
    annotations: Timeline[dict[str, str]] = field(default_factory=lambda: Timeline({}))
    gone_us: int = FOREVER

    def edges(self) -> list[int]:
        return [self.created_us, self.gone_us, *self.labels.edges(), *self.annotations.edges()]

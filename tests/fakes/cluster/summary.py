"""The answer of a kubelet to /stats/summary, in the form of k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go (v0.34).

What a kubelet does that the types do not say (kubernetes 1.34, pkg/kubelet/stats, cri_stats_provider.go): only containers that run
are shown, and only pods that have one; the start of a container is when the runtime created it, that of a pod when its
sandbox was; pod CPU and memory are those of the pod's cgroup; a pod on the host's network shows the host's interface.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.cluster.clock import MINUTE
from tests.fakes.cluster.places import phase_of
from tests.fakes.cluster.readings import ContainerReading, NodeReadings, PodReading, Reading
from tests.fakes.cluster.timestamps import rfc3339

Json = dict[str, Any]
_INODES = 6_553_600


def summary(found: NodeReadings, *, only_cpu_and_memory: bool = False) -> Json:
    """The whole answer; ``only_cpu_and_memory`` is the parameter of that name in the URL."""
    pods = [_pod(found, pod, brief=only_cpu_and_memory) for pod in found.pods if pod.containers]
    return {"node": _node(found, brief=only_cpu_and_memory), "pods": pods}


def _node(found: NodeReadings, *, brief: bool) -> Json:
    node = found.node
    system = Reading(
        found.root.taken_us,
        found.root.time_us,
        found.root.cpu_ns - found.pods_root.cpu_ns,
        found.root.cpu_millicores - found.pods_root.cpu_millicores,
        found.root.memory_bytes - found.pods_root.memory_bytes,
    )
    booted = rfc3339(found.stamp(found.booted_us))
    shown: Json = {
        "nodeName": node.name,
        "systemContainers": [
            {"name": "kubelet", "startTime": booted, **_cpu_and_memory(system)},
            {"name": "pods", "startTime": booted, **_cpu_and_memory(found.pods_root, node.memory_bytes)},
        ],
        "startTime": booted,
        **_cpu_and_memory(found.root, node.memory_bytes),
        "swap": {"time": rfc3339(found.root.time_us), "swapAvailableBytes": 0, "swapUsageBytes": 0},
    }
    if not brief:
        used_bytes = node.system.disk_bytes.at(found.root.taken_us - found.booted_us)
        shown["network"] = _network("eth0", found.root.time_us, *found.host_network(found.root.taken_us))
        shown["fs"] = _fs(found, found.root.time_us, used_bytes)
        shown["runtime"] = {
            "imageFs": _fs(found, found.root.time_us, used_bytes // 2),
            "containerFs": _fs(found, found.root.time_us, used_bytes // 2),
        }
        shown["rlimit"] = {
            "time": rfc3339(found.stamp(found.now_us)),
            "maxpid": 32768,
            "curproc": 200 + len(found.pods),
        }
    return shown


def _pod(found: NodeReadings, seen: PodReading, *, brief: bool) -> Json:
    pod = seen.pod
    shown: Json = {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.kubelet_uid},
        "startTime": rfc3339(found.stamp(seen.sandbox.begin_us)),
        "containers": [_container(found, each, brief=brief) for each in seen.containers],
    }
    if seen.reading is not None:
        shown |= _cpu_and_memory(seen.reading)
        shown["swap"] = {"time": rfc3339(seen.reading.time_us), "swapUsageBytes": 0}
    if brief:
        return shown
    if seen.network_us is not None:
        shown["network"] = _network("eth0", found.stamp(seen.network_us), *found.network(seen, seen.network_us))
    # Volumes are measured by a loop of their own, once a minute.
    phase_us = int(phase_of(pod.uid) * MINUTE)
    measured_us = (found.now_us - phase_us) // MINUTE * MINUTE + phase_us
    if measured_us >= seen.sandbox.begin_us:
        shown["volume"] = [_service_account(found, measured_us), *_claims(found, seen, measured_us)]
    taken_us = seen.reading.taken_us if seen.reading else found.now_us
    disk = sum(each.instance.load.disk_bytes.at(max(0, taken_us - each.instance.begin_us)) for each in seen.containers)
    shown["ephemeral-storage"] = _fs(found, found.stamp(taken_us), disk + 8192)
    shown["process_stats"] = {"process_count": len(seen.containers)}
    return shown


def _container(found: NodeReadings, seen: ContainerReading, *, brief: bool) -> Json:
    container, instance, reading = seen
    shown: Json = {"name": container.name, "startTime": rfc3339(found.stamp(instance.created_us))}
    if reading is None:
        return shown
    limit = container.limits.at(reading.taken_us).memory_bytes
    shown |= _cpu_and_memory(reading, limit)
    if not brief:
        disk = instance.load.disk_bytes.at(reading.taken_us - instance.begin_us)
        shown["rootfs"] = _fs(found, reading.time_us, disk)
        shown["logs"] = _fs(found, reading.time_us, 4096)
    shown["swap"] = {"time": rfc3339(reading.time_us), "swapAvailableBytes": 0, "swapUsageBytes": 0}
    return shown


def _cpu_and_memory(reading: Reading, limit_bytes: int | None = None) -> Json:
    time = rfc3339(reading.time_us)
    memory: Json = {
        "time": time,
        "usageBytes": reading.memory_bytes + reading.memory_bytes // 8,
        "workingSetBytes": reading.memory_bytes,
        "rssBytes": reading.memory_bytes - reading.memory_bytes // 8,
        "pageFaults": reading.memory_bytes // 4096,
        "majorPageFaults": 0,
    }
    if limit_bytes:
        memory["availableBytes"] = max(0, limit_bytes - reading.memory_bytes)
    cpu = {
        "time": time,
        "usageNanoCores": reading.cpu_millicores * 1_000_000,
        "usageCoreNanoSeconds": reading.cpu_ns,
    }
    return {"cpu": cpu, "memory": memory}


def _network(interface: str, time_us: int, received: int, sent: int) -> Json:
    one = {"name": interface, "rxBytes": received, "rxErrors": 0, "txBytes": sent, "txErrors": 0}
    return {"time": rfc3339(time_us), **one, "interfaces": [one]}


def _fs(found: NodeReadings, time_us: int, used_bytes: int) -> Json:
    capacity = found.node.ephemeral_bytes
    return {
        "time": rfc3339(time_us),
        "availableBytes": max(0, capacity - used_bytes),
        "capacityBytes": capacity,
        "usedBytes": used_bytes,
        "inodesFree": _INODES - 9_000,
        "inodes": _INODES,
        "inodesUsed": 9_000,
    }


def _service_account(found: NodeReadings, measured_us: int) -> Json:
    """The projected token that every pod has."""
    return {
        "time": rfc3339(found.stamp(measured_us)),
        "availableBytes": found.node.memory_bytes - 12_288,
        "capacityBytes": found.node.memory_bytes,
        "usedBytes": 12_288,
        "inodesFree": 2_000_000,
        "inodes": 2_000_009,
        "inodesUsed": 9,
        "name": "kube-api-access",
    }


def _claims(found: NodeReadings, seen: PodReading, measured_us: int) -> list[Json]:
    shown = []
    for claim in seen.pod.claims:
        used = claim.used_bytes.at(max(0, measured_us - claim.created_us))
        shown.append(
            {
                "time": rfc3339(found.stamp(measured_us)),
                "availableBytes": max(0, claim.capacity_bytes - used),
                "capacityBytes": claim.capacity_bytes,
                "usedBytes": used,
                "inodesFree": _INODES - 11,
                "inodes": _INODES,
                "inodesUsed": 11,
                "name": claim.name,
                "pvcRef": {"name": claim.name, "namespace": claim.namespace},
            }
        )
    return shown

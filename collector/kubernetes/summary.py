"""What ``/stats/summary`` says: pods and their containers, with the time of each number.

Source: k8s.io/kubelet, ``pkg/apis/stats/v1alpha1/types.go``. Every number may be missing, and is then left out. Times are those
that the kubelet gives: a number may be older than the answer by twenty seconds, and is booked where it belongs.

CPU is the pod's, from its cgroup, which has all containers, the ended ones too, and the pod's overhead. Until a pod's cgroup
has been read twice the kubelet shows 0 for it, while it shows live numbers of the containers: their sum is used if it is more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collector.errors import TransientError
from collector.kubernetes.book import Labels, Metric
from meterbook.wire import instants

POD_CPU = Metric("pod_cpu_usage_seconds_total", "counter", "seconds", steady=True)
POD_MEMORY = Metric("pod_memory_working_set_bytes", "gauge", "bytes")
POD_RECEIVED = Metric("pod_network_receive_bytes_total", "counter", "bytes")
POD_SENT = Metric("pod_network_transmit_bytes_total", "counter", "bytes")
POD_STORAGE = Metric("pod_ephemeral_storage_used_bytes", "gauge", "bytes")
POD_VOLUME = Metric("pod_volume_used_bytes", "gauge", "bytes")
CONTAINER_CPU = Metric("container_cpu_usage_seconds_total", "counter", "seconds")
CONTAINER_MEMORY = Metric("container_memory_working_set_bytes", "gauge", "bytes")
NODE_CPU = Metric("node_cpu_usage_seconds_total", "counter", "seconds")
NODE_MEMORY = Metric("node_memory_working_set_bytes", "gauge", "bytes")
NODE_RECEIVED = Metric("node_network_receive_bytes_total", "counter", "bytes")
NODE_SENT = Metric("node_network_transmit_bytes_total", "counter", "bytes")
NODE_STORAGE = Metric("node_filesystem_used_bytes", "gauge", "bytes")

_NANO = 1e9


@dataclass(frozen=True)
class Value:
    """One number: of what, since when it counts, and at what time."""

    metric: Metric
    labels: Labels
    start_us: int | None
    time_us: int
    value: float


@dataclass(frozen=True)
class PodUsage:
    """A pod as its kubelet names it, and its numbers."""

    namespace: str
    name: str
    uid: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Usage:
    """What a node shows: its own numbers, and those of its pods."""

    node: tuple[Value, ...]
    pods: tuple[PodUsage, ...]


def usage(place: str, body: bytes, now_us: int) -> Usage:
    """The numbers of an answer; ``now_us`` is the time of those without one. Raises TransientError for what is no summary."""
    try:
        document = json.loads(body)
        node = document["node"]
        pods = [_pod(pod, now_us) for pod in document.get("pods") or ()]
        return Usage(tuple(_node(node, now_us)), tuple(pods))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TransientError(f"{place} answered no summary: {type(error).__name__} {str(error)[:100]}") from None


def _node(node: Mapping[str, Any], now_us: int) -> Iterator[Value]:
    start_us = _time(node.get("startTime"), None)
    yield from _cpu(node, NODE_CPU, (), start_us, now_us)
    yield from _memory(node, NODE_MEMORY, (), now_us)
    yield from _network(node.get("network") or {}, (NODE_RECEIVED, NODE_SENT), start_us, now_us)
    yield from _used(node.get("fs") or {}, NODE_STORAGE, (), now_us)


def _pod(pod: Mapping[str, Any], now_us: int) -> PodUsage:
    reference = pod["podRef"]
    start_us = _time(pod.get("startTime"), None)
    containers = [(str(each["name"]), _time(each.get("startTime"), None), each) for each in pod.get("containers") or ()]
    values: list[Value] = []
    for name, began_us, each in containers:
        labels = (("container", name),)
        values += _cpu(each, CONTAINER_CPU, labels, began_us, now_us)
        values += _memory(each, CONTAINER_MEMORY, labels, now_us)
    live = [value for value in values if value.metric is CONTAINER_CPU]
    values += _pod_cpu(list(_cpu(pod, POD_CPU, (), start_us, now_us)), live, start_us)
    values += _memory(pod, POD_MEMORY, (), now_us)
    values += _network(pod.get("network") or {}, (POD_RECEIVED, POD_SENT), start_us, now_us)
    values += _used(pod.get("ephemeral-storage") or {}, POD_STORAGE, (), now_us)
    for volume in pod.get("volume") or ():
        claim = (volume.get("pvcRef") or {}).get("name")
        labels = (("volume", str(volume.get("name"))), *((("persistentvolumeclaim", str(claim)),) if claim else ()))
        values += _used(volume, POD_VOLUME, labels, now_us)
    return PodUsage(str(reference["namespace"]), str(reference["name"]), str(reference["uid"]), tuple(values))


def _pod_cpu(told: list[Value], live: list[Value], start_us: int | None) -> list[Value]:
    """The pod's own CPU, or the sum of its containers' where that is more."""
    if not live:
        return told
    total = sum(value.value for value in live)
    if told and told[0].value >= total:
        return told
    # As of the youngest of them, by when it was that much at least: nothing is counted before it was used.
    return [Value(POD_CPU, (), start_us, max(value.time_us for value in live), total)]


def _cpu(
    about: Mapping[str, Any], metric: Metric, labels: Labels, start_us: int | None, now_us: int
) -> Iterator[Value]:
    found = about.get("cpu") or {}
    nanoseconds = found.get("usageCoreNanoSeconds")
    if nanoseconds is not None:
        yield Value(metric, labels, start_us, _time(found.get("time"), now_us), int(nanoseconds) / _NANO)


def _memory(about: Mapping[str, Any], metric: Metric, labels: Labels, now_us: int) -> Iterator[Value]:
    found = about.get("memory") or {}
    amount = found.get("workingSetBytes")
    if amount is not None:
        yield Value(metric, labels, None, _time(found.get("time"), now_us), float(amount))


def _network(
    found: Mapping[str, Any], metrics: tuple[Metric, Metric], start_us: int | None, now_us: int
) -> Iterator[Value]:
    time_us = _time(found.get("time"), now_us)
    interfaces = found.get("interfaces") or ([found] if found.get("name") is not None else [])
    for each in interfaces:
        labels = (("interface", str(each.get("name"))),)
        for metric, field in zip(metrics, ("rxBytes", "txBytes"), strict=True):
            if each.get(field) is not None:
                yield Value(metric, labels, start_us, time_us, float(each[field]))


def _used(found: Mapping[str, Any], metric: Metric, labels: Labels, now_us: int) -> Iterator[Value]:
    if found.get("usedBytes") is not None:
        yield Value(metric, labels, None, _time(found.get("time"), now_us), float(found["usedBytes"]))


def _time(text: object, otherwise: Any) -> Any:
    return instants.parse(str(text)) if text else otherwise

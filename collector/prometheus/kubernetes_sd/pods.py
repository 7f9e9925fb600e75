"""Pods as values, and as targets: one for each port that a container declares, or one for a container that declares none.

The labels are those of Prometheus' role ``pod`` (discovery/kubernetes/pod.go). For the role itself a pod that has ended is no target:
its address may be another's by now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collector.prometheus.kubernetes_sd.groups import Group, Labels, host
from collector.prometheus.kubernetes_sd.meta import NAMESPACE, PREFIX, about, texts

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Container:
    """A container: ``labels`` are its own, ``ports`` those that it declares, each with its number and its labels."""

    labels: Labels
    ports: tuple[tuple[int, Labels], ...]


@dataclass(frozen=True)
class Pod:
    """A pod, with what a target can show of it. ``address`` is empty until it has one."""

    uid: str
    namespace: str
    name: str
    address: str
    has_ended: bool
    labels: Labels
    about: Labels
    containers: tuple[Container, ...]

    @property
    def key(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


def pod_of(document: dict[str, Any]) -> Pod | None:
    """A pod of the API server; None for what is none."""
    meta, spec, status = document.get("metadata") or {}, document.get("spec") or {}, document.get("status") or {}
    if not meta.get("uid"):
        return None
    return Pod(
        str(meta["uid"]),
        str(meta.get("namespace", "")),
        str(meta.get("name", "")),
        str(status.get("podIP") or ""),
        status.get("phase") in _ENDED,
        texts(meta.get("labels")),
        _about(meta, spec, status),
        tuple(_containers(spec, status)),
    )


def pod_group(pod: Pod) -> Group:
    """A pod as targets; none where it has no address yet."""
    members = tuple(_members(pod)) if pod.address else ()
    return Group(pod.namespace, pod.labels, {**pod.about, NAMESPACE: pod.namespace}, members)


def _members(pod: Pod) -> Iterator[tuple[str, Labels]]:
    address = host(pod.address)
    for container in pod.containers:
        for number, labels in container.ports:
            yield f"{address}:{number}", {**container.labels, **labels}
        if not container.ports:
            yield address, container.labels


def _about(meta: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, str]:
    conditions = status.get("conditions") or ()
    ready = next((each.get("status") for each in conditions if each.get("type") == "Ready"), "unknown")
    found = {
        **about("pod", meta),
        f"{PREFIX}pod_uid": str(meta["uid"]),
        f"{PREFIX}pod_ip": str(status.get("podIP") or ""),
        f"{PREFIX}pod_host_ip": str(status.get("hostIP") or ""),
        f"{PREFIX}pod_node_name": str(spec.get("nodeName") or ""),
        f"{PREFIX}pod_phase": str(status.get("phase") or ""),
        f"{PREFIX}pod_ready": str(ready).lower(),
    }
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller"):
            found[f"{PREFIX}pod_controller_kind"] = str(owner.get("kind", ""))
            found[f"{PREFIX}pod_controller_name"] = str(owner.get("name", ""))
            break
    return found


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[Container]:
    for key, statuses, is_init in (
        ("containers", "containerStatuses", "false"),
        ("initContainers", "initContainerStatuses", "true"),
    ):
        ids = {each.get("name"): str(each.get("containerID", "")) for each in status.get(statuses) or ()}
        for container in spec.get(key) or ():
            labels = {
                f"{PREFIX}pod_container_name": str(container.get("name", "")),
                f"{PREFIX}pod_container_id": ids.get(container.get("name"), ""),
                f"{PREFIX}pod_container_image": str(container.get("image", "")),
                f"{PREFIX}pod_container_init": is_init,
            }
            yield Container(labels, tuple(_port(port) for port in container.get("ports") or ()))


def _port(port: Mapping[str, Any]) -> tuple[int, Labels]:
    number = int(port["containerPort"])
    labels = {
        f"{PREFIX}pod_container_port_name": str(port.get("name", "")),
        f"{PREFIX}pod_container_port_number": str(number),
        f"{PREFIX}pod_container_port_protocol": str(port.get("protocol", "TCP")),
    }
    return number, labels

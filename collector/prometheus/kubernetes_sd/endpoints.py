"""Endpoint slices as values, and as targets: what stands behind a service, with the labels of the service and of the pods.

The way is that of Prometheus' role ``endpointslice`` (discovery/kubernetes/endpointslice.go): one target for each port of each
address; ports that the pods declare beside those are targets, too; of a service with two families of addresses one is taken.
Slices are the API of today; ``Endpoints`` objects are not looked at. Rules that were written for the role ``endpoints`` find
their labels all the same: each target has both, but for the labels and annotations of the Endpoints object itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collector.prometheus.kubernetes_sd.groups import Group, Labels, host
from collector.prometheus.kubernetes_sd.meta import NAMESPACE, PREFIX, about, texts
from collector.prometheus.kubernetes_sd.pods import Pod
from collector.prometheus.kubernetes_sd.services import Service

_SERVICE_NAME = "kubernetes.io/service-name"
_SLICE = f"{PREFIX}endpointslice_"
_ENDPOINT = f"{PREFIX}endpoint_"


@dataclass(frozen=True)
class Endpoint:
    """Addresses of one endpoint; ``pod`` is namespace and name of the pod that it is, empty for another thing."""

    addresses: tuple[str, ...]
    labels: Labels
    pod: str


@dataclass(frozen=True)
class Slice:
    """A part of what stands behind a service; ``service`` is namespace and name of that, empty for a slice of nobody."""

    uid: str
    namespace: str
    name: str
    service: str
    family: str
    about: Labels
    ports: tuple[tuple[int | None, Labels], ...]
    endpoints: tuple[Endpoint, ...]

    @property
    def key(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


#: A slice, its service and the pods of its endpoints, each None where it is not known (yet), or is none.
Parts = tuple[Slice, Service | None, tuple[Pod | None, ...]]


def slice_of(document: dict[str, Any]) -> Slice | None:
    """An endpoint slice of the API server; None for what is none."""
    meta = document.get("metadata") or {}
    if not meta.get("uid"):
        return None
    namespace = str(meta.get("namespace", ""))
    service = texts(meta.get("labels")).get(_SERVICE_NAME, "")
    family = str(document.get("addressType", ""))
    labels = {**about("endpointslice", meta), NAMESPACE: namespace, f"{_SLICE}address_type": family}
    if service:
        labels[f"{PREFIX}endpoints_name"] = service
    return Slice(
        str(meta["uid"]),
        namespace,
        str(meta.get("name", "")),
        f"{namespace}/{service}" if service else "",
        family,
        labels,
        tuple(_port(port) for port in document.get("ports") or ()),
        tuple(_endpoint(endpoint) for endpoint in document.get("endpoints") or ()),
    )


def parts_of(found: Slice, services: Mapping[str, Service], pods: Mapping[str, Pod]) -> Parts:
    """What a group of targets is made of."""
    return (
        found,
        services.get(found.service),
        tuple(pods.get(each.pod) if each.pod else None for each in found.endpoints),
    )


def endpoint_group(parts: Parts) -> Group:
    """A slice as targets."""
    found, service, pods = parts
    shared = {**found.about, **(service.about if service is not None else {})}
    is_second = service is not None and service.family not in ("", found.family)
    members = () if is_second else (*_declared(found, pods), *_undeclared(found, pods))
    return Group(found.namespace, service.labels if service is not None else {}, shared, members)


def _declared(found: Slice, pods: tuple[Pod | None, ...]) -> Iterator[tuple[str, Labels]]:
    """A target for each port of each address."""
    for endpoint, pod in zip(found.endpoints, pods, strict=True):
        for number, of_port in found.ports:
            labels = {**endpoint.labels, **of_port}
            if pod is not None:
                labels |= pod.about
                for container in pod.containers:
                    for declared, of_container in container.ports:
                        if declared == number:
                            labels |= {**container.labels, **of_container}
                            break
                labels.pop(f"{PREFIX}pod_container_id", None)
            for address in endpoint.addresses:
                yield host(address) if number is None else f"{host(address)}:{number}", labels


def _undeclared(found: Slice, pods: tuple[Pod | None, ...]) -> Iterator[tuple[str, Labels]]:
    """A target for each port that a container declares and the service does not have."""
    numbers = {number for number, _ in found.ports}
    for pod in {pod.key: pod for pod in pods if pod is not None and pod.address}.values():
        for container in pod.containers:
            for number, of_port in container.ports:
                if number not in numbers and found.ports:
                    labels = {**container.labels, **of_port, **pod.about}
                    labels.pop(f"{PREFIX}pod_container_id", None)
                    yield f"{host(pod.address)}:{number}", labels


def _port(port: Mapping[str, Any]) -> tuple[int | None, Labels]:
    given = {
        "port_name": port.get("name"),
        "port_protocol": port.get("protocol"),
        "port": port.get("port"),
        "port_app_protocol": port.get("appProtocol"),
    }
    labels = {f"{_SLICE}{name}": str(text) for name, text in given.items() if text is not None}
    labels[f"{_ENDPOINT}port_name"] = str(port.get("name") or "")
    labels[f"{_ENDPOINT}port_protocol"] = str(port.get("protocol") or "TCP")
    return None if port.get("port") is None else int(port["port"]), labels


def _endpoint(endpoint: Mapping[str, Any]) -> Endpoint:
    conditions, target = endpoint.get("conditions") or {}, endpoint.get("targetRef") or {}
    given = {
        "endpoint_hostname": endpoint.get("hostname"),
        "endpoint_node_name": endpoint.get("nodeName"),
        "endpoint_zone": endpoint.get("zone"),
        "address_target_kind": target.get("kind"),
        "address_target_name": target.get("name"),
    }
    labels = {f"{_SLICE}{name}": str(text) for name, text in given.items() if text is not None}
    for name in ("ready", "serving", "terminating"):
        if conditions.get(name) is not None:
            labels[f"{_SLICE}endpoint_conditions_{name}"] = str(conditions[name]).lower()
    for name in ("hostname", "node_name"):
        if given[f"endpoint_{name}"] is not None:
            labels[f"{_ENDPOINT}{name}"] = str(given[f"endpoint_{name}"])
    for name in ("address_target_kind", "address_target_name"):
        if given[name] is not None:
            labels[f"{_ENDPOINT}{name}"] = str(given[name])
    # An endpoint that does not say is ready ("EndpointSlices", section "Conditions").
    labels[f"{_ENDPOINT}ready"] = "false" if conditions.get("ready") is False else "true"
    pod = f"{target.get('namespace', '')}/{target.get('name', '')}" if target.get("kind") == "Pod" else ""
    return Endpoint(tuple(str(each) for each in endpoint.get("addresses") or ()), labels, pod)

"""Services as values, and as targets: one for each port of a service, by the name that it has in the cluster.

The labels are those of Prometheus' role ``service`` (discovery/kubernetes/service.go). A target of this role is the service as a whole:
whichever of its pods answers, so that it is of use for probes and for services of one pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from collector.prometheus.kubernetes_sd.groups import Group, Labels
from collector.prometheus.kubernetes_sd.meta import NAMESPACE, PREFIX, about, texts


@dataclass(frozen=True)
class Service:
    """A service. ``ports`` are numbers, each with the labels of its target; ``family`` is the one of two that it prefers."""

    uid: str
    namespace: str
    name: str
    labels: Labels
    about: Labels
    ports: tuple[tuple[int, Labels], ...]
    family: str

    @property
    def key(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


def service_of(document: dict[str, Any]) -> Service | None:
    """A service of the API server; None for what is none."""
    meta, spec, status = document.get("metadata") or {}, document.get("spec") or {}, document.get("status") or {}
    if not meta.get("uid"):
        return None
    namespace = str(meta.get("namespace", ""))
    families = spec.get("ipFamilies") or ()
    has_two = spec.get("ipFamilyPolicy") in ("PreferDualStack", "RequireDualStack")
    return Service(
        str(meta["uid"]),
        namespace,
        str(meta.get("name", "")),
        texts(meta.get("labels")),
        {**about("service", meta), NAMESPACE: namespace},
        tuple(_ports(spec, status)),
        str(families[0]) if has_two and families else "",
    )


def service_group(service: Service) -> Group:
    """A service as targets."""
    name = f"{service.name}.{service.namespace}.svc"
    members = tuple((f"{name}:{number}", labels) for number, labels in service.ports)
    return Group(service.namespace, service.labels, service.about, members)


def _ports(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[tuple[int, Labels]]:
    kind = str(spec.get("type", "ClusterIP"))
    shared = {f"{PREFIX}service_type": kind}
    if kind == "ExternalName":
        shared[f"{PREFIX}service_external_name"] = str(spec.get("externalName", ""))
    else:
        shared[f"{PREFIX}service_cluster_ip"] = str(spec.get("clusterIP", ""))
    if kind == "LoadBalancer":
        given = [str(each["ip"]) for each in (status.get("loadBalancer") or {}).get("ingress") or () if each.get("ip")]
        shared[f"{PREFIX}service_loadbalancer_ip"] = ",".join(given) or str(spec.get("loadBalancerIP", ""))
    for port in spec.get("ports") or ():
        number = int(port["port"])
        yield (
            number,
            {
                **shared,
                f"{PREFIX}service_port_name": str(port.get("name", "")),
                f"{PREFIX}service_port_number": str(number),
                f"{PREFIX}service_port_protocol": str(port.get("protocol", "TCP")),
            },
        )

"""The rules of relabelling that stand for an endpoint of a monitor, in the order in which the Prometheus operator generates them.

Source: github.com/prometheus-operator/prometheus-operator, pkg/prometheus/promcfg.go, generateServiceMonitorConfig and
generatePodMonitorConfig, with ``selectorMechanism: RoleSelector``, ``serviceDiscoveryRole: EndpointSlice`` and one shard.
"""

from __future__ import annotations

from collections.abc import Iterator

from collector.prometheus.kubernetes_sd.meta import PREFIX, plain
from collector.prometheus.monitors.documents import Endpoint, Monitor, Rule, Spec
from collector.prometheus.relabeling import RelabelRule

_TARGET = (f"{PREFIX}endpointslice_address_target_kind", f"{PREFIX}endpointslice_address_target_name")
_JOB = RelabelRule(source_labels=("job",), target_label="__tmp_prometheus_job_name")
_RUNNING = RelabelRule(action="drop", source_labels=(f"{PREFIX}pod_phase",), regex="(Failed|Succeeded)")


def rules_of(monitor: Monitor, spec: Spec, endpoint: Endpoint) -> tuple[RelabelRule, ...]:
    """The rules for targets of one endpoint. Raises ValueError for one of the monitor's own that is none."""
    found = _service(spec, endpoint) if monitor.kind == "ServiceMonitor" else _pod(monitor, spec, endpoint)
    return (*found, *own_rules(endpoint.relabelings))


def own_rules(rules: tuple[Rule, ...]) -> tuple[RelabelRule, ...]:
    """Rules as monitors write them. Raises ValueError naming what is wrong with one."""
    made = []
    for rule in rules:
        given = {name: value for name, value in rule.model_dump(exclude_defaults=True).items() if value is not None}
        if "action" in given:
            given["action"] = given["action"].lower()
        made.append(RelabelRule.model_validate(given))
    return tuple(made)


def _service(spec: Spec, endpoint: Endpoint) -> Iterator[RelabelRule]:
    yield _JOB
    if endpoint.port:
        yield _keep("endpointslice_port_name", endpoint.port)
    else:
        yield from _by_target_port(endpoint)
    for kind, label in (("Node", "node"), ("Pod", "pod")):
        yield RelabelRule(
            source_labels=_TARGET, separator=";", regex=f"{kind};(.*)", replacement="${1}", target_label=label
        )
    yield _copy("namespace", "namespace")
    yield _copy("service_name", "service")
    yield _copy("pod_name", "pod")
    yield _copy("pod_container_name", "container")
    if endpoint.filter_running:
        yield _RUNNING
    for name in spec.target_labels:
        yield _copy(f"service_label_{plain(name)}", plain(name), unless_empty=True)
    for name in spec.pod_target_labels:
        yield _copy(f"pod_label_{plain(name)}", plain(name), unless_empty=True)
    yield RelabelRule(source_labels=(f"{PREFIX}service_name",), target_label="job", replacement="${1}")
    if spec.job_label:
        yield _copy(f"service_label_{plain(spec.job_label)}", "job", unless_empty=True)
    yield from _endpoint(endpoint)


def _pod(monitor: Monitor, spec: Spec, endpoint: Endpoint) -> Iterator[RelabelRule]:
    yield _JOB
    if endpoint.filter_running:
        yield _RUNNING
    if endpoint.port:
        yield _keep("pod_container_port_name", endpoint.port)
    elif endpoint.port_number:
        yield _keep("pod_container_port_number", str(endpoint.port_number))
    else:
        yield from _by_target_port(endpoint)
    yield _copy("namespace", "namespace")
    yield _copy("pod_container_name", "container")
    yield _copy("pod_name", "pod")
    for name in spec.pod_target_labels:
        yield _copy(f"pod_label_{plain(name)}", plain(name), unless_empty=True)
    yield RelabelRule(target_label="job", replacement=f"{monitor.namespace}/{monitor.name}")
    if spec.job_label:
        yield _copy(f"pod_label_{plain(spec.job_label)}", "job", unless_empty=True)
    yield from _endpoint(endpoint)


def _by_target_port(endpoint: Endpoint) -> Iterator[RelabelRule]:
    port = endpoint.target_port
    if isinstance(port, str) and port:
        yield _keep("pod_container_port_name", port)
    elif isinstance(port, int) and port:
        yield _keep("pod_container_port_number", str(port))


def _endpoint(endpoint: Endpoint) -> Iterator[RelabelRule]:
    """What the port is called becomes the label ``endpoint``."""
    port = endpoint.port or ("" if endpoint.target_port is None else str(endpoint.target_port))
    if port:
        yield RelabelRule(target_label="endpoint", replacement=port)


def _keep(meta: str, regex: str) -> RelabelRule:
    return RelabelRule(action="keep", source_labels=(PREFIX + meta,), regex=regex)


def _copy(meta: str, label: str, *, unless_empty: bool = False) -> RelabelRule:
    if unless_empty:
        return RelabelRule(source_labels=(PREFIX + meta,), target_label=label, regex="(.+)", replacement="${1}")
    return RelabelRule(source_labels=(PREFIX + meta,), target_label=label)

"""What the Prometheus operator makes of a chart's monitors: a configuration that scrapes a real program as if it ran in the chart's pod.

The operator finds a ServiceMonitor's Service, or a PodMonitor's pods, by their labels, and puts on every series where it came from. The
names of these labels, and what is in ``job``, are the operator's own; alerts and dashboards depend on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.helm.charts import Manifest, of_kind, one, pods


def scrape(objects: Sequence[Manifest], address: str) -> dict[str, Any]:
    """The configuration of the only monitor of a rendered chart; ``address`` is that of the program that takes the pod's place."""
    monitor = one(objects, "ServiceMonitor", "PodMonitor")
    name, spec = monitor["metadata"]["name"], monitor["spec"]
    namespace = monitor["metadata"]["namespace"]
    selected = spec["selector"]["matchLabels"]
    labels = {"namespace": namespace}
    if monitor["kind"] == "ServiceMonitor":
        (endpoint,) = spec["endpoints"]
        (service,) = (each for each in of_kind(objects, "Service") if _has(each, selected))
        (port,) = (each["targetPort"] for each in service["spec"]["ports"] if each["name"] == endpoint["port"])
        labels |= {"job": service["metadata"]["name"], "service": service["metadata"]["name"]}
        selected = service["spec"]["selector"]
    else:
        (endpoint,) = spec["podMetricsEndpoints"]
        labels |= {"job": f"{namespace}/{name}"}
        port = endpoint["port"]
    of, container = _container(objects, selected, port)
    labels |= {"pod": f"{of}-0", "container": container, "endpoint": endpoint["port"]}
    return {
        "job_name": f"{monitor['kind']}/{namespace}/{name}/0",
        "metrics_path": endpoint["path"],
        "static_configs": [{"targets": [address], "labels": labels}],
        "relabel_configs": [_snaked(each) for each in endpoint.get("relabelings", ())],
        "metric_relabel_configs": [_snaked(each) for each in endpoint.get("metricRelabelings", ())],
    }


def _container(objects: Sequence[Manifest], selected: Mapping[str, str], port: str) -> tuple[str, str]:
    """What the pods belong to that are selected, and which of their containers has the port."""
    (found,) = (
        (name.partition("/")[2], container["name"])
        for name, pod in pods(objects)
        if _has(pod, selected)
        for container in pod["spec"]["containers"]
        if port in {each["name"] for each in container.get("ports", ())}
    )
    return found


def _has(each: Manifest, labels: Mapping[str, str]) -> bool:
    return labels.items() <= each["metadata"].get("labels", {}).items()


def _snaked(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of the operator as Prometheus writes it."""
    return {re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name): value for name, value in rule.items()}

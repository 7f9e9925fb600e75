"""Objects of the API as short calls: pods, services, the slices between them, and monitors, as their controllers write them."""

from __future__ import annotations

from typing import Any


def pod(
    name: str,
    ip: str,
    *,
    ports: dict[str, int] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    namespace: str = "shop",
    phase: str = "Running",
    node: str = "node-a",
) -> dict[str, Any]:
    """A pod with one container, ``app``."""
    declared = [{"name": key, "containerPort": number, "protocol": "TCP"} for key, number in (ports or {}).items()]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "labels": labels or {},
            "annotations": annotations or {},
        },
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "app:1", "ports": declared}]},
        "status": {"phase": phase, "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def service(
    name: str,
    *,
    ports: dict[str, int],
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    namespace: str = "shop",
    **spec: Any,
) -> dict[str, Any]:
    """A service of type ClusterIP, unless ``spec`` says otherwise."""
    declared = [{"name": key, "port": number, "protocol": "TCP"} for key, number in ports.items()]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "labels": labels or {},
            "annotations": annotations or {},
        },
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.1", "ports": declared, **spec},
    }


def endpoint_slice(
    service_name: str,
    pods: list[dict[str, Any]],
    *,
    ports: dict[str, int],
    namespace: str = "shop",
    family: str = "IPv4",
    suffix: str = "x1",
) -> dict[str, Any]:
    """The slice that the controller writes for pods behind a service."""
    return {
        "metadata": {
            "name": f"{service_name}-{suffix}",
            "namespace": namespace,
            "uid": f"uid-{namespace}-{service_name}-{suffix}",
            "labels": {"kubernetes.io/service-name": service_name},
        },
        "addressType": family,
        "ports": [{"name": key, "port": number, "protocol": "TCP"} for key, number in ports.items()],
        "endpoints": [
            {
                "addresses": [each["status"]["podIP"]],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": each["spec"]["nodeName"],
                "targetRef": {
                    "kind": "Pod",
                    "name": each["metadata"]["name"],
                    "namespace": each["metadata"]["namespace"],
                    "uid": each["metadata"]["uid"],
                },
            }
            for each in pods
        ],
    }


def monitor(
    name: str,
    *endpoints: dict[str, Any],
    kind: str = "ServiceMonitor",
    namespace: str = "shop",
    labels: dict[str, str] | None = None,
    selector: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A ServiceMonitor or a PodMonitor."""
    key = "endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{kind}-{namespace}-{name}",
            "labels": labels or {},
        },
        "spec": {"selector": selector or {}, key: list(endpoints), **spec},
    }

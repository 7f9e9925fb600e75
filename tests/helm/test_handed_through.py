"""What Kubernetes and the Prometheus operator have beside the charts' own values is handed through as it is, and nothing that the charts say is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from helm import openapi
from tests.helm.charts import CHARTS, Manifest, changed, of_kind, one
from tests.helm.test_manifests import faults

pytestmark = pytest.mark.charts

POD_SPEC = {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True, "schedulerName": "acme", "hostname": "book"}
CONTAINER = {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}, "terminationMessagePolicy": "FallbackToLogsOnError"}
SERVICE_SPEC = {
    "clusterIP": "10.0.0.7",
    "internalTrafficPolicy": "Local",
    "ipFamilies": ["IPv6", "IPv4"],
    "ipFamilyPolicy": "PreferDualStack",
    "trafficDistribution": "PreferClose",
}


def valid(objects: Sequence[Manifest]) -> Sequence[Manifest]:
    """The objects, which the newest Kubernetes takes."""
    assert [fault for each in objects for fault in faults(openapi.releases()[-1], each)] == []
    return objects


def set_to(path: str, value: Any) -> str:
    return f"{path}={json.dumps(value)}"


def spec_of(objects: Sequence[Manifest], *kinds: str) -> dict[str, Any]:
    found: dict[str, Any] = one(objects, *kinds)["spec"]
    return found


@pytest.mark.parametrize("chart", CHARTS)
def test_a_pod_and_its_container(chart: str) -> None:
    sets = (set_to("controller.podSpec", POD_SPEC), set_to("controller.container", CONTAINER))
    before = spec_of(changed(chart), "Deployment", "StatefulSet")["template"]["spec"]
    after = spec_of(valid(changed(chart, *sets)), "Deployment", "StatefulSet")["template"]["spec"]
    assert after == before | POD_SPEC | {"containers": [before["containers"][0] | CONTAINER]}


@pytest.mark.parametrize(
    ("chart", "values", "given"),
    [
        ("agent", "kubernetes", {"minReadySeconds": 30, "progressDeadlineSeconds": 90}),
        ("agent", "sharded", {"updateStrategy": {"type": "OnDelete"}, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}),
        ("ledger", "embedded", {"updateStrategy": {"type": "OnDelete"}, "minReadySeconds": 30}),
        ("ledger", "distributed", {"strategy": {"type": "Recreate"}, "minReadySeconds": 30}),
    ],
)  # fmt: skip
def test_a_controller(chart: str, values: str, given: dict[str, Any]) -> None:
    before = spec_of(changed(chart, values=values), "Deployment", "StatefulSet")
    after = spec_of(valid(changed(chart, set_to("controller.spec", given), values=values)), "Deployment", "StatefulSet")
    assert after == before | given


def test_replicas_come_and_go_one_by_one_unless_something_else_is_said() -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert spec_of(changed("ledger", values="distributed"), "Deployment")["strategy"] == rolling


def test_the_service_of_callers() -> None:
    objects = valid(changed("ledger", set_to("service.spec", SERVICE_SPEC), values="distributed"))
    (before,) = (each["spec"] for each in changed("ledger", values="distributed") if is_service(each, ""))
    (after,) = (each["spec"] for each in objects if is_service(each, ""))
    assert after == before | SERVICE_SPEC


@pytest.mark.parametrize("chart", CHARTS)
def test_the_service_of_metrics(chart: str) -> None:
    families = {"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"}
    (before,) = (each["spec"] for each in changed(chart) if is_service(each, "-metrics"))
    objects = valid(changed(chart, set_to("metrics.service.spec", families)))
    (after,) = (each["spec"] for each in objects if is_service(each, "-metrics"))
    assert after == before | families


def is_service(each: Manifest, end: str) -> bool:
    return each["kind"] == "Service" and each["metadata"]["name"].removeprefix("meterbook-") in (
        f"agent{end}",
        f"ledger{end}",
    )


@pytest.mark.parametrize("chart", CHARTS)
def test_a_claim_of_a_volume_that_is_there(chart: str) -> None:
    static = {"accessModes": ["ReadWriteOncePod"], "volumeName": "pv-7", "selector": {"matchLabels": {"a": "b"}}}
    objects = valid(changed(chart, set_to("persistence.spec", static), 'persistence.storageClass="-"'))
    claims = of_kind(objects, "PersistentVolumeClaim")
    claims += [each for found in of_kind(objects, "StatefulSet") for each in found["spec"]["volumeClaimTemplates"]]
    (claim,) = claims
    size = {"agent": "2Gi", "ledger": "50Gi"}[chart]
    assert claim["spec"] == static | {"storageClassName": "", "resources": {"requests": {"storage": size}}}


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize(("monitor", "kind"), [("serviceMonitor", "ServiceMonitor"), ("podMonitor", "PodMonitor")])
def test_what_prometheus_looks_at_may_be_in_another_namespace(chart: str, monitor: str, kind: str) -> None:
    more = {"honorLabels": True, "proxyUrl": "http://proxy:3128"}
    on = ("metrics.serviceMonitor.enabled=false", f"metrics.{monitor}.enabled=true", "metrics.dashboards.enabled=true")
    places = tuple(f'metrics.{name}.namespace="monitoring"' for name in (monitor, "prometheusRule", "dashboards"))
    objects = valid(changed(chart, *on, *places, set_to(f"metrics.{monitor}.endpoint", more), values="observed"))
    found = one(objects, kind)
    assert found["spec"]["namespaceSelector"] == {"matchNames": ["metering"]}
    (endpoint,) = found["spec"].get("endpoints") or found["spec"]["podMetricsEndpoints"]
    assert endpoint.items() >= (more | {"port": "http", "path": "/metrics"}).items()
    away = {each["kind"] for each in objects if each["metadata"].get("namespace") == "monitoring"}
    assert away == {kind, "PrometheusRule", "ConfigMap"}
    # A PodMonitor's own place is in the name of its job, by which alerts go.
    text = json.dumps(one(objects, "PrometheusRule")["spec"])
    assert f"|{'monitoring' if kind == 'PodMonitor' else 'metering'}/meterbook-{chart}" in text


def test_a_cluster_may_choose_how_many_replicas_serve() -> None:
    metrics = [{"type": "Pods", "pods": {"metric": {"name": "calls"}, "target": {"type": "AverageValue", "averageValue": "100"}}}]  # fmt: skip
    scaling = {"enabled": True, "minReplicas": 3, "maxReplicas": 9, "metrics": metrics, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}}}  # fmt: skip
    sets = (set_to("distributed.autoscaling", scaling), "metrics.podMonitor.enabled=true", "metrics.prometheusRule.enabled=true")  # fmt: skip
    objects = valid(changed("ledger", "distributed.replicas=null", *sets, values="distributed"))
    autoscaler, deployment = spec_of(objects, "HorizontalPodAutoscaler"), one(objects, "Deployment")
    assert "replicas" not in deployment["spec"]
    reference = {each: deployment[each] for each in ("apiVersion", "kind")} | {"name": deployment["metadata"]["name"]}
    assert autoscaler.pop("scaleTargetRef") == reference
    assert {**autoscaler, "enabled": True} == scaling
    assert of_kind(objects, "PodDisruptionBudget")
    (group,) = one(objects, "PrometheusRule")["spec"]["groups"]
    assert [each["expr"][-3:] for each in group["rules"] if each["alert"] == "MeterbookLedgerDown"] == ["< 3"]


def test_there_are_two_replicas_where_nobody_says_how_many() -> None:
    objects = changed("ledger", "distributed.replicas=null", values="distributed")
    assert spec_of(objects, "Deployment")["replicas"] == 2
    assert of_kind(objects, "HorizontalPodAutoscaler") == []

"""Targets of a cluster, chosen by annotations as everybody does, found while things come and go, with no more than was granted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector import registry
from collector.base import Sources
from tests.collector.conftest import WINDOW
from tests.fakes.kubernetes_api import FakeKubernetesApi
from tests.fakes.kubernetes_objects import endpoint_slice, pod, service

WEB = {"prometheus.io/scrape": "true"}


def by_annotation(kind: str) -> list[dict[str, Any]]:
    """The rules that README shows, for pods or for services."""
    return [
        {
            "source_labels": [f"__meta_kubernetes_{kind}_annotation_prometheus_io_scrape"],
            "regex": "true",
            "action": "keep",
        },
        {
            "source_labels": ["__address__", f"__meta_kubernetes_{kind}_annotation_prometheus_io_port"],
            "regex": r"(.+?)(?::\d+)?;(\d+)",
            "replacement": "$1:$2",
            "target_label": "__address__",
        },
        {
            "source_labels": [f"__meta_kubernetes_{kind}_annotation_prometheus_io_path"],
            "regex": "(.+)",
            "target_label": "__metrics_path__",
        },
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "service"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        {"source_labels": ["__meta_kubernetes_endpoint_node_name"], "target_label": "node"},
    ]


RULES = {"pod": by_annotation("pod"), "service": by_annotation("service"), "endpoints": by_annotation("service")}


def config_of(api: FakeKubernetesApi | None, role: str, **settings: Any) -> Any:
    cluster: dict[str, Any] = {"role": role, **settings}
    if api is not None:
        cluster["api"] = {"kubeconfig": str(api.kubeconfig), "backoff_s_max": 0.05}
    given = {"kind": "prometheus", "job": "shop", "relabelings": RULES[role], "kubernetes": cluster}
    return registry.plugin("prometheus").config.model_validate(given)


def documents(role: str, **settings: Any) -> list[dict[str, Any]]:
    """What an operator is told to grant."""
    plugin = registry.plugin("prometheus")
    assert plugin.role is not None
    return list(yaml.safe_load_all(plugin.role(config_of(None, role, **settings), "agent", "metering")))


@contextmanager
def sources(api: FakeKubernetesApi, role: str, **settings: Any) -> Iterator[Sources]:
    found = registry.plugin("prometheus").build(config_of(api, role, **settings))
    try:
        yield found
    finally:
        found.close()


def names(found: Sources) -> set[str]:
    return {name.removeprefix("prometheus/shop/") for name in (each.source for each in found.current()[1:])}


def labels(found: Sources) -> dict[str, dict[str, str]]:
    targets = [each._target for each in found.current()[1:]]  # type: ignore[attr-defined]
    return {target.instance: {k: v for k, v in target.labels if k not in ("job", "instance")} for target in targets}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def standing(found: Sources) -> tuple[str, str]:
    (record,) = found.current()[0].collect(WINDOW, {}).coverage
    assert record.source == "prometheus/shop"
    return record.status, record.reason


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeKubernetesApi]:
    with FakeKubernetesApi(tmp_path) as running:
        yield running


def put_web(api: FakeKubernetesApi, *addresses: str, **marks: str) -> None:
    pods = [pod(f"web-{number}", address, ports={"http": 8080}) for number, address in enumerate(addresses)]
    for each in pods:
        api.put("pods", each)
    api.put("services", service("web", ports={"http": 80}, annotations={**WEB, **marks}))
    api.put("endpointslices.discovery.k8s.io", endpoint_slice("web", pods, ports={"http": 8080}))


def test_annotated_pods_are_targets_while_they_run(api: FakeKubernetesApi) -> None:
    api.grant(documents("pod"))
    api.put("pods", pod("a", "10.0.0.1", annotations={**WEB, "prometheus.io/port": "8080"}))
    api.put("pods", pod("b", "10.0.0.2", ports={"x": 9090, "y": 9091}, annotations=WEB))
    api.put("pods", pod("c", "10.0.0.3", annotations={"prometheus.io/scrape": "false"}))
    api.put("pods", pod("d", "10.0.0.4", ports={"x": 1}, phase="Succeeded", annotations=WEB))
    with sources(api, "pod") as found:
        until(lambda: names(found) == {"10.0.0.1:8080", "10.0.0.2:9090", "10.0.0.2:9091"})
        api.put("pods", pod("e", "fd00::5", ports={"x": 80}, annotations={**WEB, "prometheus.io/path": "own"}))
        api.delete("pods", "shop", "b")
        api.put("pods", pod("a", "10.0.0.1", phase="Failed", annotations={**WEB, "prometheus.io/port": "8080"}))
        until(lambda: names(found) == {"[fd00::5]:80/own"})
        assert labels(found) == {"[fd00::5]:80": {"namespace": "shop", "pod": "e"}}


def test_annotated_services_are_targets_by_their_names(api: FakeKubernetesApi) -> None:
    api.grant(documents("service"))
    api.put(
        "services", service("web", ports={"http": 80, "admin": 81}, annotations={**WEB, "prometheus.io/path": "/m"})
    )
    api.put("services", service("other", ports={"http": 80}))
    with sources(api, "service") as found:
        until(lambda: names(found) == {"web.shop.svc:80/m", "web.shop.svc:81/m"})
        assert labels(found)["web.shop.svc:80"] == {"namespace": "shop", "service": "web"}
        api.delete("services", "shop", "web")
        until(lambda: names(found) == set())


def test_endpoints_of_annotated_services_are_targets_with_what_is_known_of_pods(api: FakeKubernetesApi) -> None:
    api.grant(documents("endpoints"))
    put_web(api, "10.0.0.1", "10.0.0.2")
    with sources(api, "endpoints") as found:
        until(lambda: names(found) == {"10.0.0.1:8080", "10.0.0.2:8080"})
        assert labels(found)["10.0.0.2:8080"] == {
            "namespace": "shop",
            "service": "web",
            "pod": "web-1",
            "node": "node-a",
        }
        before = {each.source: each for each in found.current()}
        put_web(api, "10.0.0.1", "10.0.0.3")
        until(lambda: names(found) == {"10.0.0.1:8080", "10.0.0.3:8080"})
        # What stayed is the same object, though its slice is another.
        assert {each.source: each for each in found.current()}["prometheus/shop/10.0.0.1:8080"] is before[
            "prometheus/shop/10.0.0.1:8080"
        ]
        api.put("services", service("web", ports={"http": 80}))  # the annotation is gone
        until(lambda: names(found) == set())


def test_a_pod_behind_two_services_is_read_once(api: FakeKubernetesApi, caplog: pytest.LogCaptureFixture) -> None:
    api.grant(documents("endpoints"))
    one = pod("web-0", "10.0.0.1", ports={"http": 8080})
    api.put("pods", one)
    for name in ("web", "headless"):
        api.put("services", service(name, ports={"http": 80}, annotations=WEB))
        api.put("endpointslices.discovery.k8s.io", endpoint_slice(name, [one], ports={"http": 8080}))
    with sources(api, "endpoints") as found:
        until(lambda: bool(labels(found)) and len(caplog.records) == 1)
        assert caplog.messages == [
            "prometheus/shop/10.0.0.1:8080 is found more than once, with other labels each time: it is read once"
        ]
        assert labels(found)["10.0.0.1:8080"]["service"] == "headless"  # first in order, whoever looks


def test_nothing_is_made_anew_where_nothing_has_changed(api: FakeKubernetesApi) -> None:
    api.grant(documents("endpoints"))
    put_web(api, "10.0.0.1")
    with sources(api, "endpoints") as found:
        until(lambda: len(found.current()) == 2)
        before = found.current()
        seen = found._cluster._finder._seen  # type: ignore[attr-defined]
        # Of a pod's heartbeat nothing is shown.
        beating = pod("web-0", "10.0.0.1", ports={"http": 8080})
        beating["status"]["conditions"][0]["lastProbeTime"] = "2026-01-01T00:00:00Z"
        api.put("pods", beating)
        api.put("pods", pod("new", "10.0.0.9"))  # of which something is, so that the other has been seen
        until(lambda: found.current() is found.current() and found._cluster._finder._seen != seen)  # type: ignore[attr-defined]
        assert sum(found._cluster._finder._seen) == sum(seen) + 1  # type: ignore[attr-defined]
        assert found.current() is before


def test_what_rules_leave_and_is_no_target_is_said_once(
    api: FakeKubernetesApi, caplog: pytest.LogCaptureFixture
) -> None:
    api.grant(documents("pod"))
    bad = {**WEB, "prometheus.io/port": "99999"}
    api.put("pods", pod("bad", "10.0.0.1", ports={"x": 1}, annotations=bad))
    api.put("pods", pod("good", "10.0.0.2", ports={"x": 2}, annotations=WEB))
    with sources(api, "pod") as found:
        until(lambda: "10.0.0.2:2" in names(found))
        api.put("pods", pod("bad", "10.0.0.1", ports={"x": 1}, annotations={**bad, "again": "1"}))
        api.put("pods", pod("good", "10.0.0.2", ports={"x": 3}, annotations=WEB))
        until(lambda: "10.0.0.2:3" in names(found))
        (message,) = caplog.messages
        assert message.startswith("job shop: what was found at 10.0.0.1:1 is no target: ")


@pytest.mark.parametrize("role", ["pod", "service", "endpoints"])
def test_nothing_is_missing_in_the_role(role: str, api: FakeKubernetesApi) -> None:
    api.grant(documents(role))
    put_web(api, "10.0.0.1")
    with sources(api, role) as found:
        until(lambda: standing(found) == ("complete", ""))
        assert {request.path.rpartition("/")[2] for request in api.requests} == {
            resource for _, resource, _ in single(documents(role))
        }


def single(granted: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (group, resource, verb)
        for document in granted
        for rule in document.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


@pytest.mark.parametrize(
    ("role", "left_out"), [(role, one) for role in ("pod", "service", "endpoints") for one in single(documents(role))]
)
def test_nothing_in_the_role_is_unused(
    role: str, left_out: tuple[str, str, str], api: FakeKubernetesApi, caplog: pytest.LogCaptureFixture
) -> None:
    """Without any one grant the coverage says which is missing, and the log once."""
    api.allow(
        [
            {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
            for group, resource, verb in single(documents(role))
            if (group, resource, verb) != left_out
        ]
    )
    group, resource, verb = left_out
    named = f'our role lacks {verb} on {resource}{f".{group}" if group else ""} (apiGroups: ["{group}"])'
    with sources(api, role) as found:
        until(lambda: named in standing(found)[1])
        for _ in range(3):
            found.current()
        status, reason = standing(found)
        assert status == "failed"
        assert reason.startswith("targets may be missing: ")
        assert len([text for text in caplog.messages if named in text]) == 1
        api.grant(documents(role))
        until(lambda: standing(found) == ("complete", ""))


def test_namespaces_are_all_that_is_granted_then(api: FakeKubernetesApi) -> None:
    granted = documents("pod", namespaces=["shop", "bank"])
    assert {each["kind"] for each in granted} == {"ServiceAccount", "Role", "RoleBinding"}
    assert {each["metadata"]["namespace"] for each in granted if each["kind"] == "Role"} == {"shop", "bank"}
    for each in granted:
        if each["kind"] == "RoleBinding":
            assert each["subjects"] == [{"kind": "ServiceAccount", "name": "agent", "namespace": "metering"}]
            assert each["roleRef"]["kind"] == "Role"
    api.grant(granted)
    for number, namespace in enumerate(("shop", "bank", "other")):
        api.put("pods", pod("a", f"10.0.0.{number}", ports={"x": 1}, namespace=namespace, annotations=WEB))
    with sources(api, "pod", namespaces=["shop", "bank"]) as found:
        until(lambda: names(found) == {"10.0.0.0:1", "10.0.0.1:1"})
        assert standing(found) == ("complete", "")


def test_a_job_without_a_cluster_needs_no_role() -> None:
    plugin = registry.plugin("prometheus")
    assert plugin.role is not None
    plain = plugin.config.model_validate({"kind": "prometheus", "job": "a", "targets": ["a:1"]})
    assert plugin.role(plain, "agent", "metering") == ""


def test_targets_go_on_while_the_server_does_not_answer(api: FakeKubernetesApi) -> None:
    api.grant(documents("pod"))
    api.put("pods", pod("a", "10.0.0.1", ports={"x": 1}, annotations=WEB))
    with sources(api, "pod") as found:
        until(lambda: names(found) == {"10.0.0.1:1"})
        api.stop()
        until(lambda: standing(found)[0] == "failed")
        assert names(found) == {"10.0.0.1:1"}

"""Targets that the monitors of a cluster find, while monitors and what they select come and go."""

from __future__ import annotations

import json

import pytest

from collector.base import Paced
from tests.collector.conftest import WINDOW, series_of
from tests.collector.prometheus.monitors.watching import (
    POD_MONITORS,
    PREFIX,
    SERVICE_MONITORS,
    WEB,
    coverage,
    documents,
    labels,
    names,
    put_web,
    sources,
    until,
)
from tests.fakes.http_target import FakeTarget, page
from tests.fakes.kubernetes_api import FakeKubernetesApi
from tests.fakes.kubernetes_objects import monitor, pod, service


def test_targets_of_a_service_monitor(api: FakeKubernetesApi) -> None:
    put_web(api, "10.0.0.1", "10.0.0.2")
    api.put("services", service("other", ports={"http": 80}))
    api.put(
        SERVICE_MONITORS,
        monitor("web", {"port": "http"}, selector=WEB, targetLabels=["team"], podTargetLabels=["tier"]),
    )
    first = "serviceMonitor/shop/web/10.0.0.1:8080"
    with sources(api) as found:
        until(lambda: names(found) == {first, "serviceMonitor/shop/web/10.0.0.2:8080"})
        assert labels(found, first) == {
            "job": "web",
            "instance": "10.0.0.1:8080",
            "namespace": "shop",
            "service": "web",
            "pod": "web-0",
            "container": "app",
            "endpoint": "http",
            "team": "a",
            "tier": "front",
        }
        until(lambda: coverage(found) == ("complete", ""))
        api.put(SERVICE_MONITORS, monitor("web", {"targetPort": "admin", "path": "/m"}, selector=WEB))
        until(lambda: names(found) == {f"serviceMonitor/shop/web/10.0.0.{number}:9090/m" for number in (1, 2)})
        assert labels(found, "serviceMonitor/shop/web/10.0.0.2:9090/m")["endpoint"] == "admin"
        api.delete(SERVICE_MONITORS, "shop", "web")
        until(lambda: names(found) == set())


def test_targets_of_a_pod_monitor(api: FakeKubernetesApi) -> None:
    put_web(api, "10.0.0.1")
    api.put("pods", pod("job-x", "10.0.0.9", ports={"http": 80}, labels={"app": "web"}, phase="Succeeded"))
    api.put(POD_MONITORS, monitor("web", {"port": "http"}, kind="PodMonitor", selector=WEB, jobLabel="tier"))
    first = "podMonitor/shop/web/10.0.0.1:8080"
    with sources(api) as found:
        until(lambda: names(found) == {first})
        assert labels(found, first) == {
            "job": "front",
            "instance": "10.0.0.1:8080",
            "namespace": "shop",
            "pod": "web-0",
            "container": "app",
            "endpoint": "http",
        }
        all_pods = monitor("web", {"port": "http", "filterRunning": False}, kind="PodMonitor", selector=WEB)
        api.put(POD_MONITORS, all_pods)
        until(lambda: names(found) == {first, "podMonitor/shop/web/10.0.0.9:80"})
        assert labels(found, first)["job"] == "shop/web"


def test_a_target_is_scraped_as_its_monitor_says(api: FakeKubernetesApi, target: FakeTarget) -> None:
    host, _, port = target.address.partition(":")
    put_web(api, host, port=int(port))
    endpoint = {
        "port": "http",
        "path": "/own",
        "params": {"module": ["a"]},
        "interval": "7s",
        "scrapeTimeout": "3s",
        "honorLabels": True,
        "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "secret_.*", "action": "drop"}],
        "relabelings": [{"targetLabel": "extra", "replacement": "yes"}],
    }
    api.put(SERVICE_MONITORS, monitor("web", endpoint, selector=WEB, sampleLimit=2))
    target.answer = page(b'# TYPE jobs_total counter\njobs_total{pod="own"} 3\nsecret_things 1\n')
    with sources(api) as found:
        until(lambda: len(found.current()) == 2)
        one = found.current()[1]
        assert isinstance(one, Paced)
        assert one.interval_s == 7.0
        readings = one.collect(WINDOW, {})
        assert readings.coverage[0].status == "complete"
        (series,) = [each for each in series_of(readings).values() if each.metric == "jobs_total"]
        known = json.loads(series.labels)
        assert (known["pod"], known["extra"], known["job"]) == ("own", "yes", "web")
        assert {each.metric for each in series_of(readings).values()} & {"secret_things"} == set()
        _, path, headers = target.requests[-1]
        assert path == "/own?module=a"
        assert headers["X-Prometheus-Scrape-Timeout-Seconds"] == "3"
        target.answer = page(b"a 1\nb 2\nc 3\n")
        (record,) = one.collect(WINDOW, readings.checkpoint).coverage
        assert record.status == "failed"
        assert record.reason.endswith("/own shows 3 samples after relabelling, more than sample_limit 2")


def test_monitors_look_where_their_namespace_selector_says(api: FakeKubernetesApi) -> None:
    put_web(api, "10.0.0.1")
    put_web(api, "10.1.0.1", namespace="bank")
    put_web(api, "10.2.0.1", namespace="rest")
    api.put(SERVICE_MONITORS, monitor("own", {"port": "http"}, selector=WEB))
    by_name = {"matchNames": ["bank", "none"]}
    api.put(SERVICE_MONITORS, monitor("named", {"port": "http"}, selector=WEB, namespaceSelector=by_name))
    api.put(POD_MONITORS, monitor("all", {"port": "http"}, kind="PodMonitor", namespaceSelector={"any": True}))
    with sources(api) as found:
        until(
            lambda: (
                names(found)
                == {
                    "serviceMonitor/shop/own/10.0.0.1:8080",
                    "serviceMonitor/shop/named/10.1.0.1:8080",
                    *(f"podMonitor/shop/all/10.{number}.0.1:8080" for number in range(3)),
                }
            )
        )


def test_monitors_are_selected_by_their_labels_and_their_namespaces(api: FakeKubernetesApi) -> None:
    settings = {
        "selector": {"matchExpressions": [{"key": "release", "operator": "In", "values": ["main"]}]},
        "namespace_selector": {"matchLabels": {"metered": "yes"}},
    }
    api.grant(documents(**settings))
    for namespace in ("shop", "bank"):
        api.put(
            "namespaces",
            {"metadata": {"name": namespace, "labels": {"metered": "yes" if namespace == "shop" else "no"}}},
        )
        put_web(api, "10.0.0.1" if namespace == "shop" else "10.0.0.2", namespace=namespace)
        for release in ("main", "other"):
            found_by = monitor(
                release, {"port": "http"}, selector=WEB, namespace=namespace, labels={"release": release}
            )
            api.put(SERVICE_MONITORS, found_by)
    with sources(api, **settings) as found:
        until(lambda: names(found) == {"serviceMonitor/shop/main/10.0.0.1:8080"})
        api.put("namespaces", {"metadata": {"name": "bank", "labels": {"metered": "yes"}}})
        until(lambda: "serviceMonitor/bank/main/10.0.0.2:8080" in names(found))


def test_what_needs_a_secret_is_not_scraped_and_told(api: FakeKubernetesApi, caplog: pytest.LogCaptureFixture) -> None:
    put_web(api, "10.0.0.1")
    secret = {"bearerTokenSecret": {"name": "s", "key": "k"}, "port": "http"}
    api.put(SERVICE_MONITORS, monitor("web", secret, {"targetPort": "admin"}, selector=WEB))
    api.put(POD_MONITORS, monitor("odd", {"port": ["x"]}, kind="PodMonitor"))
    with sources(api) as found:
        until(
            lambda: (
                names(found)
                == {
                    "podMonitor/shop/odd",
                    "serviceMonitor/shop/web/endpoint/0",
                    "serviceMonitor/shop/web/10.0.0.1:9090",
                }
            )
        )
        status, reason = coverage(found, "serviceMonitor/shop/web/endpoint/0")
        assert status == "failed"
        assert reason == (
            "ServiceMonitor shop/web, endpoint 0 is not scraped: bearerTokenSecret asks for a secret, and the agent reads no "
            "secrets and no ConfigMaps: mount the token into the agent and scrape the targets by a source of kind prometheus "
            "with bearer_token_file"
        )
        assert coverage(found, "podMonitor/shop/odd") == (
            "failed",
            "PodMonitor shop/odd is not scraped: spec.podMetricsEndpoints.0.port: Input should be a valid string",
        )
        # The cluster itself is known as well as can be.
        until(lambda: coverage(found) == ("complete", ""))
        api.put("pods", pod("new", "10.0.0.7", ports={"admin": 9090}, labels={"app": "web"}))
        api.put(POD_MONITORS, monitor("new", {"port": "admin"}, kind="PodMonitor", selector=WEB))
        until(lambda: "podMonitor/shop/new/10.0.0.7:9090" in names(found))
        assert len([text for text in caplog.messages if reason in text]) == 1
        assert not [request for request in api.requests if "secrets" in request.path]
        secret.pop("bearerTokenSecret")
        api.put(SERVICE_MONITORS, monitor("web", secret, selector=WEB))
        until(lambda: {each for each in names(found) if "/web/" in each} == {"serviceMonitor/shop/web/10.0.0.1:8080"})


def test_more_targets_than_the_limit_are_not_scraped(api: FakeKubernetesApi) -> None:
    put_web(api, "10.0.0.1", "10.0.0.2")
    api.put(SERVICE_MONITORS, monitor("web", {"port": "http"}, selector=WEB, targetLimit=1))
    with sources(api) as found:
        until(lambda: names(found) == {"serviceMonitor/shop/web/endpoint/0"})
        assert coverage(found, "serviceMonitor/shop/web/endpoint/0") == (
            "failed",
            "serviceMonitor/shop/web/0 is not scraped: it finds 2 targets, more than its targetLimit 1",
        )
        put_web(api, "10.0.0.1")
        until(lambda: names(found) == {"serviceMonitor/shop/web/10.0.0.1:8080"})


def test_sources_of_one_monitor_have_names_of_their_own(api: FakeKubernetesApi) -> None:
    """Of endpoints that differ in parameters alone, and of pods that share an instance."""
    put_web(api, "10.0.0.1", "10.0.0.2")
    by_node = [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "instance"}]
    endpoints = ({"port": "http"}, {"port": "http", "params": {"target": ["b"]}, "relabelings": by_node})
    api.put(SERVICE_MONITORS, monitor("web", *endpoints, selector=WEB))
    with sources(api) as found:
        until(
            lambda: (
                names(found)
                == {
                    "serviceMonitor/shop/web/10.0.0.1:8080",
                    "serviceMonitor/shop/web/10.0.0.2:8080",
                    "serviceMonitor/shop/web/node-a@10.0.0.1:8080#2",
                    "serviceMonitor/shop/web/node-a@10.0.0.2:8080#2",
                }
            )
        )


def test_what_goes_on_is_not_disturbed(api: FakeKubernetesApi) -> None:
    put_web(api, "10.0.0.1", "10.0.0.2")
    kept = monitor("web", {"port": "http"}, selector=WEB)
    api.put(SERVICE_MONITORS, kept)
    api.put(POD_MONITORS, monitor("web", {"port": "http"}, kind="PodMonitor", selector=WEB))
    with sources(api) as found:
        until(lambda: len(names(found)) == 4)
        list_before = found.current()
        before = {each.source: each for each in list_before}
        kept["status"] = {"bindings": []}
        api.put(SERVICE_MONITORS, kept)  # as the operator does
        api.put(POD_MONITORS, monitor("web", {"port": "http", "interval": "5s"}, kind="PodMonitor", selector=WEB))
        until(lambda: found.current() is not list_before)
        after = {each.source: each for each in found.current()}
        assert after.keys() == before.keys()
        assert {source for source in after if after[source] is not before[source]} == {
            f"{PREFIX}/podMonitor/shop/web/10.0.0.{number}:8080" for number in (1, 2)
        }
        assert found.current() is found.current()


def test_a_definition_that_is_not_installed_is_named_and_the_others_go_on(
    api: FakeKubernetesApi, caplog: pytest.LogCaptureFixture
) -> None:
    api.absent_groups = {"monitoring.coreos.com"}
    put_web(api, "10.0.0.1")
    api.put(SERVICE_MONITORS, monitor("web", {"port": "http"}, selector=WEB))
    with sources(api) as found:
        for resource in (POD_MONITORS, SERVICE_MONITORS):
            until(
                lambda resource=resource: (
                    f"it has no {resource}: is the CustomResourceDefinition installed?"  # type: ignore[misc]
                    in coverage(found)[1]
                )
            )
        assert coverage(found)[0] == "failed"
        assert names(found) == set()
        api.absent_groups = set()
        until(lambda: names(found) == {"serviceMonitor/shop/web/10.0.0.1:8080"})
        until(lambda: coverage(found) == ("complete", ""))
        assert caplog.messages


HOSTILE = (
    {"interval": "1" + "0" * 400 + "s"},
    {"interval": "1ms"},
    {"scrapeTimeout": "9" * 400 + "s"},
    {"tlsConfig": {"ca": "x"}},
    {"tlsConfig": {"ca": {"secret": "x"}}},
    {"tlsConfig": {"keySecret": ["x"]}},
    {"authorization": {"credentials": "x"}},
    {"relabelings": [{"regex": "(" * 20_000}]},
    {"relabelings": [{"regex": "(?=a)"}]},
    {"metricRelabelings": [{"regex": "(a{1000}){1000}"}]},
)


def test_whatever_somebody_writes_stops_nobody_else(api: FakeKubernetesApi) -> None:
    put_web(api, "10.0.0.1")
    endpoints = [{"port": "http", **each} for each in HOSTILE]
    api.put(SERVICE_MONITORS, monitor("evil", *endpoints, selector=WEB))
    api.put(SERVICE_MONITORS, monitor("large", {"port": "http"}, selector=WEB, bodySizeLimit="1" + "0" * 400 + "MB"))
    api.put(SERVICE_MONITORS, monitor("web", {"port": "http"}, selector=WEB))
    with sources(api) as found:
        until(lambda: "serviceMonitor/shop/web/10.0.0.1:8080" in names(found))
        refused = {f"serviceMonitor/shop/evil/endpoint/{index}" for index in range(len(HOSTILE))}
        refused.add("serviceMonitor/shop/large/endpoint/0")
        assert names(found) == {*refused, "serviceMonitor/shop/web/10.0.0.1:8080"}
        for name in refused:
            assert coverage(found, name)[0] == "failed"

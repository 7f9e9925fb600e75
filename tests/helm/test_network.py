"""The network policies let through what the sources and the store need, and deny the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helm.charts import Manifest, changed, every_ci_values, of_kind, one, pods, rendered

pytestmark = pytest.mark.charts

DNS, LEDGER, API, KUBELETS, HTTPS, PODS, POD_IDENTITY = {53}, {9460}, {443, 6443}, {10250}, {443}, {0}, {80}


def ways(policy: Manifest) -> list[set[int]]:
    """The ports of every way out; 0 stands for all."""
    return [{port["port"] for port in rule["ports"]} if "ports" in rule else {0} for rule in policy["spec"]["egress"]]


def ways_of_agent(*sources: dict[str, Any], more: tuple[str, ...] = ()) -> list[set[int]]:
    return ways(one(changed("agent", f"config.sources={json.dumps(sources)}", *more), "NetworkPolicy"))


@every_ci_values
def test_both_directions_are_denied_but_for_what_is_listed(chart: str, values: Path) -> None:
    objects = rendered(chart, values)
    policies = of_kind(objects, "NetworkPolicy")
    for name, pod in pods(objects):
        selecting = [
            each for each in policies
            if each["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        ]  # fmt: skip
        assert len(selecting) == 1, name
        assert selecting[0]["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"kind": "kubernetes", "cluster": "x"}, [DNS, LEDGER, API, KUBELETS]),
        ({"kind": "prometheus", "job": "x", "targets": ["a:1"]}, [DNS, LEDGER, PODS]),
        ({"kind": "prometheus", "job": "x", "kubernetes": {"role": "pod"}}, [DNS, LEDGER, API, PODS]),
        ({"kind": "prometheus_monitors", "cluster": "x"}, [DNS, LEDGER, API, PODS]),
        ({"kind": "s3", "bucket": "bucket", "region": "eu-central-1"}, [DNS, LEDGER, HTTPS]),
        ({"kind": "logfile", "path": "/x"}, [DNS, LEDGER]),
    ],
)
def test_a_source_opens_the_ways_that_it_needs(source: dict[str, Any], expected: list[set[int]]) -> None:
    assert ways_of_agent(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"kind": "kubernetes", "cluster": "x", "api": {"kubeconfig": "/x"}}, [DNS, LEDGER, API, KUBELETS]),
        ({"kind": "kubernetes", "cluster": "x", "kubelet_port": 4194}, [DNS, LEDGER, API, {10250, 4194}]),
        ({"kind": "s3", "bucket": "bucket", "region": "x", "account": {"endpoint": "http://minio:9000"}}, [DNS, LEDGER, {443, 9000}]),
    ],
)  # fmt: skip
def test_what_a_source_says_of_its_ways_is_gone_by(source: dict[str, Any], expected: list[set[int]]) -> None:
    assert ways_of_agent(source) == expected


def test_the_ledger_is_reached_at_the_port_of_its_service_and_of_its_pods() -> None:
    source = {"kind": "logfile", "path": "/x"}
    endpoint = 'ledger.endpoint="ledger.example.com:443"'
    assert ways_of_agent(source, more=(endpoint,)) == [DNS, {443, 9460}]
    assert ways_of_agent(source, more=(endpoint, "networkPolicy.ledgerPorts=[9470]")) == [DNS, {443, 9470}]
    asking = changed("agent", endpoint, 'test.token.existingSecret="operator"')
    (of_test,) = (each for each in of_kind(asking, "NetworkPolicy") if each["metadata"]["name"].endswith("-test"))
    assert ways(of_test) == [DNS, {443, 9460}]


def test_no_ports_are_no_way_and_not_all_ways() -> None:
    closed = [f"networkPolicy.{name}=[]" for name in ("apiServerPorts", "kubeletPorts", "dnsPorts")]
    assert ways_of_agent({"kind": "kubernetes", "cluster": "x"}, more=tuple(closed)) == [LEDGER]


def test_pod_identity_opens_a_way_to_its_agent() -> None:
    source = {"kind": "s3", "bucket": "bucket", "region": "eu-central-1"}
    assert ways_of_agent(source, more=("aws.podIdentity=true",)) == [DNS, LEDGER, HTTPS, POD_IDENTITY]


def test_traces_have_a_way_to_their_receiver() -> None:
    endpoint = 'config.tracing.endpoint="http://otel-collector.tracing.svc:14317"'
    assert ways_of_agent({"kind": "logfile", "path": "/x"}, more=(endpoint,)) == [DNS, LEDGER, {14317}]
    assert {14317} in ways(one(changed("ledger", endpoint), "NetworkPolicy"))


def test_an_agent_is_asked_by_whoever_scrapes_it_and_by_nobody_else() -> None:
    closed = one(changed("agent", "test.enabled=false"), "NetworkPolicy")
    assert closed["spec"]["ingress"] == []
    scraped = one(changed("agent", "test.enabled=false", "metrics.podMonitor.enabled=true"), "NetworkPolicy")
    (rule,) = scraped["spec"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]


def test_an_embedded_ledger_reaches_nobody() -> None:
    policy = one(changed("ledger"), "NetworkPolicy")
    assert "egress" not in policy["spec"]
    assert {"ports": [{"port": 9460, "protocol": "TCP"}]} in policy["spec"]["ingress"]


def test_a_distributed_ledger_reaches_its_store() -> None:
    assert ways(one(changed("ledger", values="distributed"), "NetworkPolicy")) == [DNS, {5432}, {443}]
    assert ways(one(changed("ledger", values="podidentity"), "NetworkPolicy")) == [
        DNS,
        {6432},
        {443},
        POD_IDENTITY,
        {15002},
    ]
    assert ways(one(changed("ledger", values="minio"), "NetworkPolicy")) == [DNS, {5432}, {9000}]


@pytest.mark.parametrize(
    ("setting", "postgresql", "s3"),
    [
        ('distributed.database="postgresql://m@db.example:6432/m"', {6432}, {443}),
        ('distributed.database="postgresql://m@a:6001,b/m?target_session_attrs=read-write"', {6001, 5432}, {443}),
        ('distributed.database="postgresql://m@[fd00::1]:6002/m"', {6002}, {443}),
        ('distributed.database="postgresql://m@db.example/m?sslmode=require&port=6003"', {6003}, {443}),
        ("networkPolicy.postgresqlPorts=[5433]", {5432, 5433}, {443}),
        ('distributed.bucket="s3://b/p?region=x&endpoint=http://minio:9000"', {5432}, {9000}),
        ('distributed.bucket="s3://b/p?endpoint=http%3A%2F%2Fminio%3A9001&region=x"', {5432}, {9001}),
        ('distributed.bucket="s3://b/p?endpoint=http://minio.storage.svc"', {5432}, {80}),
        ("networkPolicy.s3Ports=[8443]", {5432}, {443, 8443}),
    ],
)
def test_the_store_is_reached_at_the_ports_of_its_urls(setting: str, postgresql: set[int], s3: set[int]) -> None:
    policy = one(changed("ledger", setting, values="distributed"), "NetworkPolicy")
    assert ways(policy) == [DNS, postgresql, s3]


def test_webhooks_are_reached_at_the_ports_of_their_urls() -> None:
    urls = ("https://a.example:8443/x", "https://b.example/y", "https://c.example:8443")
    webhooks = [{"url": url, "secret_file": f"/etc/webhooks/{number}"} for number, url in enumerate(urls)]
    policy = one(changed("ledger", f"config.entitlements.webhooks={json.dumps(webhooks)}"), "NetworkPolicy")
    assert ways(policy) == [DNS, {443, 8443}]


@pytest.mark.parametrize("chart", ["agent", "ledger"])
@pytest.mark.parametrize("where", ["podAnnotations", "metrics.service.annotations"])
def test_whoever_goes_by_annotations_may_read_metrics(chart: str, where: str) -> None:
    setting = f'{where}={{"prometheus.io/scrape": "true"}}'
    rules = one(changed(chart, setting, "test.enabled=false"), "NetworkPolicy")["spec"]["ingress"]
    assert "namespaceSelector" in rules[-1]["from"][0]


def test_webhooks_are_reached() -> None:
    assert ways(one(changed("ledger", values="observed"), "NetworkPolicy")) == [DNS, HTTPS]


def test_callers_that_are_named_are_the_only_ones_but_for_the_test() -> None:
    rules = one(changed("ledger", values="distributed"), "NetworkPolicy")["spec"]["ingress"]
    (grpc,) = (rule for rule in rules if rule["ports"][0]["port"] == 9460)
    assert [list(each) for each in grpc["from"]] == [["ipBlock"], ["podSelector"]]

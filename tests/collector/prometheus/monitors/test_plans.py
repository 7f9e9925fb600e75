"""An endpoint of a monitor as a job: settings, limits, and what makes it one that is not scraped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.prometheus.config import ScrapeConfig
from collector.prometheus.monitors.config import MonitorsConfig
from collector.prometheus.monitors.demands import CA_FILE, TOKEN_FILE
from collector.prometheus.monitors.documents import pod_monitor_of, service_monitor_of
from collector.prometheus.monitors.plans import Plan, Unscraped, plan_of
from tests.fakes.kubernetes_objects import monitor


def plan(
    *endpoints: dict[str, Any], settings: dict[str, Any] | None = None, kind: str = "ServiceMonitor", **spec: Any
) -> Plan:
    """Of the last of the endpoints."""
    config = MonitorsConfig.model_validate({"cluster": "prod", **(settings or {})})
    document = monitor("web", *endpoints, kind=kind, **spec)
    found = service_monitor_of(document) if kind == "ServiceMonitor" else pod_monitor_of(document)
    assert found is not None
    assert found.spec is not None
    return plan_of(config, found, found.spec, len(endpoints) - 1)


def scrape(*endpoints: dict[str, Any], **given: Any) -> ScrapeConfig:
    return plan(*endpoints, **given).scrape


def test_an_endpoint_that_says_nothing() -> None:
    found = plan({})
    assert (found.job, found.source, found.mark) == (
        "serviceMonitor/shop/web/0",
        "prometheus_monitors/prod/serviceMonitor/shop/web",
        "",
    )
    assert (found.scheme, found.path, found.namespaces) == ("http", "/metrics", frozenset({"shop"}))
    assert found.scrape == ScrapeConfig(kind="prometheus_monitors", interval_s=30.0)
    assert plan({}, kind="PodMonitor").job == "podMonitor/shop/web/0"


def test_an_endpoint_that_says_much() -> None:
    found = plan(
        {
            "path": "/own",
            "scheme": "HTTPS",
            "interval": "1m30s",
            "scrapeTimeout": "20s",
            "honorLabels": True,
            "honorTimestamps": False,
            "params": {"module": ["a", "b"]},
            "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "go_.*", "action": "drop"}],
            "tlsConfig": {"insecureSkipVerify": True, "serverName": "shop", "ca": {}, "cert": {}},
            "bearerTokenSecret": {"key": ""},
            "followRedirects": True,
            "enableHttp2": False,
        },
        namespaceSelector={"matchNames": ["a", "b"]},
        fallbackScrapeProtocol="OpenMetricsText1.0.0",
        scrapeProtocols=["PrometheusText0.0.4"],
        sampleLimit=7,
        targetLimit=8,
        keepDroppedTargets=9,
    )
    assert (found.scheme, found.path, found.namespaces, found.targets_max) == (
        "https",
        "/own",
        frozenset({"a", "b"}),
        8,
    )
    one = found.scrape
    assert (one.interval_s, one.deadline_s, one.sample_limit) == (90.0, 20.0, 7)
    assert (one.honor_labels, one.honor_timestamps, one.params) == (True, False, {"module": ["a", "b"]})
    assert [rule.action for rule in one.metric_relabelings] == ["drop"]
    assert (one.insecure_skip_verify, one.server_name, one.ca_file) == (True, "shop", None)
    assert (one.fallback_format, one.scrape_protocols) == ("openmetrics", ("PrometheusText0.0.4",))
    assert plan({}, namespaceSelector={"any": True, "matchNames": ["a"]}).namespaces == frozenset()


@pytest.mark.parametrize(
    ("endpoint", "settings", "interval_s", "deadline_s"),
    [
        ({}, {}, 30, 10),
        ({"interval": "0s"}, {"interval_s": 20, "timeout_s": 15}, 20, 15),
        ({"interval": "5s"}, {"timeout_s": 15}, 5, 10 / 3),
        # The operator lets a scrape take all of the interval; here it is over before the next begins.
        ({"interval": "10s", "scrapeTimeout": "10s"}, {}, 10, 9.5),
        ({"scrapeTimeout": "25s"}, {}, 30, 25),
    ],
)
def test_times(endpoint: dict[str, Any], settings: dict[str, Any], interval_s: float, deadline_s: float) -> None:
    found = scrape(endpoint, settings=settings)
    assert found.interval_s == interval_s
    assert found.deadline_s == pytest.approx(deadline_s)


def test_limits_are_the_lower_ones_of_two() -> None:
    given = {
        "labelLimit": 31,
        "labelNameLengthLimit": 9_000,
        "labelValueLengthLimit": 100,
        "bodySizeLimit": "1MB",
    }
    found = scrape({}, settings={"label_name_length_max": 50, "samples_max": 1_000}, **given)
    # Prometheus counts the name of the metric as a label, whose value is bounded as those of others are.
    assert (found.label_count_max, found.label_name_length_max) == (30, 50)
    assert (found.label_value_length_max, found.metric_name_length_max) == (100, 100)
    assert (found.body_bytes_max, found.samples_max, found.sample_limit) == (1 << 20, 1_000, 0)


def test_endpoints_that_look_the_same_are_told_apart() -> None:
    same = {"port": "web", "params": {"target": ["b"]}}
    assert plan({"port": "web"}, {"port": "web", "path": "/other"}, same).mark == "#2"
    assert plan({"port": "web"}, {"port": "other"}, {"port": "web", "path": "/b"}).mark == ""


def test_the_own_token_is_sent_where_that_is_allowed() -> None:
    kubelet = {"bearerTokenFile": TOKEN_FILE, "tlsConfig": {"caFile": CA_FILE}}
    found = scrape(kubelet, settings={"service_account_token": True})
    assert (found.bearer_token_file, found.ca_file) == (Path(TOKEN_FILE), Path(CA_FILE))
    # As everybody writes it for kubelets: nobody vouches for them.
    kubelet = {"tlsConfig": {"caFile": CA_FILE, "insecureSkipVerify": True}}
    found = scrape(kubelet, settings={"service_account_token": True})
    assert (found.ca_file, found.insecure_skip_verify) == (None, True)
    with pytest.raises(
        Unscraped, match=r"bearerTokenFile asks for the agent's own token: set service_account_token: true"
    ):
        plan({"bearerTokenFile": TOKEN_FILE})
    with pytest.raises(Unscraped, match=r"tlsConfig.caFile asks for a file of the agent's service account"):
        plan({"tlsConfig": {"caFile": CA_FILE}})


SECRET = {"name": "s", "key": "k"}


@pytest.mark.parametrize(
    ("endpoint", "spec", "field"),
    [
        ({"basicAuth": {"username": SECRET, "password": SECRET}}, {}, "basicAuth asks for a secret"),
        ({"oauth2": {"clientId": {"secret": SECRET}}}, {}, "oauth2 asks for a secret"),
        ({"bearerTokenSecret": SECRET}, {}, "bearerTokenSecret asks for a secret"),
        ({"authorization": {"credentials": SECRET}}, {}, "authorization asks for a secret"),
        ({"bearerTokenFile": "/etc/passwd"}, {}, "bearerTokenFile asks for /etc/passwd"),
        ({"tlsConfig": {"ca": {"secret": SECRET}}}, {}, "tlsConfig.ca.secret is asked for"),
        ({"tlsConfig": {"ca": {"configMap": SECRET}}}, {}, "tlsConfig.ca.configMap is asked for"),
        ({"tlsConfig": {"cert": {"secret": SECRET}}}, {}, "tlsConfig.cert.secret is asked for"),
        ({"tlsConfig": {"keySecret": SECRET}}, {}, "tlsConfig.keySecret is asked for"),
        ({"tlsConfig": {"caFile": "/etc/ca"}}, {}, "tlsConfig.caFile asks for /etc/ca"),
        ({"tlsConfig": {"certFile": "/etc/crt"}}, {}, "tlsConfig.certFile cannot be set"),
        ({"tlsConfig": {"minVersion": "TLS13"}}, {}, "tlsConfig.minVersion cannot be set"),
        ({"proxyUrl": "http://proxy"}, {}, "proxyUrl asks for a proxy"),
        ({"proxyFromEnvironment": True}, {}, "proxyUrl asks for a proxy"),
        ({}, {"attachMetadata": {"node": True}}, "attachMetadata.node asks for labels of nodes"),
        ({}, {"scrapeClass": "tls"}, "scrapeClass tls stands in a Prometheus object"),
        ({"interval": "1.5m"}, {}, "interval or scrapeTimeout: '1.5m' is no duration"),
        ({"interval": "10s", "scrapeTimeout": "11s"}, {}, "scrapeTimeout 11s is longer than the interval of 10 s"),
        ({"interval": "2d"}, {}, "interval_s: Input should be less than or equal to 86400"),
        ({}, {"bodySizeLimit": "much"}, "bodySizeLimit: 'much' is no size"),
        ({"relabelings": [{"regex": "("}]}, {}, "regex: Value error, '\\(' is not a regular expression"),
        ({"metricRelabelings": [{"action": "explode"}]}, {}, "action: Input should be"),
    ],
)
def test_what_is_not_scraped(endpoint: dict[str, Any], spec: dict[str, Any], field: str) -> None:
    with pytest.raises(Unscraped, match=f"^{field}"):
        plan(endpoint, settings={"service_account_token": True}, **spec)


def test_a_monitor_that_cannot_be_understood_says_so() -> None:
    found = service_monitor_of(monitor("web", {"port": ["a"]}))
    assert found is not None
    assert found.spec is None
    assert found.fault == "spec.endpoints.0.port: Input should be a valid string"
    # What is null is absent, and what is not known is passed over.
    found = service_monitor_of(monitor("web", {"port": None, "params": None, "new": {}}, jobLabel=None))
    assert found is not None
    assert (found.fault, found.endpoints[0].port) == ("", "")

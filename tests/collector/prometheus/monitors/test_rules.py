"""The rules that stand for a monitor, beside those that the Prometheus operator generates (promcfg.go and its golden files)."""

from __future__ import annotations

from typing import Any

import pytest

from collector.prometheus.monitors.documents import pod_monitor_of, service_monitor_of
from collector.prometheus.monitors.rules import rules_of
from tests.fakes.kubernetes_objects import monitor

META = "__meta_kubernetes_"
FIRST = {"source_labels": ["job"], "target_label": "__tmp_prometheus_job_name"}
RUNNING = {"action": "drop", "source_labels": [f"{META}pod_phase"], "regex": "(Failed|Succeeded)"}
TARGET = [f"{META}endpointslice_address_target_kind", f"{META}endpointslice_address_target_name"]


def keep(meta: str, regex: str) -> dict[str, Any]:
    return {"action": "keep", "source_labels": [META + meta], "regex": regex}


def copy(meta: str, label: str) -> dict[str, Any]:
    return {"source_labels": [META + meta], "target_label": label}


def present(meta: str, label: str) -> dict[str, Any]:
    return {**copy(meta, label), "regex": "(.+)", "replacement": "${1}"}


def endpoint(name: str) -> dict[str, Any]:
    return {"target_label": "endpoint", "replacement": name}


#: What every ServiceMonitor has after its port.
OF_SERVICE = [
    {"source_labels": TARGET, "separator": ";", "regex": "Node;(.*)", "replacement": "${1}", "target_label": "node"},
    {"source_labels": TARGET, "separator": ";", "regex": "Pod;(.*)", "replacement": "${1}", "target_label": "pod"},
    copy("namespace", "namespace"),
    copy("service_name", "service"),
    copy("pod_name", "pod"),
    copy("pod_container_name", "container"),
]
SERVICE_JOB = {**copy("service_name", "job"), "replacement": "${1}"}
OF_POD = [copy("namespace", "namespace"), copy("pod_container_name", "container"), copy("pod_name", "pod")]
POD_JOB = {"target_label": "job", "replacement": "shop/web"}


def rules(of: dict[str, Any], kind: str = "ServiceMonitor", **spec: Any) -> list[dict[str, Any]]:
    """The generated rules, but for what is as by default."""
    document = monitor("web", of, kind=kind, **spec)
    found = service_monitor_of(document) if kind == "ServiceMonitor" else pod_monitor_of(document)
    assert found is not None
    assert found.spec is not None
    made = rules_of(found, found.spec, found.endpoints[0])
    dumped = [rule.model_dump(exclude_defaults=True) for rule in made]
    return [{name: list(v) if isinstance(v, tuple) else v for name, v in rule.items()} for rule in dumped]


def without_defaults(expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in rule.items() if (k, v) not in (("separator", ";"), ("action", "replace"))}
        for rule in expected
    ]


def test_a_service_monitor() -> None:
    """As TestServiceMonitorWithEndpointSliceEnable_Expected.golden, without the selection and the shards."""
    assert rules({"port": "web"}) == without_defaults(
        [FIRST, keep("endpointslice_port_name", "web"), *OF_SERVICE, RUNNING, SERVICE_JOB, endpoint("web")]
    )


def test_a_pod_monitor() -> None:
    """As PodTargetLabelsFromPodMonitor.golden."""
    assert rules({"port": "web"}, "PodMonitor", podTargetLabels=["example", "env"]) == [
        FIRST,
        RUNNING,
        keep("pod_container_port_name", "web"),
        *OF_POD,
        present("pod_label_example", "example"),
        present("pod_label_env", "env"),
        POD_JOB,
        endpoint("web"),
    ]


@pytest.mark.parametrize(
    ("given", "kept", "named"),
    [
        ({"targetPort": "web"}, [keep("pod_container_port_name", "web")], [endpoint("web")]),
        ({"targetPort": 8080}, [keep("pod_container_port_number", "8080")], [endpoint("8080")]),
        ({}, [], []),
    ],
)
@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_ports_of_containers(
    kind: str, given: dict[str, Any], kept: list[dict[str, Any]], named: list[dict[str, Any]]
) -> None:
    found = rules({**given, "filterRunning": False}, kind)
    service = [FIRST, *kept, *OF_SERVICE, SERVICE_JOB, *named]
    assert found == without_defaults(service if kind == "ServiceMonitor" else [FIRST, *kept, *OF_POD, POD_JOB, *named])


def test_the_number_of_a_port_of_a_pod_monitor_comes_before_its_old_name() -> None:
    """As podMonitorObjectWithPortNumber.golden."""
    found = rules({"portNumber": 1024, "targetPort": 10240}, "PodMonitor")
    assert found == [
        FIRST,
        RUNNING,
        keep("pod_container_port_number", "1024"),
        *OF_POD,
        POD_JOB,
        endpoint("10240"),
    ]


def test_labels_that_are_carried_over_and_own_rules_come_last() -> None:
    own = {
        "sourceLabels": ["__meta_kubernetes_pod_node_name", "pod"],
        "separator": "/",
        "targetLabel": "place",
        "regex": "(a)/(b)",
        "replacement": "",
        "action": "Replace",
    }
    hashed = {"sourceLabels": ["__address__"], "targetLabel": "h", "modulus": 4, "action": "HashMod"}
    found = rules(
        {"port": "web", "relabelings": [own, hashed]},
        jobLabel="app.kubernetes.io/name",
        targetLabels=["team", "a/b"],
        podTargetLabels=["tier"],
    )
    assert found == without_defaults(
        [
            FIRST,
            keep("endpointslice_port_name", "web"),
            *OF_SERVICE,
            RUNNING,
            present("service_label_team", "team"),
            present("service_label_a_b", "a_b"),
            present("pod_label_tier", "tier"),
            SERVICE_JOB,
            present("service_label_app_kubernetes_io_name", "job"),
            endpoint("web"),
            {
                "source_labels": ["__meta_kubernetes_pod_node_name", "pod"],
                "separator": "/",
                "target_label": "place",
                "regex": "(a)/(b)",
                "replacement": "",
            },
            {"source_labels": ["__address__"], "target_label": "h", "modulus": 4, "action": "hashmod"},
        ]
    )
    assert rules({}, "PodMonitor", jobLabel="app")[-1] == present("pod_label_app", "job")


@pytest.mark.parametrize(
    "wrong", [{"action": "explode"}, {"regex": "(", "targetLabel": "a"}, {"targetLabel": "1a"}, {"action": "hashmod"}]
)
def test_a_rule_that_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="RelabelRule"):
        rules({"relabelings": [wrong]})

"""The charts as parts of another, which calls them by names of its own, takes them in by a condition, and has global values for all its parts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.charts import ROOT, Manifest, helm, manifests, of_kind, one

pytestmark = pytest.mark.charts

AGENT: dict[str, Any] = {
    "agentName": "{{ .Release.Name }}-shop",
    "ledger": {
        "endpoint": "{{ .Release.Name }}-book.{{ .Release.Namespace }}.svc:9460",
        "token": {"existingSecret": "invitation"},
    },
    "config": {"sources": [{"kind": "kubernetes", "cluster": "prod"}]},
    "metrics": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
}
LEDGER: dict[str, Any] = {
    "tls": {"existingSecret": "tls"},
    "metrics": {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
}


def whole(folder: Path, parts: dict[str, str], values: dict[str, Any]) -> tuple[list[Manifest], str]:
    """What is rendered of a chart with parts, each a chart of ours by its alias, and what helm says where it refuses."""
    about = {"apiVersion": "v2", "name": "whole", "version": "1.0.0"}
    dependencies = [
        {"name": f"meterbook-{chart}", "version": "*", "alias": alias, "condition": f"{alias}.enabled"}
        for alias, chart in parts.items()
    ]
    for chart in set(parts.values()):
        shutil.copytree(ROOT / "helm" / chart, folder / "charts" / chart)
    (folder / "Chart.yaml").write_text(yaml.safe_dump({**about, "dependencies": dependencies}), encoding="utf-8")
    (folder / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    found = helm("template", "billing", folder, "-n", "metering", "--kube-version", "1.37.0")
    return manifests(found.stdout), found.stderr


def images(objects: list[Manifest]) -> set[tuple[str, str]]:
    """The image of every container, and when it is pulled."""
    found = [each["spec"]["template"]["spec"] for each in of_kind(objects, "Deployment", "StatefulSet")]
    return {(each["image"], each["imagePullPolicy"]) for spec in found for each in spec["containers"]}


def test_a_condition_takes_a_chart_in_or_leaves_it_out(tmp_path: Path) -> None:
    values = {"meterbook-agent": {**AGENT, "enabled": True}, "meterbook-ledger": {"enabled": False}}
    objects, told = whole(tmp_path, {"meterbook-agent": "agent", "meterbook-ledger": "ledger"}, values)
    assert told == ""
    assert one(objects, "Deployment", "StatefulSet")["metadata"]["name"] == "billing-meterbook-agent"


def test_global_values_are_also_those_of_other_charts(tmp_path: Path) -> None:
    image = {"registry": "mirror.example.com", "pullPolicy": "Always", "tag": "of-another", "pullSecrets": [{"name": "mirror"}]}  # fmt: skip
    values = {"book": LEDGER, "global": {"image": image, "storageClass": "fast"}}
    objects, told = whole(tmp_path, {"book": "ledger"}, values)
    assert told == ""
    assert images(objects) == {("mirror.example.com/meterbook-ledger:0.1.0", "Always")}


def test_agents_are_called_by_their_aliases_and_are_agents(tmp_path: Path) -> None:
    parts = {"agent-eu": "agent", "agentUs": "agent", "agent_asia": "agent", "book": "ledger"}
    values = {alias: AGENT if chart == "agent" else LEDGER for alias, chart in parts.items()}
    objects, told = whole(tmp_path, parts, values)
    assert told == ""
    workloads = of_kind(objects, "Deployment", "StatefulSet")
    names = {each["metadata"]["name"]: each["metadata"]["labels"]["app.kubernetes.io/component"] for each in workloads}
    assert names == {
        "billing-agent-eu": "agent",
        "billing-agent-us": "agent",
        "billing-agent-asia": "agent",
        "billing-book": "ledger",
    }
    rules = of_kind(objects, "PrometheusRule")
    assert {each["metadata"]["name"] for each in rules} == names.keys()
    for each in rules:
        assert f"{each['metadata']['name']}-metrics|" in str(each["spec"])
    selectors = [each["spec"]["selector"]["matchLabels"] for each in workloads]
    assert len({tuple(sorted(each.items())) for each in selectors}) == len(selectors)


def test_the_whole_says_where_its_ledger_is(tmp_path: Path) -> None:
    objects, told = whole(tmp_path, {"shop": "agent", "book": "ledger"}, {"shop": AGENT, "book": LEDGER})
    assert told == ""
    (config,) = (
        yaml.safe_load(each["data"]["agent.yaml"])
        for each in of_kind(objects, "ConfigMap")
        if "agent.yaml" in each["data"]
    )
    assert config["agent"] == "billing-shop"
    services = {f"{each['metadata']['name']}.metering.svc:9460" for each in of_kind(objects, "Service")}
    assert config["ledger"]["endpoint"] in services


def test_what_the_whole_leaves_empty_is_empty(tmp_path: Path) -> None:
    values = {"book": {**LEDGER, "podLabels": None, "livenessProbe": None, "extraEnv": None}}
    objects, told = whole(tmp_path, {"book": "ledger"}, values)
    assert "Error" not in told
    (container,) = one(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert "livenessProbe" not in container and "readinessProbe" in container

"""The roles that are rendered grant what ``meterbook agent role`` asks for by the same configuration: nothing less, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.config import load
from collector import registry
from collector.cluster.permissions import VERBS, Permission
from tests.helm.charts import CI, Manifest, changed, configurations, of_kind, one, rendered

pytestmark = pytest.mark.charts

AGENT = [path for chart, path in CI if chart == "agent"]
ROLES = ("ClusterRole", "Role")
Granted = set[tuple[str, str, str, str]]


def granted(objects: list[Manifest]) -> Granted:
    """(namespace, group, resource, verb) of all roles; no namespace stands for the whole cluster."""
    return {
        (role["metadata"].get("namespace", ""), group, resource, verb)
        for role in of_kind(objects, *ROLES)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(objects: list[Manifest], folder: Path) -> Granted:
    """The same of what the sources of every rendered configuration ask for."""
    found: Granted = set()
    for name, text in configurations(objects).items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        for source in load(path).sources:
            role = registry.plugin(source.kind).role
            if role is not None:
                found |= granted([each for each in yaml.safe_load_all(role(source, "x", "x")) if each])
    return found


@pytest.mark.parametrize("values", AGENT, ids=lambda path: path.stem)
def test_roles_are_those_that_the_configuration_needs(values: Path, tmp_path: Path) -> None:
    objects, given = rendered("agent", values), yaml.safe_load(values.read_text(encoding="utf-8"))
    of_user = {
        (namespace, group, resource, verb)
        for namespace in given.get("rbac", {}).get("namespaces", [""])
        for rule in given.get("rbac", {}).get("extraRules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted(objects) == asked(objects, tmp_path) | of_user


@pytest.mark.parametrize("values", AGENT, ids=lambda path: path.stem)
def test_every_rule_only_reads(values: Path) -> None:
    for _, group, resource, verb in granted(rendered("agent", values)):
        # It refuses what writes, wildcards, secrets, and doors such as nodes/proxy.
        Permission(group, resource, (verb,))
        assert verb in VERBS


def test_there_are_roles_to_look_at() -> None:
    assert len(granted(changed("agent"))) > 20
    assert ("", "", "nodes/stats", "get") in granted(changed("agent"))


@pytest.mark.parametrize("chart_values", [path for chart, path in CI if chart == "ledger"], ids=lambda path: path.stem)
def test_a_ledger_asks_the_cluster_for_nothing(chart_values: Path) -> None:
    objects = rendered("ledger", chart_values)
    assert of_kind(objects, *ROLES, "ClusterRoleBinding", "RoleBinding") == []
    pod = one(objects, "Deployment", "StatefulSet")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("values", AGENT, ids=lambda path: path.stem)
def test_bindings_bind_the_service_account_of_the_pod(values: Path) -> None:
    objects = rendered("agent", values)
    workload = one(objects, "Deployment", "StatefulSet")
    account = {
        "kind": "ServiceAccount",
        "name": workload["spec"]["template"]["spec"]["serviceAccountName"],
        "namespace": workload["metadata"]["namespace"],
    }
    roles = {
        (each["metadata"].get("namespace"), each["kind"], each["metadata"]["name"]) for each in of_kind(objects, *ROLES)
    }
    bindings = of_kind(objects, "ClusterRoleBinding", "RoleBinding")
    assert all(each["subjects"] == [account] for each in bindings)
    assert {
        (each["metadata"].get("namespace"), each["roleRef"]["kind"], each["roleRef"]["name"]) for each in bindings
    } == roles
    for each in of_kind(objects, "ServiceAccount"):
        assert each["metadata"]["name"] == account["name"]


@pytest.mark.parametrize(
    ("values", "mounted"),
    [("kubernetes", True), ("namespaces", True), ("irsa", False), ("podidentity", False), ("everything", False)],
)
def test_the_token_is_mounted_where_the_cluster_is_read(values: str, mounted: bool) -> None:
    pod = one(changed("agent", values=values), "Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is mounted


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "kubernetes", "cluster": "other", "api": {"kubeconfig": "/etc/kube/config"}},
        {"kind": "prometheus", "job": "x", "targets": ["10.0.0.7:8000"]},
        {"kind": "prometheus", "job": "x", "kubernetes": {"role": "pod", "api": {"kubeconfig": "/etc/kube/config"}}},
    ],
)
def test_what_reads_another_cluster_or_none_is_granted_nothing(source: dict[str, Any]) -> None:
    objects = changed("agent", f"config.sources={json.dumps([source])}")
    assert granted(objects) == set()


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "kubernetes", "cluster": "x", "usage": "resource", "file_io": False},
        {"kind": "kubernetes", "cluster": "x", "usage": "resource"},
        {"kind": "kubernetes", "cluster": "x", "file_io": False},
        {"kind": "prometheus", "job": "x", "kubernetes": {"role": "service"}},
        {"kind": "prometheus", "job": "x", "kubernetes": {"role": "endpoints", "namespaces": ["a", "b"]}},
        {"kind": "prometheus_monitors", "cluster": "x", "monitors": ["ServiceMonitor"]},
        {"kind": "prometheus_monitors", "cluster": "x", "namespace_selector": {}},
        {"kind": "prometheus_monitors", "cluster": "x", "namespaces": ["a"]},
    ],
)
def test_each_setting_of_a_source_has_its_rights(source: dict[str, Any], tmp_path: Path) -> None:
    objects = changed("agent", f"config.sources={json.dumps([source])}")
    assert granted(objects)
    assert granted(objects) == asked(objects, tmp_path)


def test_a_path_that_is_not_a_resource_may_be_granted() -> None:
    rule = {"nonResourceURLs": ["/metrics", "/metrics/slis"], "verbs": ["get"]}
    (role,) = of_kind(changed("agent", f"rbac.extraRules={json.dumps([rule])}"), "ClusterRole")
    assert rule in role["rules"]

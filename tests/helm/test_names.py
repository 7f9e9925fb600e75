"""What objects are called: two releases never by one name, and whatever a user calls something stays text that Kubernetes takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import openapi
from tests.helm.charts import CHARTS, Manifest, changed, ci, manifests, of_kind, one, pods, template
from tests.helm.test_manifests import faults

pytestmark = pytest.mark.charts

_FIRST = {"agent": "kubernetes", "ledger": "embedded"}
#: What YAML reads as a number, as a truth or as nothing where it is not quoted.
NO_TEXT = ("123456", "0777", "true", "on", "null", "1e3")


def released(chart: str, release: str, *sets: str, values: str | None = None) -> list[Manifest]:
    """The objects of a release of that name."""
    found = template(chart, ci(chart, values or _FIRST[chart]), sets=sets, release=release)
    assert found.returncode == 0, found.stderr
    return manifests(found.stdout)


def wrong(objects: Sequence[Manifest]) -> list[str]:
    """What the newest Kubernetes would not take."""
    return [fault for each in objects for fault in faults(openapi.releases()[-1], each)]


def test_two_namespaces_never_share_a_role() -> None:
    first = changed("agent", 'namespaceOverride="team"', 'fullnameOverride="a-meterbook-agent"')
    second = changed("agent", 'namespaceOverride="team-a"', 'fullnameOverride="meterbook-agent"')
    names = [
        {each["metadata"]["name"] for each in of_kind(objects, "ClusterRole", "ClusterRoleBinding")}
        for objects in (first, second)
    ]
    assert all(names) and not names[0] & names[1]


@pytest.mark.parametrize("chart", CHARTS)
def test_long_releases_that_begin_alike_have_names_of_their_own(chart: str) -> None:
    names = [
        {each["metadata"]["name"] for each in released(chart, f"metering-of-usage-for-production-in-{region}")}
        for region in ("west-eu1", "west-us1")
    ]
    assert not names[0] & names[1]
    assert all(len(name) <= 63 for name in names[0] if "." not in name)


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("release", ["123", "on", "1e3", "7-up"])
def test_releases_may_look_like_numbers(chart: str, release: str) -> None:
    objects = list(released(chart, release, "test.enabled=false"))
    assert wrong(objects) == []
    for each in of_kind(objects, "Service"):
        assert re.fullmatch("[a-z][a-z0-9-]*", each["metadata"]["name"])


@pytest.mark.parametrize("text", NO_TEXT)
def test_names_that_do_not_look_like_text_stay_text(text: str) -> None:
    quoted = f'"{text}"'
    agent = (
        "ledger.token.existingSecret", "ledger.token.key", "persistence.existingClaim", "priorityClassName", "runtimeClassName",
        "ledger.tls.existingSecret", "ledger.tls.caKey", "serviceAccount.name", "podAnnotations.a", "podLabels.a", "commonLabels.b",
    )  # fmt: skip
    ledger = (
        "distributed.postgresql.existingSecret", "distributed.postgresql.passwordKey", "distributed.postgresql.tls.existingSecret",
        "distributed.s3.existingSecret", "distributed.s3.accessKeyIdKey", "distributed.s3.secretAccessKeyKey", "proof.existingSecret",
        "tls.existingSecret", "access.adminToken.existingSecret", "serviceAccount.name", "existingConfigMap", "priorityClassName",
        "service.loadBalancerClass",
    )  # fmt: skip
    off = "test.enabled=false"
    assert wrong(changed("agent", off, *(f"{each}={quoted}" for each in agent))) == []
    assert wrong(changed("agent", off, f"existingConfigMap={quoted}", f"ledger.key.existingSecret={quoted}", values="namespaces")) == []  # fmt: skip
    assert wrong(changed("ledger", off, *(f"{each}={quoted}" for each in ledger), values="distributed")) == []
    assert wrong(changed("ledger", off, f"persistence.existingClaim={quoted}")) == []


@pytest.mark.parametrize("chart", CHARTS)
def test_namespaces_may_look_like_numbers(chart: str) -> None:
    objects = changed(chart, "test.enabled=false", 'namespaceOverride="123"', "metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true")  # fmt: skip
    assert wrong(objects) == []
    assert {each["metadata"].get("namespace", "123") for each in objects} == {"123"}


@pytest.mark.parametrize("chart", CHARTS)
def test_a_tag_may_have_a_digest(chart: str) -> None:
    digest = "sha256:" + "a" * 64
    objects = changed(chart, f'image.tag="0.1.0@{digest}"')
    assert wrong(objects) == []
    workload = one(objects, "Deployment", "StatefulSet")
    assert workload["metadata"]["labels"]["app.kubernetes.io/version"] == "0.1.0"
    image = workload["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"meterbook-{chart}:0.1.0@{digest}"
    labels: list[dict[str, Any]] = [each["metadata"]["labels"] for each in objects]
    labels += [pod["metadata"]["labels"] for _, pod in pods(objects)]
    pattern = re.compile("([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
    assert all(pattern.fullmatch(value) for each in labels for value in each.values())


@pytest.mark.parametrize("chart", CHARTS)
def test_an_annotation_of_the_user_s_takes_nothing_from_the_chart_s(chart: str) -> None:
    before, after = (
        one(changed(chart, *sets), "Deployment", "StatefulSet")["spec"]["template"]["metadata"]["annotations"]
        for sets in ((), ('podAnnotations={"checksum/config": "x", "a": "b"}',))
    )
    assert after == before | {"a": "b"}


def test_texts_of_objects_are_rendered(tmp_path: Path) -> None:
    text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}-note"}\n'
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump({"extraManifests": [text]}), encoding="utf-8")
    found = template("ledger", ci("ledger", "embedded"), path)
    assert found.returncode == 0, found.stderr
    assert "meterbook-ledger-note" in {each["metadata"]["name"] for each in manifests(found.stdout)}

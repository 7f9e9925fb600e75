"""Every object that is rendered is one that Kubernetes knows: in the oldest release that a chart is for, and in the newest."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from helm import openapi
from tests.helm.charts import Manifest, every_ci_values, of_kind, one, pods, rendered

pytestmark = pytest.mark.charts


@cache
def validator(release: str, kind: str) -> Draft4Validator:
    """Of objects of a kind, written as version/kind."""
    if kind in openapi.KINDS:
        reference = {"$ref": f"#/definitions/{openapi.KINDS[kind]}"}
        return Draft4Validator({"definitions": openapi.definitions(release), **reference})
    return Draft4Validator(openapi.custom_definitions()[kind])


def faults(release: str, manifest: Manifest) -> list[str]:
    """What is wrong with an object, each with its place."""
    kind = f"{manifest['apiVersion']}/{manifest['kind']}"
    place = f"{kind} {manifest['metadata']['name']}"
    return [
        f"{place}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in validator(release, kind).iter_errors(manifest)
    ]


@pytest.mark.parametrize("release", openapi.releases())
@every_ci_values
def test_every_object_is_valid(release: str, chart: str, values: Path) -> None:
    objects = rendered(chart, values)
    assert objects
    assert [fault for each in objects for fault in faults(release, each)] == []


def test_what_is_wrong_is_found() -> None:
    release = openapi.releases()[0]
    good: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "x"},
        "spec": {"ports": [{"port": 1}]},
    }
    assert faults(release, good) == []
    for spec in ({"ports": [{"prot": 1}]}, {"ports": {}}, {"selectors": {}}, {"ports": [{"port": "x"}]}):
        assert faults(release, {**good, "spec": spec})


@every_ci_values
def test_every_object_stands_in_one_namespace_and_says_whose_it_is(chart: str, values: Path) -> None:
    objects = rendered(chart, values)
    named = [
        (each["apiVersion"], each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in objects
    ]
    assert len(named) == len(set(named))
    ours = [each for each in objects if "labels" in each["metadata"]]
    places = {each["metadata"].get("namespace") for each in ours if each["kind"] not in ("Role", "RoleBinding")}
    assert len(places - {None}) == 1
    assert all(each["kind"].startswith("Cluster") for each in ours if not each["metadata"].get("namespace"))
    for each in ours:
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "meterbook"


@every_ci_values
def test_selectors_select_the_pods_that_serve_and_no_others(chart: str, values: Path) -> None:
    objects = rendered(chart, values)
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects)}
    serving = {name for name in labels if not name.startswith("Pod/")}
    selectors = [each["spec"]["selector"] for each in of_kind(objects, "Service")]
    selectors += [
        each["spec"]["selector"]["matchLabels"] for each in of_kind(objects, "PodDisruptionBudget", "PodMonitor")
    ]
    selectors.append(one(objects, "Deployment", "StatefulSet")["spec"]["selector"]["matchLabels"])
    selectors.append(one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"])
    for selector in selectors:
        assert {name for name, each in labels.items() if selector.items() <= each.items()} == serving
    for monitor in of_kind(objects, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        found = [each for each in of_kind(objects, "Service") if wanted <= each["metadata"]["labels"].items()]
        assert [each["metadata"]["name"].endswith("-metrics") for each in found] == [True]


@every_ci_values
def test_every_volume_is_mounted_and_every_mount_has_a_volume(chart: str, values: Path) -> None:
    objects = rendered(chart, values)
    claims = {
        claim["metadata"]["name"]
        for each in of_kind(objects, "StatefulSet")
        for claim in each["spec"].get("volumeClaimTemplates", ())
    }
    for name, pod in pods(objects):
        volumes = [each["name"] for each in pod["spec"]["volumes"]]
        assert len(volumes) == len(set(volumes)), name
        mounts = [each for container in pod["spec"]["containers"] for each in container.get("volumeMounts", ())]
        mounted = {each["name"] for each in mounts}
        assert mounted == {*volumes, *(claims if not name.startswith("Pod/") else ())}, name
        assert len({each["mountPath"] for each in mounts}) == len(mounts), name

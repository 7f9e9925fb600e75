"""The pod of `helm test` is let run where the pods that it tests are: it is placed like them, and can be given what a quota or a mesh wants."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helm.charts import CHARTS, Manifest, changed, of_kind, one, pods

pytestmark = pytest.mark.charts

PLACED = ("affinity", "dnsConfig", "hostAliases", "nodeSelector", "priorityClassName", "runtimeClassName", "schedulerName", "tolerations")  # fmt: skip


def hook(objects: list[Manifest]) -> Manifest:
    (pod,) = of_kind(objects, "Pod")
    return pod


def first(pod: Manifest) -> dict[str, Any]:
    container: dict[str, Any] = pod["spec"]["containers"][0]
    return container


@pytest.mark.parametrize("chart", CHARTS)
def test_it_runs_where_the_others_do(chart: str) -> None:
    spread = 'topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "x", "whenUnsatisfiable": "DoNotSchedule"}]'
    objects = changed(chart, spread, 'controller.podSpec={"schedulerName": "packed"}', values="everything")
    tested = hook(objects)
    served = one(objects, "Deployment", "StatefulSet")["spec"]["template"]
    for name in PLACED:
        assert tested["spec"][name] == served["spec"][name], name
    assert "topologySpreadConstraints" not in tested["spec"]
    assert {**served["metadata"]["labels"], **tested["metadata"]["labels"]} == tested["metadata"]["labels"]
    assert tested["metadata"]["annotations"]["acme.example.com/note"]
    extra = [each for each in first(served)["env"] if each["name"] in ("TZ", "MALLOC_ARENA_MAX")]
    assert extra and all(each in first(tested)["env"] for each in extra)
    assert first(tested)["envFrom"] == first(served)["envFrom"]


@pytest.mark.parametrize("chart", CHARTS)
def test_it_is_never_taken_for_one_of_those_that_serve(chart: str) -> None:
    component = f'podLabels={{"app.kubernetes.io/component": "{chart}"}}'
    objects = changed(chart, component, f"test.{component}")
    selector = one(objects, "Deployment", "StatefulSet")["spec"]["selector"]["matchLabels"]
    assert [name for name, pod in pods(objects) if selector.items() <= pod["metadata"]["labels"].items()] == [
        f"{one(objects, 'Deployment', 'StatefulSet')['kind']}/meterbook-{chart}"
    ]


@pytest.mark.parametrize("chart", CHARTS)
def test_it_has_resources_labels_and_annotations_of_its_own(chart: str) -> None:
    pod = hook(
        changed(
            chart,
            'test.resources.limits={"cpu": "1", "memory": "256Mi"}',
            'podLabels={"sidecar.istio.io/inject": "true", "team": "metering"}',
            'test.podLabels={"sidecar.istio.io/inject": "false"}',
            'test.podAnnotations={"linkerd.io/inject": "disabled", "helm.sh/hook": "post-install"}',
        )
    )
    assert first(pod)["resources"]["limits"] == {"cpu": "1", "memory": "256Mi"}
    assert first(pod)["resources"]["requests"] == {"cpu": "50m", "memory": "128Mi"}
    labels, annotations = pod["metadata"]["labels"], pod["metadata"]["annotations"]
    assert (labels["sidecar.istio.io/inject"], labels["team"]) == ("false", "metering")
    assert (annotations["linkerd.io/inject"], annotations["helm.sh/hook"]) == ("disabled", "test")

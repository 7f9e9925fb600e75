"""Both charts are installed with helm on a real API server: every object is admitted, and every pod in a namespace that is 'restricted'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helm.charts import CI, Manifest, ci, manifests, of_kind, template
from tests.kube.assets import needs_control_plane
from tests.kube.controlplane import ControlPlane
from tests.kube.releases import Release, installed, monitoring, namespace, pod_of

pytestmark = needs_control_plane

#: Namespaces that values name beside the release's own.
NAMED = ("usage", "books", "shop", "checkout")


@pytest.fixture(scope="module")
def prepared(plane: ControlPlane) -> ControlPlane:
    """A cluster with the kinds of the Prometheus operator, and the namespaces that values name."""
    monitoring(plane)
    for name in NAMED:
        namespace(plane, name)
    return plane


def admission(plane: ControlPlane, pod: Manifest, where: str) -> tuple[int, str]:
    """What the server would say to a pod, asked without making it, where there are the classes that it names."""
    if named := pod["spec"].get("priorityClassName"):
        plane.apply(
            {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": named}, "value": 1_000}
        )
    if named := pod["spec"].get("runtimeClassName"):
        plane.apply(
            {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": named}, "handler": named}
        )
    with plane.api.client() as client:
        answer = client.post(f"/api/v1/namespaces/{where}/pods", params={"dryRun": "All"}, json=pod)
    return answer.status_code, answer.json().get("message", "")


@pytest.mark.parametrize(("chart", "values"), CI, ids=[f"{chart}-{path.stem}" for chart, path in CI])
def test_every_object_and_pod_is_admitted(prepared: ControlPlane, chart: str, values: Path) -> None:
    with installed(prepared, chart, values, f"{chart}-{values.stem.removesuffix('-values')}") as release:
        workloads = of_kind(release.objects(), "Deployment", "StatefulSet")
        assert workloads
        for workload in workloads:
            where = workload["metadata"].get("namespace", release.namespace)
            assert admission(prepared, pod_of(workload), where) == (201, "")
            # The server kept what was written: nothing in it was unknown to it, and pruned.
            kept = prepared.get(workload["kind"], workload["metadata"]["name"], "-n", where)
            assert pod_of(kept)["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_namespace_would_refuse_what_the_charts_do_not_do(prepared: ControlPlane) -> None:
    with installed(prepared, "agent", ci("agent", "kubernetes"), "hostile") as release:
        (workload,) = of_kind(release.objects(), "Deployment")
        pod = pod_of(workload)
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        status, said = admission(prepared, pod, release.namespace)
        assert status == 403 and "allowPrivilegeEscalation != false" in said


def changed(release: Release, *arguments: str) -> None:
    done = release.helm(*arguments)
    assert done.returncode == 0, done.stderr


def test_upgrade_rollback_and_uninstall(prepared: ControlPlane) -> None:
    agent = str(Path(ci("agent", "kubernetes")).parents[1])
    with installed(prepared, "agent", ci("agent", "kubernetes"), "moved") as release:
        before = release.objects()
        values = ["--values", str(ci("agent", "kubernetes"))]
        changed(release, "upgrade", "moved", agent, *values, "--set", "logLevel=debug,rbac.create=false")
        assert not of_kind(release.objects(), "ClusterRole")
        changed(release, "rollback", "moved", "1")
        assert release.objects() == before
        # To several agents and back: the claim of the one agent is taken up again.
        changed(release, "upgrade", "moved", agent, "--values", str(ci("agent", "sharded")))
        assert prepared.get("deployments", "-n", "moved")["items"] == []
        changed(release, "upgrade", "moved", agent, *values)
        assert release.objects() == before and prepared.get("statefulsets", "-n", "moved")["items"] == []
    left = prepared.kubectl("get", "all,configmaps,serviceaccounts,networkpolicies,roles,rolebindings", "-n", "moved", "-o", "name")  # fmt: skip
    assert left.stdout.split() == []
    roles = prepared.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name").stdout
    assert "meterbook" not in roles and "moved" not in roles
    # What was not acknowledged, and the agent's key, outlive the release, as its notes say.
    assert [each["metadata"]["name"] for each in prepared.get("pvc", "-n", "moved")["items"]] == [
        "moved-meterbook-agent"
    ]


@pytest.mark.parametrize(
    ("chart", "values", "setting", "told"),
    [
        ("ledger", "embedded", 'persistence.size="60Gi"', 'with the size "53687091200 bytes", and these values say "64424509440 bytes"'),
        ("ledger", "embedded", 'persistence.labels={"backup": "daily"}', "with the labels "),
        ("ledger", "embedded", 'persistence.annotations={"backup": "daily"}', 'with the annotations none, and these values say {"backup":"daily"}'),
        ("ledger", "embedded", 'persistence.storageClass="fast"', 'with the storageClassName none, and these values say "fast"'),
        ("ledger", "embedded", 'persistence.existingClaim="old"', "delete statefulset fixed-meterbook-ledger --cascade=orphan"),
        ("agent", "sharded", "persistence.size=\"4Gi\"", "delete statefulset fixed-meterbook-agent --cascade=orphan"),
        ("agent", "kubernetes", "nameOverride=\"other\"", "leave the chart's name and nameOverride as they were"),
    ],
)  # fmt: skip
def test_an_upgrade_says_what_cannot_be_changed(
    prepared: ControlPlane, chart: str, values: str, setting: str, told: str
) -> None:
    file = ci(chart, values)
    fixed = ["--set", f"fullnameOverride=fixed-meterbook-{chart}"]
    with installed(prepared, chart, file, "fixed", more=fixed) as release:
        path = str(file.parents[1])
        same = release.helm("upgrade", "fixed", path, "--values", str(file), *fixed)
        assert same.returncode == 0, same.stderr
        done = release.helm("upgrade", "fixed", path, "--values", str(file), *fixed, "--set-json", setting)
        assert done.returncode and told in done.stderr, done.stderr


SNAPSHOT = {"name": "snapshot", "kind": "VolumeSnapshot", "apiGroup": "snapshot.storage.k8s.io"}


# An API server writes some of these in another form, and adds what says nothing.
@pytest.mark.parametrize(
    "own",
    [
        {"storageClass": "-", "spec": {"accessModes": ["ReadWriteOncePod"], "dataSource": SNAPSHOT}},
        {"spec": {"dataSource": {"name": "book", "kind": "PersistentVolumeClaim"}, "selector": {"matchLabels": {}}}},
        {"size": "1.3Gi"},
        {"size": "2048Ti"},
        {"size": "1000M"},
    ],
    ids=["own-class", "nothing-said", "fraction", "larger-unit", "decimal"],
)
def test_a_claim_of_any_form_is_the_same_at_every_upgrade(prepared: ControlPlane, own: dict[str, Any]) -> None:
    file = ci("ledger", "embedded")
    more = ["--set-json", f"persistence={json.dumps(own)}"]
    with installed(prepared, "ledger", file, "formed", more=more) as release:
        changed(release, "upgrade", "formed", str(file.parents[1]), "--values", str(file), *more)
        other = release.helm("upgrade", "formed", str(file.parents[1]), "--values", str(file))
        assert other.returncode and "and these values say" in other.stderr


def test_as_many_serve_as_before_once_an_autoscaler_chooses(prepared: ControlPlane) -> None:
    file = ci("ledger", "distributed")
    chart = str(file.parents[1])

    def serving() -> int:
        (found,) = prepared.get("deployments", "-n", "scaled")["items"]
        return int(found["spec"]["replicas"])

    with installed(prepared, "ledger", file, "scaled", more=["--set", "distributed.replicas=3"]) as release:
        chosen = ["--values", str(file), "--set", "distributed.autoscaling.enabled=true,distributed.replicas=null"]
        changed(release, "upgrade", "scaled", chart, *chosen)
        assert serving() == 3
        (deployment,) = prepared.get("deployments", "-n", "scaled")["items"]
        scaled = prepared.kubectl("-n", "scaled", "scale", "deployment", deployment["metadata"]["name"], "--replicas=5")
        assert scaled.returncode == 0, scaled.stderr
        changed(release, "upgrade", "scaled", chart, *chosen)
        assert serving() == 5


def test_a_volume_is_changed_as_the_refusal_says(prepared: ControlPlane) -> None:
    file = ci("ledger", "embedded")
    with installed(prepared, "ledger", file, "grown") as release:
        larger = ("upgrade", "grown", str(file.parents[1]), "--values", str(file), "--set", "persistence.size=100Gi")
        refused = release.helm(*larger)
        command = refused.stderr.partition("'kubectl ")[2].partition("'")[0].split()
        done = prepared.kubectl(*command, "--wait=false")
        assert done.returncode == 0, done.stderr
        # What a cluster's garbage collector does of a thing whose parts are to be left, here where there is none.
        freed = prepared.kubectl("-n", "grown", "patch", *command[3:5], "-p", '{"metadata": {"finalizers": null}}')
        assert freed.returncode == 0, freed.stderr
        changed(release, *larger)
        (workload,) = of_kind(release.objects(), "StatefulSet")
        kept = prepared.get("statefulset", workload["metadata"]["name"], "-n", "grown")
        assert kept["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"] == {"storage": "100Gi"}
        # The same size in another form is the same.
        changed(release, *larger[:-1], "persistence.size=102400Mi")


@pytest.mark.parametrize("chart", ["agent", "ledger"])
def test_the_test_fits_into_a_quota(prepared: ControlPlane, chart: str) -> None:
    where = f"bounded-{chart}"
    namespace(prepared, where)
    hard = {"hard": {"limits.cpu": "20"}}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "cpu", "namespace": where}}
    prepared.apply({**quota, "spec": hard})
    # What a cluster's controller writes once it has counted.
    counted = json.dumps({"status": {**hard, "used": {"limits.cpu": "0"}}})
    done = prepared.kubectl(
        "-n", where, "patch", "resourcequota", "cpu", "--subresource=status", "--type=merge", "-p", counted
    )
    assert done.returncode == 0, done.stderr
    file = ci(chart, {"agent": "kubernetes", "ledger": "embedded"}[chart])
    for setting, expected in (("test.timeoutSeconds=5", 403), ('test.resources={"limits": {"cpu": "1"}}', 201)):
        rendered = template(chart, file, sets=(setting,))
        (pod,) = (each for each in manifests(rendered.stdout) if each["kind"] == "Pod")
        pod["metadata"]["namespace"] = where
        status, said = admission(prepared, pod, where)
        assert status == expected, said


@pytest.mark.parametrize(("release", "where"), [("123", "456"), ("on", "no"), ("1e3", "0777")])
def test_releases_and_namespaces_may_look_like_anything_but_text(
    prepared: ControlPlane, release: str, where: str
) -> None:
    for chart, values in (("agent", "composed"), ("ledger", "embedded")):
        with installed(prepared, chart, ci(chart, values), release, where) as found:
            (workload,) = of_kind(found.objects(), "Deployment", "StatefulSet")
            assert admission(prepared, pod_of(workload), where) == (201, "")
            assert prepared.get("services", "-n", where)["items"]


def test_releases_whose_names_meet_stand_beside_each_other(prepared: ControlPlane) -> None:
    values = ci("agent", "kubernetes")
    with (
        installed(prepared, "agent", values, "a", "team") as first,
        installed(prepared, "agent", values, "meterbook-agent", "team-a") as second,
    ):
        roles = [{each["metadata"]["name"] for each in of_kind(found.objects(), "ClusterRole")} for found in (first, second)]  # fmt: skip
        assert all(roles) and not roles[0] & roles[1]

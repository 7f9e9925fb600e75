"""Both charts are installed with helm on a real API server: every object is admitted, and every pod in a namespace that is 'restricted'."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helm.charts import CI, Manifest, ci, of_kind
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

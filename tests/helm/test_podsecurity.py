"""Every pod passes the Pod Security Standard ``restricted``, and has less than that allows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helm.charts import Manifest, changed, every_ci_values, pods, rendered

pytestmark = pytest.mark.charts

#: "Pod Security Standards", profile restricted, control "Volume Types".
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SECCOMP = ("RuntimeDefault", "Localhost")


def violations(spec: Manifest) -> Iterator[str]:
    """What the profile forbids, in the words of its controls."""
    context = spec.get("securityContext", {})
    for shared in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(shared):
            yield shared
    for volume in spec.get("volumes", ()):
        if not VOLUMES & volume.keys():
            yield f"volume type of {volume['name']}"
    if context.get("sysctls") or context.get("windowsOptions", {}).get("hostProcess"):
        yield "sysctls or host process"
    if context.get("runAsUser") == 0:
        yield "runAsUser 0"
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        yield from (f"{container['name']}: {what}" for what in _of(container, context))


def _of(container: Manifest, pod: Manifest) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if own.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "capabilities are not dropped"
    if set(own.get("capabilities", {}).get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if not own.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield "runAsNonRoot"
    if own.get("runAsUser", pod.get("runAsUser")) == 0:
        yield "runAsUser 0"
    if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in SECCOMP:
        yield "seccompProfile"
    if own.get("procMount", "Default") != "Default" or own.get("seLinuxOptions", {}).get("user"):
        yield "procMount or SELinux"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "hostPort"


@every_ci_values
def test_every_pod_is_restricted(chart: str, values: Path) -> None:
    found = dict(pods(rendered(chart, values)))
    assert found
    assert {name: list(violations(pod["spec"])) for name, pod in found.items() if list(violations(pod["spec"]))} == {}


@every_ci_values
def test_containers_of_the_chart_have_less_than_that(chart: str, values: Path) -> None:
    for name, pod in pods(rendered(chart, values)):
        own = pod["spec"]["containers"][0]
        assert own["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert own["resources"]["requests"].keys() >= {"cpu", "memory"}, name
        assert "memory" in own["resources"]["limits"], name
        assert not own["image"].endswith(":latest"), name
        assert pod["spec"]["enableServiceLinks"] is False
        assert pod["spec"]["automountServiceAccountToken"] in (True, False)
        assert all(each.get("readOnly") for each in own["volumeMounts"] if each["mountPath"].startswith("/etc/")), name
        if values.stem != "openshift-values":
            assert pod["spec"]["securityContext"]["runAsUser"] == 65532


@pytest.mark.parametrize("chart", ["agent", "ledger"])
def test_no_secret_is_rendered(chart: str) -> None:
    assert not [each for each in changed(chart) if each["kind"] == "Secret"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("hostNetwork",), True),
        (("hostPID",), True),
        (("volumes", 0), {"name": "node", "hostPath": {"path": "/"}}),
        (("securityContext", "runAsNonRoot"), False),
        (("securityContext", "runAsUser"), 0),
        (("securityContext", "seccompProfile"), {"type": "Unconfined"}),
        (("containers", 0, "securityContext", "privileged"), True),
        (("containers", 0, "securityContext", "allowPrivilegeEscalation"), True),
        (("containers", 0, "securityContext", "capabilities"), {}),
        (("containers", 0, "securityContext", "capabilities"), {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
        (("containers", 0, "ports", 0), {"containerPort": 1, "hostPort": 1}),
        (("containers", 0, "securityContext"), {}),
    ],
)
def test_what_is_not_restricted_is_found(place: tuple[str | int, ...], value: Any) -> None:
    (spec,) = (copy.deepcopy(pod["spec"]) for name, pod in pods(changed("agent")) if name.startswith("Deployment/"))
    *way, last = place
    inner: Any = spec
    for step in way:
        inner = inner[step]
    inner[last] = value
    assert list(violations(spec))

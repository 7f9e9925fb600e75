"""Charts installed with helm on a real API server, in a namespace that admits only pods of the standard ``restricted``."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helm.openapi import FOLDER
from tests.helm.charts import ROOT, Manifest, manifests
from tests.kube.controlplane import ControlPlane

#: "Enforce Pod Security Standards with Namespace Labels" of the Kubernetes documentation.
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Release:
    """A chart as it stands in a cluster."""

    plane: ControlPlane
    name: str
    namespace: str

    def helm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What helm says to a command about a release."""
        return helm(self.plane, *arguments, "-n", self.namespace)

    def objects(self) -> list[Manifest]:
        """What helm installed, less hooks."""
        return manifests(self.helm("get", "manifest", self.name).stdout)

    def notes(self) -> str:
        """What helm said at the end."""
        return self.helm("get", "notes", self.name).stdout


def helm(plane: ControlPlane, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What helm says to a command about a cluster."""
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig)}
    return subprocess.run(
        [environment["HELM"], *arguments], capture_output=True, text=True, check=False, env=environment
    )


def namespace(plane: ControlPlane, name: str) -> None:
    """Make a namespace that admits nothing that could reach its node."""
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})


@contextmanager
def installed(
    plane: ControlPlane, chart: str, values: Path, name: str, where: str = "", more: Sequence[str] = ()
) -> Iterator[Release]:
    """A release, as long as it is wanted, in a namespace of its name or another; the test fails where the server refuses any of its objects."""
    release = Release(plane, name, where or name)
    namespace(plane, release.namespace)
    done = release.helm("install", name, str(ROOT / "helm" / chart), "--values", str(values), *more)
    assert done.returncode == 0, done.stderr
    try:
        yield release
    finally:
        gone = release.helm("uninstall", name)
        assert gone.returncode == 0, gone.stderr


def pod_of(workload: Manifest) -> Manifest:
    """The first pod that a controller would make of a workload."""
    template = workload["spec"]["template"]
    pod: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": f"{workload['metadata']['name']}-0"},
        "spec": json.loads(json.dumps(template["spec"])),
    }
    if workload["kind"] == "StatefulSet":
        # A controller makes claims of these, and volumes of the claims.
        volumes = pod["spec"].setdefault("volumes", [])
        for each in workload["spec"].get("volumeClaimTemplates", ()):
            name = each["metadata"]["name"]
            volumes.append({"name": name, "persistentVolumeClaim": {"claimName": f"{name}-0"}})
    return pod


def monitoring(plane: ControlPlane) -> None:
    """Define the kinds of the Prometheus operator, by the schemas that the charts are held to."""
    schemas: dict[str, Any] = json.loads((FOLDER / "monitoring.json").read_text())
    definitions = []
    for path, schema in schemas.items():
        group, version, kind = path.split("/")
        plural = f"{kind.lower()}s"
        served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": _structural(schema)}}
        names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
        definitions.append(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}"},
                "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
            }
        )
    plane.apply(*definitions)
    waited = plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    assert waited.returncode == 0, waited.stderr


def _structural(schema: Any) -> Any:
    """As "Specifying a structural schema" wants it: what has properties says nothing of others, which are refused by name."""
    if isinstance(schema, list):
        return [_structural(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = schema.get("additionalProperties") is False
    found = {
        name: _structural(value) for name, value in schema.items() if not (closed and name == "additionalProperties")
    }
    if isinstance(kinds := found.get("type"), list):
        # Either a number or a text that is read as one: the only choice of types that there is.
        assert set(kinds) == {"string", "integer"}, kinds
        del found["type"]
        found["x-kubernetes-int-or-string"] = True
    return found

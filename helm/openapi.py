"""Cuts out of a Kubernetes release's OpenAPI what the charts are made of, as small files that are committed.

    python -m helm.openapi swagger.json > helm/openapi/kubernetes-1.NN.json
    python -m helm.openapi crd.yaml ... > helm/openapi/monitoring.json

``swagger.json`` is the file ``api/openapi-spec/swagger.json`` of that release, the others are CustomResourceDefinitions of the Prometheus
operator. What is kept is every definition that an object of :data:`KINDS` leads to, without descriptions, and closed: a field that the
release does not know is wrong. Charts are tested against the oldest and the newest release that they are for, and their values are
checked against the newest.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "openapi"

_CORE, _META = "io.k8s.api.core.v1", "io.k8s.apimachinery.pkg"
#: Kinds that a chart renders, by the version and kind that stand in a manifest.
KINDS = {
    "v1/ConfigMap": f"{_CORE}.ConfigMap",
    "v1/PersistentVolumeClaim": f"{_CORE}.PersistentVolumeClaim",
    "v1/Pod": f"{_CORE}.Pod",
    "v1/Service": f"{_CORE}.Service",
    "v1/ServiceAccount": f"{_CORE}.ServiceAccount",
    "apps/v1/Deployment": "io.k8s.api.apps.v1.Deployment",
    "apps/v1/StatefulSet": "io.k8s.api.apps.v1.StatefulSet",
    "autoscaling/v2/HorizontalPodAutoscaler": "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    "networking.k8s.io/v1/NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
    "policy/v1/PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
    "rbac.authorization.k8s.io/v1/ClusterRole": "io.k8s.api.rbac.v1.ClusterRole",
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": "io.k8s.api.rbac.v1.ClusterRoleBinding",
    "rbac.authorization.k8s.io/v1/Role": "io.k8s.api.rbac.v1.Role",
    "rbac.authorization.k8s.io/v1/RoleBinding": "io.k8s.api.rbac.v1.RoleBinding",
}
#: The server fills these, and they lead to half of the API.
_LEFT_OUT = {"status", "managedFields"}
#: Written as numbers or as text, whatever the document says of their type.
_EITHER = {
    f"{_META}.api.resource.Quantity": {"type": ["string", "number"]},
    f"{_META}.util.intstr.IntOrString": {"type": ["string", "integer"]},
}


def cut(swagger: dict[str, Any]) -> dict[str, Any]:
    """The definitions that are needed, by name."""
    found: dict[str, Any] = {}
    waiting = sorted(KINDS.values())
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _EITHER.get(name) or _closed(swagger["definitions"][name])
            waiting += sorted(references(found[name]))
    return {name: found[name] for name in sorted(found)}


def custom(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """The schemas of CustomResourceDefinitions, by the version and kind that stand in a manifest."""
    found: dict[str, Any] = {}
    for each in documents:
        spec = each["spec"]
        for version in spec["versions"]:
            schema = _closed(version["schema"]["openAPIV3Schema"])
            # What is the same for all objects is the API server's to say, and not the definition's.
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{version['name']}/{spec['names']['kind']}"] = schema
    return found


def definitions(release: str) -> dict[str, Any]:
    """The definitions of a release such as ``1.28``, as they are kept."""
    found: dict[str, Any] = json.loads((FOLDER / f"kubernetes-{release}.json").read_text(encoding="utf-8"))
    return found


def releases() -> list[str]:
    """The releases that are kept, the oldest first."""
    names = [path.stem.removeprefix("kubernetes-") for path in FOLDER.glob("kubernetes-*.json")]
    return sorted(names, key=lambda name: [int(part) for part in name.split(".")])


def custom_definitions() -> dict[str, Any]:
    """The schemas of the Prometheus operator's resources, as they are kept."""
    found: dict[str, Any] = json.loads((FOLDER / "monitoring.json").read_text(encoding="utf-8"))
    return found


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A definition without its prose, to which nothing can be added."""
    kept = {key: schema[key] for key in ("$ref", "type", "format", "enum", "required") if key in schema}
    if "properties" in schema:
        kept["properties"] = {
            name: _closed(inner) for name, inner in schema["properties"].items() if name not in _LEFT_OUT
        }
        kept["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        kept["type"] = ["string", "integer"]
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            kept[key] = _closed(schema[key])
    return kept


def references(schema: Any) -> set[str]:
    """The definitions that a schema refers to."""
    if isinstance(schema, list):
        return {name for inner in schema for name in references(inner)}
    if not isinstance(schema, dict):
        return set()
    here = {schema["$ref"].removeprefix("#/definitions/")} if isinstance(schema.get("$ref"), str) else set()
    return here | {name for inner in schema.values() for name in references(inner)}


if __name__ == "__main__":
    _read = [yaml.safe_load(Path(argument).read_text(encoding="utf-8")) for argument in sys.argv[1:]]
    _cut = cut(_read[0]) if "definitions" in _read[0] else custom(_read)
    json.dump(_cut, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")

"""The JSON schema of each chart's values, strict to the last leaf: what is not known is refused before anything is rendered.

    python -m helm.schema

writes ``values.schema.json`` of both; a test compares them. Three sources say what may stand where: values.yaml itself (names, and types of
defaults), the agent's and the ledger's own models (what is below ``config``), and Kubernetes and the Prometheus operator (what is
handed through to them). What none of them tells stands in this module.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helm import kubernetestypes, models
from helm.settings import CHARTS, settings, values

Schema = dict[str, Any]

_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_NAMES: Schema = {"type": "array", "items": {"type": "string", "minLength": 1}}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_PORTS: Schema = {"type": "array", "items": _PORT}
_QUANTITY: Schema = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?([kMGT]i?|Ki)?$"}
_DURATION: Schema = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))*$"}
_COUNT: Schema = {"type": "integer", "minimum": 1}

#: By the last name of a path, or by the whole path where that is not enough.
_KNOWN: dict[str, Schema] = {
    "labels": _TEXTS,
    "annotations": _TEXTS,
    "commonLabels": _TEXTS,
    "podLabels": _TEXTS,
    "podAnnotations": _TEXTS,
    "nodeSelector": _TEXTS,
    "ruleLabels": _TEXTS,
    "namespaces": _NAMES,
    "disabled": _NAMES,
    "agents": _NAMES,
    "extraArgs": _NAMES,
    "loadBalancerSourceRanges": _NAMES,
    "port": _PORT,
    "postgresqlPort": _PORT,
    "s3Port": _PORT,
    "dnsPorts": _PORTS,
    "apiServerPorts": _PORTS,
    "kubeletPorts": _PORTS,
    "service.nodePort": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
    "size": _QUANTITY,
    "sizeLimit": _QUANTITY,
    "interval": _DURATION,
    "scrapeTimeout": _DURATION,
    "shards": {**_COUNT, "maximum": 9999},
    "replicas": _COUNT,
    "maxUnavailable": {"type": ["integer", "string"]},
    "revisionHistoryLimit": {"type": "integer", "minimum": 0},
    "terminationGracePeriodSeconds": {"type": "integer", "minimum": 0},
    "drainSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
    "timeoutSeconds": _COUNT,
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "agentName": {"type": "string", "pattern": "^([a-z0-9][a-z0-9.-]{0,57})?$"},
    "endpoint": {"type": "string", "pattern": "^(.+:[0-9]{1,5})?$"},
    "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "controller.type": {"enum": ["deployment", "statefulset"]},
    "mode": {"enum": ["embedded", "distributed"]},
    "logFormat": {"enum": ["json", "text"]},
    "logLevel": {"enum": ["debug", "info", "warning", "error"]},
    "access.anonymous": {"enum": ["none", "admin"]},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "externalTrafficPolicy": {"enum": ["", "Cluster", "Local"]},
    "whenDeleted": {"enum": ["Retain", "Delete"]},
    "serviceAccount.automountServiceAccountToken": {"type": ["boolean", "null"]},
    "extraManifests": {"type": "array", "items": {"type": "object", "required": ["apiVersion", "kind"]}},
}
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}


def schema(name: str) -> Schema:
    """Of the chart of that name."""
    chart = CHARTS[name]
    texts = {each.path: each.text for each in settings(chart)}
    definitions: Schema = {}
    known = {**_KNOWN, **kubernetestypes.known(definitions), **models.known(name, definitions)}
    found = _mapping(values(chart), "", known, texts)
    # Whoever holds this chart as a part of another has global values of their own.
    found["properties"]["global"]["additionalProperties"] = True
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "$defs": definitions}


def text(name: str) -> str:
    """The file, one line for each setting that stands at the top."""
    return json.dumps(schema(name), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _mapping(tree: dict[str, Any], place: str, known: dict[str, Schema], texts: dict[str, str]) -> Schema:
    properties = {}
    for name, value in tree.items():
        path = f"{place}.{name}" if place else name
        properties[name] = {**_value(value, path, known, texts)}
        if path in texts:
            properties[name]["description"] = texts[path]
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _value(value: Any, path: str, known: dict[str, Schema], texts: dict[str, str]) -> Schema:
    for name in (path, ".".join(path.split(".")[-2:]), path.rpartition(".")[2]):
        if name in known:
            return known[name]
    if isinstance(value, dict) and value:
        return _mapping(value, path, known, texts)
    if type(value) not in _TYPES:
        raise ValueError(f"{path}: nothing says what may stand there: add it to helm/schema.py")
    return {"type": _TYPES[type(value)]}


if __name__ == "__main__":
    for _name, _chart in CHARTS.items():
        Path(_chart / "values.schema.json").write_text(text(_name), encoding="utf-8")

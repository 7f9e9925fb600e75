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
#: What may stand at a path, and whether something must; None leaves that to the default.
_Known = tuple[Schema, bool | None]

#: Whether a chart that holds this one takes it in: the usual `condition` of a dependency, which helm shows to its schema, too.
_ENABLED: Schema = {
    "type": "boolean",
    "description": "For the `condition` of a chart that holds this one; of no account here",
}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_NAMES: Schema = {"type": "array", "items": {"type": "string", "minLength": 1}}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_PORTS: Schema = {"type": "array", "items": _PORT}
#: Templates look closer, and say what to write instead: a schema can but say that its pattern does not fit.
_QUANTITY: Schema = {"type": ["string", "number"]}
_DURATION: Schema = {"type": ["string", "number"]}
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
    "dnsPorts": _PORTS,
    "apiServerPorts": _PORTS,
    "kubeletPorts": _PORTS,
    "ledgerPorts": _PORTS,
    "postgresqlPorts": _PORTS,
    "s3Ports": _PORTS,
    "service.nodePort": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
    "size": _QUANTITY,
    "sizeLimit": _QUANTITY,
    "interval": _DURATION,
    "scrapeTimeout": _DURATION,
    "shards": {**_COUNT, "maximum": 9999},
    "distributed.replicas": {"type": ["integer", "null"], "minimum": 1},
    "minReplicas": _COUNT,
    "maxReplicas": _COUNT,
    "maxUnavailable": {"type": ["integer", "string"]},
    "revisionHistoryLimit": {"type": "integer", "minimum": 0},
    "terminationGracePeriodSeconds": {"type": "integer", "minimum": 0},
    "drainSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
    "timeoutSeconds": _COUNT,
    "nameOverride": {"type": "string", "pattern": "^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$"},
    "namespaceOverride": {"type": "string", "pattern": "^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$"},
    "namespace": {"type": "string", "pattern": "^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$"},
    "tag": {"type": "string", "pattern": "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(@sha256:[0-9a-f]{64})?)?$"},
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "global.image.pullPolicy": {"enum": ["", "Always", "IfNotPresent", "Never"]},
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
    "extraManifests": {"type": "array", "items": {"type": ["object", "string"], "required": ["apiVersion", "kind"]}},
}
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}


def schema(name: str) -> Schema:
    """Of the chart of that name."""
    chart = CHARTS[name]
    texts = {each.path: each.text for each in settings(chart)}
    definitions: Schema = {}
    of_kubernetes, of_models = kubernetestypes.known(definitions), models.known(name, definitions)
    # A null takes a default away. The configuration is looked into by templates; what is Kubernetes' own may be left to it.
    known: dict[str, _Known] = {path: (each, False) for path, each in of_kubernetes.items()}
    known |= {path: (each, True) for path, each in of_models.items()}
    known |= {path: (each, None) for path, each in _KNOWN.items() if path not in known}
    found = _mapping(values(chart), "", known, texts)
    # Whoever holds this chart as a part of another has global values of their own, also below image.
    found["properties"]["enabled"] = _ENABLED
    for part in (found["properties"]["global"], found["properties"]["global"]["properties"]["image"]):
        part["additionalProperties"] = True
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "$defs": definitions}


def text(name: str) -> str:
    """The file, one line for each setting that stands at the top."""
    return json.dumps(schema(name), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _mapping(tree: dict[str, Any], place: str, known: dict[str, _Known], texts: dict[str, str]) -> Schema:
    properties, required = {}, []
    for name, value in tree.items():
        path = f"{place}.{name}" if place else name
        found, is_required = _value(value, path, known, texts)
        properties[name] = {**found}
        if path in texts:
            properties[name]["description"] = texts[path]
        if is_required:
            required.append(name)
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def _value(value: Any, path: str, known: dict[str, _Known], texts: dict[str, str]) -> _Known:
    """What may stand at a path, and whether something must: where the default says something, nothing else would say it."""
    says_something = value is not None and value not in ("", [], {})
    for name in (path, ".".join(path.split(".")[-2:]), path.rpartition(".")[2]):
        if name in known:
            found, is_required = known[name]
            return found, (says_something and found is not _TEXTS) if is_required is None else is_required
    if isinstance(value, dict) and value:
        return _mapping(value, path, known, texts), True
    if type(value) not in _TYPES:
        raise ValueError(f"{path}: nothing says what may stand there: add it to helm/schema.py")
    return {"type": _TYPES[type(value)]}, says_something


if __name__ == "__main__":
    for _name, _chart in CHARTS.items():
        Path(_chart / "values.schema.json").write_text(text(_name), encoding="utf-8")

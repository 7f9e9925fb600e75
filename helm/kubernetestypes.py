"""What charts hand through to Kubernetes and to the Prometheus operator, as their own documents describe it.

A field that the newest release does not know is refused where a chart is installed, and not silently ignored by the API server.
"""

from __future__ import annotations

from typing import Any

from helm import openapi

Schema = dict[str, Any]

_CORE, _NETWORK = "io.k8s.api.core.v1", "io.k8s.api.networking.v1"
_PEERS = (
    "apiServerTo",
    "awsTo",
    "callersFrom",
    "dnsTo",
    "kubeletTo",
    "ledgerTo",
    "metricsFrom",
    "postgresqlTo",
    "s3To",
    "targetsTo",
    "webhooksTo",
)
_ONE = {
    "affinity": f"{_CORE}.Affinity",
    "dnsConfig": f"{_CORE}.PodDNSConfig",
    "livenessProbe": f"{_CORE}.Probe",
    "podSecurityContext": f"{_CORE}.PodSecurityContext",
    "readinessProbe": f"{_CORE}.Probe",
    "resources": f"{_CORE}.ResourceRequirements",
    "securityContext": f"{_CORE}.SecurityContext",
    "startupProbe": f"{_CORE}.Probe",
}
_MANY = {
    "extraContainers": f"{_CORE}.Container",
    "extraEnv": f"{_CORE}.EnvVar",
    "extraEnvFrom": f"{_CORE}.EnvFromSource",
    "extraVolumeMounts": f"{_CORE}.VolumeMount",
    "extraVolumes": f"{_CORE}.Volume",
    "hostAliases": f"{_CORE}.HostAlias",
    "initContainers": f"{_CORE}.Container",
    "pullSecrets": f"{_CORE}.LocalObjectReference",
    "rbac.extraRules": "io.k8s.api.rbac.v1.PolicyRule",
    "tolerations": f"{_CORE}.Toleration",
    "topologySpreadConstraints": f"{_CORE}.TopologySpreadConstraint",
    "networkPolicy.extraEgress": f"{_NETWORK}.NetworkPolicyEgressRule",
    "networkPolicy.extraIngress": f"{_NETWORK}.NetworkPolicyIngressRule",
    **{f"networkPolicy.{name}": f"{_NETWORK}.NetworkPolicyPeer" for name in _PEERS},
}


def known(definitions: Schema) -> dict[str, Schema]:
    """By the names of settings; what they refer to is added to ``definitions``."""
    document = openapi.definitions(openapi.releases()[-1])
    found: dict[str, Schema] = {name: _refer(type_name) for name, type_name in _ONE.items()}
    found |= {name: {"type": "array", "items": _refer(type_name)} for name, type_name in _MANY.items()}
    waiting = {*_ONE.values(), *_MANY.values()}
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            definitions[name] = _moved(document[name])
            waiting |= openapi.references(document[name])
    monitor = openapi.custom_definitions()["monitoring.coreos.com/v1/ServiceMonitor"]
    endpoint = monitor["properties"]["spec"]["properties"]["endpoints"]["items"]["properties"]
    rule = openapi.custom_definitions()["monitoring.coreos.com/v1/PrometheusRule"]
    group = rule["properties"]["spec"]["properties"]["groups"]["items"]["properties"]
    return found | {
        "relabelings": endpoint["relabelings"],
        "metricRelabelings": endpoint["metricRelabelings"],
        "prometheusRule.extraRules": group["rules"],
    }


def _refer(type_name: str) -> Schema:
    return {"$ref": f"#/$defs/{type_name}"}


def _moved(schema: Any) -> Any:
    """References as they are in a schema of today; formats are the API server's to check."""
    if isinstance(schema, list):
        return [_moved(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace("#/definitions/", "#/$defs/") if key == "$ref" else _moved(value)
        for key, value in schema.items()
        if not (key == "format" and isinstance(value, str))
    }

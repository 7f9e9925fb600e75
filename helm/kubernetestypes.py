"""What charts hand through to Kubernetes and to the Prometheus operator, as their own documents describe it.

A field that the newest release does not know is refused where a chart is installed, and not silently ignored by the API server.
"""

from __future__ import annotations

from typing import Any

from helm import openapi

Schema = dict[str, Any]

_CORE, _NETWORK = "io.k8s.api.core.v1", "io.k8s.api.networking.v1"
_SCALING = "io.k8s.api.autoscaling.v2"
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
_QUANTITY_NAME = "io.k8s.apimachinery.pkg.api.resource.Quantity"
#: Of Kubernetes' own words for it: a number, and one unit or an exponent.
_QUANTITY: Schema = {
    "type": ["string", "number"],
    "pattern": "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$",
}
_ONE = {
    "affinity": f"{_CORE}.Affinity",
    "autoscaling.behavior": f"{_SCALING}.HorizontalPodAutoscalerBehavior",
    "dnsConfig": f"{_CORE}.PodDNSConfig",
    "livenessProbe": f"{_CORE}.Probe",
    "podSecurityContext": f"{_CORE}.PodSecurityContext",
    "readinessProbe": f"{_CORE}.Probe",
    "resources": f"{_CORE}.ResourceRequirements",
    "securityContext": f"{_CORE}.SecurityContext",
    "startupProbe": f"{_CORE}.Probe",
}
_MANY = {
    "autoscaling.metrics": f"{_SCALING}.MetricSpec",
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
#: Maps that are handed through as they are: fields of a type, but for those that have a value of their own or are the chart's to say.
_FIELDS_BUT = {
    "controller.container": (
        f"{_CORE}.Container",
        (
            "args command env envFrom image imagePullPolicy livenessProbe name ports readinessProbe resources restartPolicy"
            " securityContext startupProbe volumeDevices volumeMounts"
        ),
    ),
    "controller.podSpec": (
        f"{_CORE}.PodSpec",
        (
            "activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig enableServiceLinks ephemeralContainers hostAliases"
            " imagePullSecrets initContainers nodeSelector priorityClassName restartPolicy runtimeClassName securityContext"
            " serviceAccount serviceAccountName terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes"
        ),
    ),
    "persistence.spec": (f"{_CORE}.PersistentVolumeClaimSpec", "resources storageClassName volumeMode"),
    "metrics.service.spec": (f"{_CORE}.ServiceSpec", "clusterIP publishNotReadyAddresses ports selector type"),
    "service.spec": (
        f"{_CORE}.ServiceSpec",
        "externalName externalTrafficPolicy loadBalancerClass loadBalancerSourceRanges ports selector type",
    ),
}
#: Fields of a Deployment's spec and of a StatefulSet's; the charts say which of them fit.
_CONTROLLER = {
    "Deployment": "minReadySeconds paused progressDeadlineSeconds strategy",
    "StatefulSet": "minReadySeconds persistentVolumeClaimRetentionPolicy updateStrategy",
}
_ENDPOINT_BUT = "interval metricRelabelings path port portNumber relabelings scrapeTimeout targetPort"


def known(definitions: Schema) -> dict[str, Schema]:
    """By the names of settings; what they refer to is added to ``definitions``."""
    document = openapi.definitions(openapi.releases()[-1])
    found: dict[str, Schema] = {name: _refer(type_name) for name, type_name in _ONE.items()}
    found |= {name: {"type": "array", "items": _refer(type_name)} for name, type_name in _MANY.items()}
    parts = _parts(document)
    found |= {name: _moved(part) for name, part in parts.items()}
    waiting = {*_ONE.values(), *_MANY.values(), *openapi.references(parts)}
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            definitions[name] = _QUANTITY if name == _QUANTITY_NAME else _moved(document[name])
            waiting |= openapi.references(document[name])
    # What a PodMonitor's endpoint has, a ServiceMonitor's has, too.
    monitor = openapi.custom_definitions()["monitoring.coreos.com/v1/PodMonitor"]
    endpoint = monitor["properties"]["spec"]["properties"]["podMetricsEndpoints"]["items"]["properties"]
    more = _closed({name: each for name, each in endpoint.items() if name not in _ENDPOINT_BUT.split()})
    rule = openapi.custom_definitions()["monitoring.coreos.com/v1/PrometheusRule"]
    group = rule["properties"]["spec"]["properties"]["groups"]["items"]["properties"]
    return found | {
        "serviceMonitor.endpoint": more,
        "podMonitor.endpoint": more,
        "relabelings": endpoint["relabelings"],
        "metricRelabelings": endpoint["metricRelabelings"],
        "prometheusRule.extraRules": group["rules"],
    }


def _parts(document: Schema) -> dict[str, Schema]:
    """What is handed through in part, by the paths of settings."""
    found = {
        path: {name: each for name, each in document[type_name]["properties"].items() if name not in left_out.split()}
        for path, (type_name, left_out) in _FIELDS_BUT.items()
    }
    found["controller.spec"] = {
        name: document[f"io.k8s.api.apps.v1.{kind}Spec"]["properties"][name]
        for kind, names in _CONTROLLER.items()
        for name in names.split()
    }
    return {path: _closed(properties) for path, properties in found.items()}


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


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

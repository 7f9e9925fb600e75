"""The kind ``prometheus``: one collector per target of a job."""

from __future__ import annotations

from collector.base import Plugin
from collector.cluster.roles import as_yaml, service_account
from collector.prometheus.config import PrometheusConfig
from collector.prometheus.discovery import PrometheusSources
from collector.prometheus.kubernetes_sd.permissions import BY_ROLE


def _role(config: PrometheusConfig, name: str, namespace: str) -> str:
    """What finding targets in a cluster needs, as YAML; nothing where none are looked for."""
    found = config.kubernetes
    if found is None:
        return ""
    return as_yaml(service_account(name, namespace, BY_ROLE[found.role], found.namespaces))


plugin = Plugin(kind="prometheus", config=PrometheusConfig, build=PrometheusSources, role=_role)

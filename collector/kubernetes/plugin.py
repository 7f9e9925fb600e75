"""The kind ``kubernetes``: the nodes and pods of one cluster."""

from __future__ import annotations

from collector.base import Plugin
from collector.cluster.roles import as_yaml, service_account
from collector.kubernetes.config import KubernetesConfig
from collector.kubernetes.sources import KubernetesSources, permissions


def _role(config: KubernetesConfig, name: str, namespace: str) -> str:
    """A service account with exactly the permissions that this configuration needs, as YAML."""
    return as_yaml(service_account(name, namespace, permissions(config)))


plugin = Plugin(kind="kubernetes", config=KubernetesConfig, build=KubernetesSources, role=_role)

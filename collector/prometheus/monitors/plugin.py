"""The kind ``prometheus_monitors``: the targets of a cluster's ServiceMonitors and PodMonitors."""

from __future__ import annotations

from collector.base import Plugin, Sources
from collector.cluster.roles import as_yaml, service_account
from collector.prometheus.monitors.config import MonitorsConfig
from collector.prometheus.monitors.permissions import permissions


def _build(config: MonitorsConfig) -> Sources:
    # Only here: the library for clusters is not needed to print a role.
    from collector.prometheus.monitors.sources import MonitorSources

    return MonitorSources(config)


def _role(config: MonitorsConfig, name: str, namespace: str) -> str:
    """A service account with exactly the permissions that this configuration needs, as YAML."""
    return as_yaml(service_account(name, namespace, permissions(config), config.namespaces))


plugin = Plugin(kind="prometheus_monitors", config=MonitorsConfig, build=_build, role=_role)

"""What monitors and their targets need to be granted, for one configuration: no kind that is not read, no namespace's labels unasked."""

from __future__ import annotations

from collector.cluster.permissions import Permission, union
from collector.prometheus.kubernetes_sd.permissions import BY_ROLE, VERBS
from collector.prometheus.monitors.config import MonitorsConfig

_GROUP = "monitoring.coreos.com"

NAMESPACES = Permission("", "namespaces", VERBS)
SERVICE_MONITORS = Permission(_GROUP, "servicemonitors", VERBS)
POD_MONITORS = Permission(_GROUP, "podmonitors", VERBS)


def permissions(config: MonitorsConfig) -> tuple[Permission, ...]:
    """What the service account must be granted for this configuration."""
    needed: list[Permission] = []
    if "ServiceMonitor" in config.monitors:
        needed += [SERVICE_MONITORS, *BY_ROLE["endpoints"]]
    if "PodMonitor" in config.monitors:
        needed += [POD_MONITORS, *BY_ROLE["pod"]]
    if config.namespace_selector is not None:
        needed.append(NAMESPACES)
    return union(needed)

"""What can be set for monitors: which cluster, which of its monitors, and the bounds of every target that they find."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from collector.cluster.config import ClusterConfig
from collector.prometheus.config import ScrapeLimits
from collector.prometheus.monitors.selectors import LabelSelector

MonitorKind = Literal["ServiceMonitor", "PodMonitor"]


class MonitorsConfig(ScrapeLimits):
    """The monitors of one cluster. ``interval_s`` and ``timeout_s`` are for endpoints that state none of their own.

    A monitor's own limits can be lower than those here, never higher.
    """

    kind: Literal["prometheus_monitors"] = Field(
        default="prometheus_monitors", description="Which collector reads the source."
    )
    interval_s: float = Field(
        default=30.0, gt=0, le=86_400, description="Seconds between two scrapes where an endpoint states no interval."
    )
    cluster: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=128,
        description="Name of the cluster; two agents that read the same cluster must call it the same.",
    )
    api: ClusterConfig = Field(default=ClusterConfig(), description="How the API server is reached.")
    monitors: tuple[MonitorKind, ...] = Field(
        default=("ServiceMonitor", "PodMonitor"), min_length=1, description="Which kinds of monitors are read."
    )
    namespaces: tuple[str, ...] = Field(
        default=(),
        description="Namespaces of monitors and targets, which is all that is asked to be granted then; all if empty.",
    )
    selector: LabelSelector = Field(
        default=LabelSelector(),
        description="Labels of the monitors that are read, as Prometheus' serviceMonitorSelector.",
    )
    namespace_selector: LabelSelector | None = Field(
        default=None,
        description="Labels of the namespaces whose monitors are read, as Prometheus' serviceMonitorNamespaceSelector.",
    )
    service_account_token: bool = Field(
        default=False,
        description=(
            "Whether a ServiceMonitor may have the token of the agent's own service account sent to its targets, as those of the "
            "API server and of kubelets do (bearerTokenFile). Whoever may write monitors can read that token then."
        ),
    )

    @model_validator(mode="after")
    def _namespaces_are_chosen_once(self) -> MonitorsConfig:
        if self.namespaces and self.namespace_selector is not None:
            raise ValueError(
                "namespaces and namespace_selector exclude each other: labels of namespaces are not granted by namespace"
            )
        return self

"""What is watched of a cluster for its monitors: the monitors, and everything that their targets come from."""

from __future__ import annotations

from collector.prometheus.kubernetes_sd.collection import Collection, Kind, Watching
from collector.prometheus.kubernetes_sd.groups import Change
from collector.prometheus.kubernetes_sd.roles import (
    POD_KIND,
    SERVICE_KIND,
    SLICE_KIND,
    EndpointFinder,
    Finder,
    PodFinder,
)
from collector.prometheus.monitors.config import MonitorsConfig
from collector.prometheus.monitors.documents import Monitor, pod_monitor_of, service_monitor_of
from collector.prometheus.monitors.namespaces import Namespace, namespace_of
from collector.prometheus.monitors.permissions import NAMESPACES, POD_MONITORS, SERVICE_MONITORS, permissions

_NAMESPACE_KIND = Kind(NAMESPACES, "v1", namespace_of)
_SERVICE_MONITOR_KIND = Kind(SERVICE_MONITORS, "v1", service_monitor_of)
_POD_MONITOR_KIND = Kind(POD_MONITORS, "v1", pod_monitor_of)


class Watched:
    """One cluster, watched from the first moment on."""

    def __init__(self, config: MonitorsConfig) -> None:
        """Raises PermanentError where the cluster cannot be reached at all as configured."""
        self._config = config
        self._watching = watching = Watching(config.api, permissions(config), config.namespaces)
        self._namespaces: Collection[Namespace] | None = None
        if config.namespace_selector is not None:
            self._namespaces = watching.collection(_NAMESPACE_KIND)
        self._monitors: list[Collection[Monitor]] = []
        #: What finds groups, by whether those are of pods.
        self.finders: dict[bool, Finder] = {}
        pods = watching.collection(POD_KIND)
        if "PodMonitor" in config.monitors:
            self._monitors.append(watching.collection(_POD_MONITOR_KIND))
            # A monitor's own rules say whether pods that have ended are of interest.
            self.finders[True] = PodFinder(pods, with_ended=True)
        if "ServiceMonitor" in config.monitors:
            self._monitors.append(watching.collection(_SERVICE_MONITOR_KIND))
            slices, services = watching.collection(SLICE_KIND), watching.collection(SERVICE_KIND)
            self.finders[False] = EndpointFinder(slices, services, pods)
        self._seen: tuple[int, ...] = ()

    @property
    def problem(self) -> str:
        """Why what is known may not be current; empty when it is."""
        return self._watching.problem

    @property
    def trouble(self) -> str:
        """Why something cannot be listed and watched just now; empty when all can."""
        return self._watching.trouble

    def update(self) -> dict[bool, Change]:
        """The groups that came and went since the last time, of pods (True) and of endpoints (False)."""
        return {finds_pods: finder.update() for finds_pods, finder in self.finders.items()}

    def monitors(self) -> list[Monitor] | None:
        """The monitors that are to be read, sorted; None where they are those of the last time."""
        versions = tuple(each.version for each in self._monitors)
        if self._namespaces is not None:
            versions = (*versions, self._namespaces.version)
        if versions == self._seen:
            return None
        self._seen = versions
        chosen = self._config.namespace_selector
        open_to_us: set[str] | None = None
        if chosen is not None and self._namespaces is not None:
            open_to_us = {name for name, each in self._namespaces.all().items() if chosen.matches(each.labels)}
        found = [monitor for each in self._monitors for monitor in each.all().values()]
        return sorted(
            (
                monitor
                for monitor in found
                if (open_to_us is None or monitor.namespace in open_to_us)
                and self._config.selector.matches(monitor.labels)
            ),
            key=lambda monitor: (monitor.kind, monitor.key),
        )

    def close(self) -> None:
        """Let go of the cluster; safe to call twice."""
        self._watching.close()

"""The targets of one job: as configured, in files that other programs write, and among what a cluster's API server knows.

``current`` is asked every few seconds. As long as nothing has changed it looks at the times of files and at version numbers, and gives
the same list again; of a change it works out only what has to do with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from collector.base import Collector
from collector.prometheus.config import PrometheusConfig
from collector.prometheus.files import TargetFiles
from collector.prometheus.scrapers import Scrapers

if TYPE_CHECKING:
    from collector.prometheus.kubernetes_sd.cluster import ClusterTargets


class PrometheusSources:
    """The targets of one job. A target whose labels change is another collector of the same source."""

    def __init__(self, config: PrometheusConfig) -> None:
        self._config = config
        self._fixed = config.parsed_targets()
        self._job = config.prepared()
        self._files = TargetFiles(config.target_files, self._job)
        self._cluster: ClusterTargets | None = None
        self._scrapers = Scrapers()
        self._current: list[Collector] | None = None

    def current(self) -> Sequence[Collector]:
        """The targets that there are now, each once; first of all how well the cluster is known, if there is one."""
        if self._cluster is None and self._config.kubernetes is not None:
            # Only here: the library for clusters is large, and an agent beside a cloud account has none.
            from collector.prometheus.kubernetes_sd.cluster import ClusterTargets

            self._cluster = ClusterTargets(self._config.job, self._config.kubernetes, self._job)
        changed = self._files.update()
        found: list[Collector] = []
        if self._cluster is not None:
            changed = self._cluster.update() or changed
            found.append(self._cluster.standing)
        if changed or self._current is None:
            running = () if self._cluster is None else self._cluster.targets()
            targets = [*self._fixed, *self._files.targets(), *running]
            found += self._scrapers.update((self._config, target) for target in targets)
            self._current = found
        return self._current

    def close(self) -> None:
        """Let go of the cluster, if there is one."""
        if self._cluster is not None:
            self._cluster.close()

"""The targets that one job finds in one cluster: what its role watches, what its rules leave of it, and how well that is known."""

from __future__ import annotations

from collections.abc import Iterable

from collector.prometheus.config import KubernetesDiscovery
from collector.prometheus.jobs import Job
from collector.prometheus.kubernetes_sd.chosen import Chosen
from collector.prometheus.kubernetes_sd.collection import Watching
from collector.prometheus.kubernetes_sd.permissions import BY_ROLE
from collector.prometheus.kubernetes_sd.roles import finder_of
from collector.prometheus.kubernetes_sd.standing import Standing, missing
from collector.prometheus.targets import Target


class ClusterTargets:
    """What a role finds and a job's rules leave; watches from the first moment on."""

    def __init__(self, job_name: str, config: KubernetesDiscovery, job: Job) -> None:
        """Raises PermanentError where the cluster cannot be reached at all as configured."""
        self._watching = Watching(config.api, BY_ROLE[config.role], config.namespaces)
        self._finder = finder_of(config.role, self._watching)
        self._chosen = Chosen(f"job {job_name}", job)
        #: How well the cluster is known, as a source.
        self.standing = Standing(f"prometheus/{job_name}", lambda: missing(self._watching.problem))

    def update(self) -> bool:
        """Take in what has changed; whether anything has."""
        self.standing.tell(missing(self._watching.trouble))
        change = self._finder.update()
        self._chosen.update(change)
        return bool(change)

    def targets(self) -> Iterable[Target]:
        """The targets as of the last update."""
        return self._chosen.targets()

    def close(self) -> None:
        """Let go of the cluster; safe to call twice."""
        self._watching.close()

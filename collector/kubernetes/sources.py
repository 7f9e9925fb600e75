"""Which sources a cluster has: two for each of its nodes, and one for the cluster as a whole.

Nodes come and go, so this is asked again and again. Of several shards each takes the nodes that fall to it by their names: the same
node always falls to the same one, whoever asks, and the sources are called the same as if one agent read them all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from collector.base import Collector
from collector.cluster.client import KubernetesApi, connect
from collector.cluster.permissions import Permission, union
from collector.kubernetes.capacity import CapacityCollector
from collector.kubernetes.config import KubernetesConfig
from collector.kubernetes.inventory import PERMISSIONS, Inventory
from collector.kubernetes.kubelet import CADVISOR, NEEDS, RESOURCE, SUMMARY, Kubelets
from collector.kubernetes.requests import RequestsCollector
from collector.kubernetes.usage import UsageCollector


class KubernetesSources:
    """The sources of one cluster. ``current`` gives the same collectors again for as long as a node is there."""

    def __init__(self, config: KubernetesConfig) -> None:
        """Raises PermanentError where the cluster cannot be reached at all as configured. Lists and watches from the first question on."""
        self._config = config
        self._api: KubernetesApi = connect(config.api, PERMISSIONS)
        self._kubelets = Kubelets(config, self._api)
        self._inventory = Inventory(self._api)
        self._capacity = CapacityCollector(config, self._inventory)
        self._by_node: dict[str, tuple[Collector, ...]] = {}
        self._is_watching = False

    def current(self) -> Sequence[Collector]:
        """The sources that there are now."""
        if not self._is_watching:
            self._is_watching = True
            self._inventory.start()
        names = {name for name in self._inventory.node_names() if self._is_ours(name)}
        for gone in self._by_node.keys() - names:
            del self._by_node[gone]
        for name in sorted(names - self._by_node.keys()):
            usage = UsageCollector(self._config, name, self._inventory, self._kubelets)
            self._by_node[name] = (usage, RequestsCollector(self._config, name, self._inventory))
        found: list[Collector] = [self._capacity] if self._is_ours(self._capacity.source) else []
        for name in sorted(self._by_node):
            found += self._by_node[name]
        return found

    def close(self) -> None:
        """Let go of the cluster."""
        self._inventory.stop()
        self._kubelets.close()
        self._api.close()

    def _is_ours(self, name: str) -> bool:
        number, _, count = self._config.shard.partition("/")
        drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        return drawn % int(count) == int(number) - 1


def permissions(config: KubernetesConfig) -> tuple[Permission, ...]:
    """What the service account must be granted for this configuration."""
    pages = [SUMMARY if config.usage == "summary" else RESOURCE, *([CADVISOR] if config.file_io else [])]
    return union(PERMISSIONS, [NEEDS[page] for page in pages])

"""A simulated cluster that can be observed as a real one: an API server, kubelets, and a clock that tests move.

``advance`` moves the clock and writes into the API server all that happened meanwhile; ``follow`` lets the machine's clock do it.
What was really used is in ``tests.fakes.cluster.truth``.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Self

from tests.fakes.cluster.kubelet import Kubelets
from tests.fakes.cluster.sync import Sync
from tests.fakes.cluster.world import World
from tests.fakes.kubernetes_api import FakeKubernetesApi

_READ = ["get", "list", "watch"]
#: The rules of a ClusterRole that may read everything there is in such a cluster, and nothing else.
READER: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["nodes/metrics", "nodes/stats"], "verbs": ["get"]},
    {
        "apiGroups": [""],
        "resources": ["namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods"],
        "verbs": _READ,
    },
    {"apiGroups": ["apps"], "resources": ["daemonsets", "deployments", "replicasets", "statefulsets"], "verbs": _READ},
    {"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": _READ},
]


class SimulatedCluster:
    """A world, its API server and its kubelets; a context manager. Nothing is allowed until ``api.allow(...)``."""

    def __init__(self, world: World, folder: Path) -> None:
        """``folder`` takes certificates, the token and the kubeconfig."""
        self.world = world
        self.api = FakeKubernetesApi(folder)
        self.kubelets = Kubelets(world, self.api, folder)
        self._sync = Sync(world, self.api)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._follower: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.api.start()
        self.kubelets.start()
        self.sync()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._follower is not None:
            self._follower.join()
        self.kubelets.stop()
        self.api.stop()

    @property
    def token(self) -> str:
        """The service account's token, as it is now."""
        return self.api.token_file.read_text().strip()

    @property
    def now_us(self) -> int:
        return self.world.clock.now_us()

    def sync(self) -> None:
        """Show what the clock and the history say; to be called after an event of now, ``advance`` does it itself."""
        with self._lock:
            self.kubelets.apply()
            self._sync.sync()

    def advance(self, by_us: int) -> int:
        """Move the clock on, and tell the instant."""
        now_us = self.world.clock.advance(by_us)
        self.sync()
        return now_us

    def run_to(self, at_us: int) -> None:
        """Move the clock to an instant."""
        self.world.clock.set(at_us)
        self.sync()

    def follow(self, speed: float = 1.0, *, sync_interval_s: float = 0.05) -> None:
        """From here on time passes by itself, ``speed`` times as fast as the machine's."""
        self.world.clock.follow(speed)
        if self._follower is None:
            self._follower = threading.Thread(target=self._run, args=(sync_interval_s,), daemon=True)
            self._follower.start()

    def _run(self, sync_interval_s: float) -> None:
        while not self._over.wait(sync_interval_s):
            self.sync()

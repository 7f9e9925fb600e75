"""What the tests of the Kubernetes API share: a server, a way to it, and a sink that can be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.cluster.client import KubernetesApi, connect
from collector.cluster.config import ClusterConfig
from collector.cluster.permissions import Permission
from collector.cluster.reflector import Reflector
from collector.cluster.roles import cluster_role
from tests.fakes.kubernetes_api import FakeKubernetesApi

PERMISSIONS = (
    Permission("", "pods", ("get", "list", "watch")),
    Permission("", "nodes/stats", ("get",)),
    Permission("apps", "replicasets", ("list", "watch")),
    Permission("monitoring.coreos.com", "podmonitors", ("list", "watch")),
)
PODS = "/api/v1/pods"


def pod(name: str, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


class Notes:
    """A sink that notes what it is told, and knows what is there."""

    def __init__(self) -> None:
        self.told = threading.Condition()
        self.present: dict[str, str] = {}
        self.removed_uids: list[str] = []
        self.calls: list[tuple[str, Any]] = []

    def replace(self, present: list[tuple[str, str]]) -> None:
        with self.told:
            self.present = dict(present)
            self.calls.append(("replace", sorted(present)))
            self.told.notify_all()

    def changed(self, value: tuple[str, str]) -> None:
        with self.told:
            self.present[value[0]] = value[1]
            self.calls.append(("changed", value))
            self.told.notify_all()

    def removed(self, value: tuple[str, str]) -> None:
        with self.told:
            self.present.pop(value[0], None)
            self.removed_uids.append(value[0])
            self.calls.append(("removed", value))
            self.told.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds; it is looked at whenever something is told, and now and then."""
        with self.told:
            while not condition():
                self.told.wait(0.02)


def parse(document: dict[str, Any]) -> tuple[str, str]:
    """UID and a version that tells states apart."""
    return document["metadata"]["uid"], str(document["spec"].get("image", ""))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeKubernetesApi]:
    with FakeKubernetesApi(tmp_path) as running:
        running.allow(cluster_role("agent", PERMISSIONS)["rules"])
        yield running


Connect = Callable[..., KubernetesApi]


@pytest.fixture
def connected(server: FakeKubernetesApi) -> Iterator[Connect]:
    """Makes clients of the server: ``connected(page_limit=3)``."""
    made: list[KubernetesApi] = []

    def make(**settings: Any) -> KubernetesApi:
        config = ClusterConfig.model_validate({"kubeconfig": server.kubeconfig, "backoff_s_max": 0.05, **settings})
        made.append(connect(config, PERMISSIONS))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def reflect() -> Iterator[Callable[..., tuple[Reflector[tuple[str, str]], Notes]]]:
    """Starts reflectors and ends them: ``reflector, notes = reflect(api)``."""
    made: list[Reflector[tuple[str, str]]] = []

    def make(api: KubernetesApi, path: str = PODS, parse: Any = parse) -> tuple[Reflector[tuple[str, str]], Notes]:
        notes = Notes()
        made.append(Reflector(api, path, parse, notes))
        made[-1].start()
        return made[-1], notes

    yield make
    for one in made:
        one.stop()
    for one in made:
        one.join()

"""What the tests of monitors share: a configuration, its role, its sources, and a cluster with something to find."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from collector import registry
from collector.base import Sources
from tests.collector.conftest import WINDOW
from tests.fakes.kubernetes_api import FakeKubernetesApi
from tests.fakes.kubernetes_objects import endpoint_slice, pod, service

SERVICE_MONITORS = "servicemonitors.monitoring.coreos.com"
POD_MONITORS = "podmonitors.monitoring.coreos.com"
SLICES = "endpointslices.discovery.k8s.io"
PREFIX = "prometheus_monitors/prod"
WEB = {"matchLabels": {"app": "web"}}


def config_of(api: FakeKubernetesApi | None, **settings: Any) -> Any:
    given: dict[str, Any] = {"kind": "prometheus_monitors", "cluster": "prod", **settings}
    if api is not None:
        given["api"] = {"kubeconfig": str(api.kubeconfig), "backoff_s_max": 0.05}
    return registry.plugin("prometheus_monitors").config.model_validate(given)


def documents(**settings: Any) -> list[dict[str, Any]]:
    """What an operator is told to grant."""
    plugin = registry.plugin("prometheus_monitors")
    assert plugin.role is not None
    return list(yaml.safe_load_all(plugin.role(config_of(None, **settings), "agent", "metering")))


@contextmanager
def sources(api: FakeKubernetesApi, **settings: Any) -> Iterator[Sources]:
    found = registry.plugin("prometheus_monitors").build(config_of(api, **settings))
    try:
        yield found
    finally:
        for each in found.current():
            each.close()
        found.close()


def names(found: Sources) -> set[str]:
    assert found.current()[0].source == PREFIX
    return {each.source.removeprefix(f"{PREFIX}/") for each in found.current()[1:]}


def labels(found: Sources, source: str) -> dict[str, str]:
    (one,) = [each for each in found.current() if each.source == f"{PREFIX}/{source}"]
    return dict(one._target.labels)  # type: ignore[attr-defined]


def coverage(found: Sources, source: str = "") -> tuple[str, str]:
    name = f"{PREFIX}/{source}" if source else PREFIX
    (one,) = [each for each in found.current() if each.source == name]
    (record,) = one.collect(WINDOW, {}).coverage
    return record.status, record.reason


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def put_web(api: FakeKubernetesApi, *addresses: str, namespace: str = "shop", port: int = 8080) -> None:
    """A service of pods, with a port of its own and one that only the pods have."""
    pods = [
        pod(
            f"web-{number}",
            address,
            ports={"http": port, "admin": 9090},
            labels={"app": "web", "tier": "front"},
            namespace=namespace,
        )
        for number, address in enumerate(addresses)
    ]
    for each in pods:
        api.put("pods", each)
    api.put("services", service("web", ports={"http": 80}, labels={"app": "web", "team": "a"}, namespace=namespace))
    api.put(SLICES, endpoint_slice("web", pods, ports={"http": port}, namespace=namespace))

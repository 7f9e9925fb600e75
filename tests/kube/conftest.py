"""One control plane for all tests against a real API server, and one whole cluster for those that run pods: each has namespaces of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kube.controlplane import ControlPlane
from tests.kube.node import Node
from tests.kube.preparing import prepare


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and an API server."""
    with ControlPlane(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A whole cluster of one node."""
    folder = tmp_path_factory.mktemp("node")
    with Node(folder) as running:
        prepare(running, folder)
        yield running

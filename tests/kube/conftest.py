"""One control plane for all tests against a real API server: each has namespaces of its own on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kube.controlplane import ControlPlane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and an API server."""
    with ControlPlane(tmp_path_factory.mktemp("plane")) as running:
        yield running

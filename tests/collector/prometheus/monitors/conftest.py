"""An API server that grants what monitors need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector.prometheus.monitors.watching import documents
from tests.fakes.kubernetes_api import FakeKubernetesApi


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeKubernetesApi]:
    with FakeKubernetesApi(tmp_path) as running:
        running.grant(documents())
        yield running

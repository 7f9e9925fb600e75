"""What the tests of collectors share: a target to scrape, and collectors that are closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collector import registry
from collector.base import Collector
from collector.readings import Checkpoint, Readings, Window
from tests.fakes.http_target import FakeTarget, fake_target

#: A minute of an arbitrary day.
WINDOW = Window(1_767_225_600_000_000, 1_767_225_660_000_000)


class Reader:
    """One collector, asked again and again, with the checkpoint carried on as the agent does."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.checkpoint: Checkpoint = {}

    def read(self) -> Readings:
        readings = self.collector.collect(WINDOW, self.checkpoint)
        self.checkpoint = readings.checkpoint
        return readings


@pytest.fixture
def target() -> Iterator[FakeTarget]:
    with fake_target() as running:
        yield running


@pytest.fixture
def reader() -> Iterator[Callable[..., Reader]]:
    """Makes readers: ``reader("prometheus", job="shop", targets=[...])``."""
    made: list[Reader] = []

    def make(kind: str, **settings: Any) -> Reader:
        plugin = registry.plugin(kind)
        (collector,) = plugin.build(plugin.config.model_validate({"kind": kind, **settings}))
        made.append(Reader(collector))
        return made[-1]

    yield make
    for one in made:
        one.collector.close()

"""What the tests of collectors share: a target to scrape, and collectors that are closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from collector import registry
from collector.base import Collector
from collector.readings import Checkpoint, Readings, Window
from meterbook.wire.series import PARTS, Series
from tests.fakes.http_target import FakeTarget, fake_target

#: A minute of an arbitrary day.
WINDOW = Window(1_767_225_600_000_000, 1_767_225_660_000_000)


def series_of(readings: Readings) -> dict[int, Series]:
    """The series of the samples, by their ids."""
    ids = np.unique(readings.samples["series_id"].to_numpy())
    found = {}
    for row in readings.series.of(ids).to_pylist():
        start = row["start"]
        start_us = None if start is None else round(start.timestamp() * 1e6)
        series = Series(*(row[name] for name in PARTS), start_us)
        assert (row["series_id"], row["identity"]) == (series.series_id, series.identity)
        found[series.series_id] = series
    return found


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
        (collector,) = plugin.build(plugin.config.model_validate({"kind": kind, **settings})).current()
        made.append(Reader(collector))
        return made[-1]

    yield make
    for one in made:
        one.collector.close()

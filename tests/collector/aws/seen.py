"""Readings as a test wants to see them: by resource and metric, with times and values, and what they come to."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from collector.readings import Readings, Window

#: Of series that are seen again: what is new is told by its samples.
Samples = list[tuple[int, float]]


@dataclass
class Seen:
    """One series, with its samples as (microseconds, value)."""

    type: str
    id: str
    metric: str
    labels: dict[str, str]
    attributes: dict[str, str]
    tags: dict[str, str] | None
    start_us: int | None
    samples: Samples = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.samples]


def seen(readings: Readings) -> list[Seen]:
    """The series of one collection."""
    found: dict[int, Seen] = {}
    for row in readings.series.of(np.unique(readings.samples["series_id"].to_numpy())).to_pylist():
        about = json.loads(row["attributes"])
        found[row["series_id"]] = Seen(
            about["type"],
            about["id"],
            row["metric"],
            json.loads(row["labels"]),
            about,
            None if row["tags"] is None else json.loads(row["tags"]),
            None if row["start"] is None else round(row["start"].timestamp() * 1e6),
        )
    for row in readings.samples.to_pylist():
        found[row["series_id"]].samples.append((round(row["time"].timestamp() * 1e6), row["value"]))
    return sorted(found.values(), key=lambda each: (each.type, each.id, each.metric, sorted(each.labels.items())))


def of(readings: Readings, metric: str = "aws_resource_exists", **about: Any) -> list[Seen]:
    """The series of a metric that are about something: ``of(readings, id="jobs")``."""
    return [
        each
        for each in seen(readings)
        if each.metric == metric
        and all({**each.attributes, **each.labels}[name] == value for name, value in about.items())
    ]


def only(found: list[Seen]) -> Seen:
    """The one that there is."""
    (one,) = found
    return one


def samples_of(readings: Readings) -> list[tuple[int, int, str]]:
    """All samples, so that markers are equal, too."""
    times_us = readings.samples["time"].cast(pa.int64()).to_pylist()
    rows = readings.samples.to_pylist()
    return [(row["series_id"], time_us, row["value"].hex()) for row, time_us in zip(rows, times_us, strict=True)]


def held_us(samples: Iterable[tuple[int, float]]) -> int:
    """For how long a gauge was 1: each value is held until the next sample, as the ledger does, however long that is."""
    told = sorted(samples, key=lambda each: each[0])
    return sum(after[0] - before[0] for before, after in pairwise(told) if not math.isnan(before[1]))


def later(window: Window, minutes: int = 5) -> Window:
    """The window after another."""
    return Window(window.end_us, window.end_us + minutes * 60_000_000)

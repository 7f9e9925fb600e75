"""What one collection of a source gives, tagged as it would be, before anything of it is kept or sent.

Whoever declares a mapping or a rule wants to see what becomes of real records first. So this is the way that every collection takes, but
for its end: no spool, no ledger, no checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.config import AgentConfig
from agent.errors import ConfigError
from agent.process import build_sources, close_sources
from agent.rules import ready
from agent.tagger import Tagger
from collector.base import Collector, SourceConfig, Sources, interval_s_of
from collector.readings import Readings, Window
from meterbook.wire import instants
from meterbook.wire.instants import SECOND_US

#: Seconds for which a source is looked for: clusters are asked what there is in them.
_LOOKED_FOR_S = 15.0
_SHOWN_OF_SERIES = ("metric", "labels", "attributes", "kind", "tenant")


@dataclass(frozen=True)
class Trial:
    """The first events, samples, charges, bills and dead letters of a collection, how many there were, and its coverage."""

    source: str
    coverage: Sequence[tuple[str, str]]
    events: Sequence[dict[str, Any]]
    events_count: int
    samples: Sequence[dict[str, Any]]
    samples_count: int
    charges: Sequence[dict[str, Any]]
    charges_count: int
    bills: Sequence[dict[str, Any]]
    dead_letters: Sequence[dict[str, str]]
    dead_letters_count: int


def tried(config: AgentConfig, source: str, rows_max: int) -> Trial:
    """One collection of a source, the first ``rows_max`` of everything. Raises ConfigError where there is no such source."""
    built = build_sources(config)
    try:
        collector, its_config = _found(built, source)
        now_us = instants.now_us()
        window = Window(now_us - round(interval_s_of(collector, its_config) * SECOND_US), now_us)
        return _shown(source, collector.collect(window, {}), window, Tagger(ready(config.tags)), rows_max)
    finally:
        close_sources(built)


def _found(built: Sequence[tuple[Sources, SourceConfig]], source: str) -> tuple[Collector, SourceConfig]:
    """The source of a name, as soon as it is there."""
    until_s = time.monotonic() + _LOOKED_FOR_S
    while True:
        current = [(each, config) for sources, config in built for each in sources.current()]
        for each, config in current:
            if each.source == source:
                return each, config
        if time.monotonic() > until_s:
            names = ", ".join(sorted(each.source for each, _ in current)[:20]) or "none"
            raise ConfigError(f"there is no source {source!r}: there are {names}")
        time.sleep(0.2)


def _shown(source: str, readings: Readings, window: Window, tagger: Tagger, rows_max: int) -> Trial:
    tagged, letters = tagger.tag(readings, window), readings.dead_letters
    first = readings.samples.slice(0, rows_max)
    ids = first["series_id"].unique().to_numpy()
    series = {
        row["series_id"]: {name: row[name] for name in _SHOWN_OF_SERIES}
        for row in tagged.series.defined(np.isin(tagged.series.ids, ids)).to_pylist()
    }
    return Trial(
        source=source,
        coverage=[(record.status, record.reason) for record in readings.coverage],
        events=tagged.events.slice(0, rows_max).to_pylist(),
        events_count=tagged.events.num_rows,
        samples=[{**series[row["series_id"]], "value": row["value"]} for row in first.to_pylist()],
        samples_count=readings.samples.num_rows,
        charges=readings.charges.slice(0, rows_max).to_pylist(),
        charges_count=readings.charges.num_rows,
        bills=readings.bills.slice(0, rows_max).to_pylist(),
        dead_letters=[
            {"place": each.place, "reason": each.reason, "document": each.document} for each in letters[:rows_max]
        ],
        dead_letters_count=len(letters),
    )

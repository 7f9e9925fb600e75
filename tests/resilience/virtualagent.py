"""An agent in this process whose time a test moves: real lanes, spool, collectors and uplink, on the real grid of ticks.

Days pass in seconds, at the interval that was asked for. What is virtual is the clock and who ticks, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from agent.config import LedgerConfig
from agent.rules import TagsConfig, ready
from agent.runner import Lane
from agent.schedule import shift_us
from agent.selfmetrics import SelfMetrics
from agent.spool import Spool
from agent.tagger import Tagger
from agent.uplink import Uplink
from collector import registry
from collector.base import Collector
from collector.definitions import Known
from collector.readings import Checkpoint, Coverage, Readings, Window
from meterbook.wire import instants
from meterbook.wire.sections import SAMPLES
from meterbook.wire.series import Series, canonical_json
from tests.resilience.exporters import TENANT

AGENT = "edge-1"
COUNTED, LEVEL = "units_total", "level"


class Meters:
    """A source with counters that rise by their rate each microsecond since ``zero_us``, and gauges drawn anew at every look.

    The first counter has the rate 1. ``looks_us`` are the times of all looks, stored or not, ``counts`` what it showed at them, and ``levels`` what the first
    gauge showed.
    ``ahead_us`` is how far the clock of who looks is ahead of the truth; ``meanwhile`` is called while somebody looks.
    """

    catches_up = False

    def __init__(self, name: str, zero_us: int, *, counters: int, gauges: int, seed: int) -> None:
        self.source = f"meters/{name}"
        self.looks_us: list[int] = []
        self.counts: list[int] = []
        self.levels: dict[int, int] = {}
        self.ahead_us = 0
        self.meanwhile: Callable[[], None] = lambda: None
        self._zero_us = zero_us
        self._random = np.random.default_rng(seed)
        shown = [self._series(COUNTED, "counter", number, zero_us) for number in range(counters)]
        shown += [self._series(LEVEL, "gauge", number, None) for number in range(gauges)]
        self._known = Known.by(shown)
        self._order = np.argsort([series.series_id for series in shown])
        self._ids = pa.array(sorted(series.series_id for series in shown))
        self._rates = np.arange(1, counters + 1) % 1_000
        self._gauges = gauges

    def _series(self, metric: str, kind: Any, number: int, start_us: int | None) -> Series:
        labels = canonical_json(
            {"tenant": TENANT if number == 0 else "others", "number": str(number), "of": self.source}
        )
        return Series(self.source, metric, kind, "", labels, "{}", start_us)

    def counted(self, at_us: int) -> int:
        """What the first counter shows when the clock shows a time."""
        return at_us - self.ahead_us - self._zero_us

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """See ``Collector``."""
        at_us = window.end_us
        self.looks_us.append(at_us)
        self.counts.append(self.counted(at_us))
        levels = self._random.integers(0, 1 << 50, self._gauges)
        if self._gauges:
            self.levels[at_us] = int(levels[0])
        values = np.concatenate([self._rates * self.counted(at_us), levels]).astype(np.float64)[self._order]
        times = pa.array(np.full(len(values), at_us)).cast(SAMPLES.field("time").type)
        samples = pa.Table.from_arrays([self._ids, times, pa.array(values)], schema=SAMPLES)
        coverage = Coverage(self.source, window.start_us, window.end_us, "complete")
        self.meanwhile()
        return Readings((coverage,), self._known, samples=samples)

    def end(self, time_us: int, checkpoint: Checkpoint) -> Readings | None:
        """See ``Collector``."""
        return None

    def close(self) -> None:
        """Nothing is held."""


def log_maker(path: Path) -> Callable[[], Collector]:
    """Makes the collector of a log file."""
    plugin = registry.plugin("logfile")
    config = plugin.config.model_validate({"kind": "logfile", "name": "logfile/program", "path": str(path)})
    return lambda: plugin.build(config).current()[0]


class VirtualAgent:
    """``clock_us`` is what its clock shows, ``ahead_us`` how far that is ahead of the truth. Sources are made anew at every start."""

    def __init__(
        self,
        folder: Path,
        sources: Sequence[tuple[Callable[[], Collector], float]],
        clock_us: int,
        *,
        name: str = AGENT,
        bytes_max: int = 1 << 30,
        age_max_s: float = 1e9,
    ) -> None:
        """``sources`` are makers of collectors, and how often each is read, in seconds."""
        self.true_us, self.ahead_us = clock_us, 0
        self._name = name
        self._folder, self._sources = folder, sources
        self._bytes_max, self._age_max_s = bytes_max, age_max_s
        self._lanes: list[tuple[Lane, Collector, int]] = []
        self.uplink: Uplink | None = None
        self.starts_us: list[int] = []

    @property
    def clock_us(self) -> int:
        """What the clock shows."""
        return self.true_us + self.ahead_us

    def start(self) -> None:
        """As a process that begins."""
        self.starts_us.append(self.clock_us)
        self.spool = Spool(
            self._folder / f"{self._name}.spool",
            agent=self._name,
            bytes_max=self._bytes_max,
            age_max_s=self._age_max_s,
            clock=lambda: self.clock_us,
        )
        self.metrics = SelfMetrics()
        rules = ready(TagsConfig.model_validate({"rules": [{"from": "label:tenant"}, {"from": "subject"}]}))
        for make, interval_s in self._sources:
            collector, interval_us = make(), round(interval_s * instants.SECOND_US)
            lane = Lane(
                collector,
                interval_us=interval_us,
                tagger=Tagger(rules),
                spool=self.spool,
                metrics=self.metrics,
                clock=lambda: self.clock_us,
            )
            self._lanes.append((lane, collector, interval_us))

    def stop(self) -> None:
        """As a process that ends, with whatever waits in the spool."""
        self.disconnect()
        for _, collector, _ in self._lanes:
            collector.close()
        self._lanes = []
        self.spool.close()

    def connect(self, port: int) -> None:
        """Begin to send, or to try."""
        config = LedgerConfig.model_validate({"endpoint": f"127.0.0.1:{port}"})
        self.uplink = Uplink(config, self.spool, self.metrics)
        self.uplink.start()

    def disconnect(self) -> None:
        """Send nothing more. Safe to call twice."""
        if self.uplink is not None:
            self.uplink.stop(0)
            self.uplink = None

    def run(self, until_us: int, also: Callable[[int], None] = lambda now_us: None) -> None:
        """Tick every lane on its grid until it is a certain time in truth; ``also`` is called before each tick."""
        while True:
            due_us, lane = min(
                ((self._next(lane, interval_us), lane) for lane, _, interval_us in self._lanes),
                key=lambda each: each[0],
            )
            if due_us - self.ahead_us > until_us:
                self.true_us = until_us
                return
            self.true_us = due_us - self.ahead_us
            also(due_us)
            lane.tick()

    def _next(self, lane: Lane, interval_us: int) -> int:
        """The first tick of a lane after now, as ``agent.schedule`` plans it."""
        behind_us = (self.clock_us - shift_us(lane.source, interval_us)) % interval_us
        return self.clock_us - behind_us + interval_us

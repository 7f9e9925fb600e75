"""One target: a scrape, and the readings made of it.

Every scrape gives exactly one coverage record over the window, and the series ``up``, ``scrape_duration_seconds`` and
``scrape_samples_scraped``, as Prometheus does, also when it fails. A failed scrape gives nothing else: a page is kept
whole or not at all.

Counters are sent as they stand, so a target that was not scraped for a day still says at the next scrape how much it
counted; the checkpoint holds no more than the metrics whose bad values were told of. What makes that sound is the start time. It is the created time of the series
where the page has one; else, only if the configuration vouches for it, the start of the target's process. A counter that
began again is then a new series, and the ledger does not have to tell it from a fall.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from collector.errors import SourceError
from collector.prometheus.catalogue import Catalogue, Entry, StartKey
from collector.prometheus.config import PrometheusConfig
from collector.prometheus.exposition import Exposition, parse
from collector.prometheus.fetch import Fetcher
from collector.prometheus.screening import TIME_MAX_US, Letters, fault
from collector.prometheus.targets import Target
from collector.readings import Checkpoint, Coverage, DeadLetter, Readings, Window, sample_table
from meterbook.wire.instants import SECOND_US
from meterbook.wire.series import Series

_PROCESS_START = "process_start_time_seconds"


class _Samples:
    """Samples under way; a series has one at a time."""

    def __init__(self) -> None:
        self.series: dict[int, Series] = {}
        self.ids: list[int] = []
        self.times_us: list[int] = []
        self.values: list[float] = []
        self._taken: set[tuple[int, int]] = set()

    def add(self, series: Series, series_id: int, time_us: int, value: float) -> bool:
        """Whether the place was free."""
        place = (series_id, time_us)
        if place in self._taken:
            return False
        self._taken.add(place)
        self.series[series_id] = series
        self.ids.append(series_id)
        self.times_us.append(time_us)
        self.values.append(value)
        return True


@dataclass(frozen=True)
class _Starts:
    """When the counters of a page began."""

    created_us: dict[StartKey, int]
    process_us: int | None

    def of(self, entry: Entry) -> int | None:
        if entry.part.role != "counter":
            return None
        return self.created_us.get(entry.key, self.process_us)


class PrometheusCollector:
    """Scrapes one target."""

    def __init__(self, config: PrometheusConfig, target: Target) -> None:
        self._config = config
        self._target = target
        self._fetcher = Fetcher(config, target)
        self._catalogue = Catalogue(config, target)
        self._up = self._catalogue.synthetic("up")
        self._duration = self._catalogue.synthetic("scrape_duration_seconds", "seconds")
        self._scraped = self._catalogue.synthetic("scrape_samples_scraped")

    @property
    def source(self) -> str:
        """``prometheus/<job>/<host:port>``, with the path where it is not ``/metrics``."""
        return self._target.source

    @property
    def catches_up(self) -> bool:
        """A page shows the present only."""
        return False

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """The page as it stands now, at ``window.end_us``."""
        began = time.monotonic()
        try:
            page = self._fetcher.fetch()
            exposition = parse(self._target.url, page, self._config.samples_max)
            entries = self._catalogue.entries(exposition)
        except SourceError as error:
            coverage = Coverage(self.source, window.start_us, window.end_us, error.status, str(error))
            samples = self._about(window, time.monotonic() - began, up=False, scraped=0)
            return self._readings(coverage, samples, (), checkpoint)
        coverage = Coverage(self.source, window.start_us, window.end_us, "complete")
        samples = self._about(window, time.monotonic() - began, up=True, scraped=len(entries))
        letters = self._fill(samples, exposition, entries, window.end_us, checkpoint.get("told", ()))
        return self._readings(coverage, samples, letters.letters(), {"told": letters.told})

    def close(self) -> None:
        """Close the connection."""
        self._fetcher.close()

    def _about(self, window: Window, seconds: float, *, up: bool, scraped: int) -> _Samples:
        samples = _Samples()
        for series, value in ((self._up, float(up)), (self._duration, seconds), (self._scraped, float(scraped))):
            samples.add(series, series.series_id, window.end_us, value)
        return samples

    def _fill(
        self,
        samples: _Samples,
        exposition: Exposition,
        entries: Sequence[Entry],
        now_us: int,
        told: Collection[str],
    ) -> Letters:
        starts = self._starts(exposition, entries)
        letters = Letters(self.source, self._target.place, told)
        for row, entry in zip(exposition.rows, entries, strict=True):
            role = entry.part.role
            if role in ("created", "dropped"):
                continue
            time_us = now_us if row.time_us is None else row.time_us
            reason = fault(row.value, time_us, counts=role == "counter")
            if reason is None:
                series = self._catalogue.resolve(entry, starts.of(entry))
                if samples.add(series, entry.series_id, time_us, row.value):
                    continue
                reason = "repeats a series of the page: the first one was kept"
            letters.add(entry.metric, row.head, row.value, reason)
        return letters

    def _starts(self, exposition: Exposition, entries: Sequence[Entry]) -> _Starts:
        created: dict[StartKey, int] = {}
        processes: list[float] = []
        for row, entry in zip(exposition.rows, entries, strict=True):
            if entry.part.role == "created":
                start_us = _start_us(row.value)
                if start_us is not None:
                    created.setdefault(entry.key, start_us)
            elif entry.metric == _PROCESS_START:
                processes.append(row.value)
        usable = self._config.process_start and len(processes) == 1
        return _Starts(created, _start_us(processes[0]) if usable else None)

    def _readings(
        self, coverage: Coverage, samples: _Samples, letters: tuple[DeadLetter, ...], checkpoint: Checkpoint
    ) -> Readings:
        return Readings(
            coverage=(coverage,),
            series=samples.series,
            samples=sample_table(samples.ids, samples.times_us, samples.values),
            dead_letters=letters,
            checkpoint=checkpoint,
        )


def _start_us(seconds: float) -> int | None:
    """A start time as an instant; None for the zeros and infinities that clients without one expose."""
    if not math.isfinite(seconds) or not 0 < seconds * SECOND_US <= TIME_MAX_US:
        return None
    return round(seconds * SECOND_US)

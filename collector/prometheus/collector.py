"""One target: a scrape, and the readings made of it.

Every scrape gives exactly one coverage record over the window, and the series ``up``, ``scrape_duration_seconds``,
``scrape_samples_scraped``, ``scrape_samples_post_metric_relabeling`` and ``scrape_series_added``, as Prometheus does, also when it
fails. A failed scrape gives nothing else: a page is kept whole or not at all.

Counters are sent as they stand, so a target that was not scraped for a day still says at the next scrape how much it
counted. What makes that sound is the start time. It is the created time of the series
where the page has one; else, only if the configuration vouches for it, the start of the target's process. A counter that
began again is then a new series, and the ledger does not have to tell it from a fall. Of one whose start is not known, ``sight`` tells
whether it may have been there before.

A series that is gone from the page, or whose target is, ends with a stale marker, so that nobody goes on counting its last value.
Series with times of their own are exempt, as in Prometheus: they may come late.

The checkpoint holds which metrics' bad values were told of, what ``sight`` remembers, and the end of the window: that tells whether the last
readings were stored, and with them the ends that they told.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.definitions import NONE, Definitions, Either, Ids, Known
from collector.errors import PermanentError, SourceError
from collector.exposition.reader import PageReader, Rows
from collector.exposition.values import NO_TIME, Floats, Times
from collector.prometheus.catalogue import Catalogue, Shape
from collector.prometheus.config import ScrapeConfig
from collector.prometheus.fetch import Fetcher
from collector.prometheus.screening import Letters, fault, faulty
from collector.prometheus.sight import marked, sight
from collector.prometheus.targets import Target
from collector.readings import Checkpoint, Coverage, Readings, Window, sample_table
from meterbook.wire.sections import SAMPLES, STALE

_ABOUT = (
    ("up", ""),
    ("scrape_duration_seconds", "seconds"),
    ("scrape_samples_scraped", ""),
    ("scrape_samples_post_metric_relabeling", ""),
    ("scrape_series_added", ""),
)
_REPEATS = "repeats a series of the page: the first one was kept"


_NOBODY = np.empty(0, np.int64)


class PrometheusCollector:
    """Scrapes one target."""

    def __init__(self, config: ScrapeConfig, target: Target) -> None:
        self._config = config
        self._target = target
        self._fetcher = Fetcher(config, target)
        self._reader = PageReader(target.url, config.samples_max)
        self._catalogue = Catalogue(config, target, _ABOUT)
        self._about = np.array(sorted(series.series_id for series in self._catalogue.about), np.int64)
        #: The series that end with the next scrape unless it shows them, and what defines them: as of what is known to be stored,
        #: and as of the last readings, with the end of their window.
        self._stored = self._offered = _Alive()

    @property
    def source(self) -> str:
        """``prometheus/<job>/<host:port>``, with the path where it is not ``/metrics``."""
        return self._target.source

    @property
    def interval_s(self) -> float:
        """Seconds between two scrapes."""
        return self._config.interval_s

    @property
    def lease(self) -> str | None:
        """Of a target, unless its address means another machine to everyone. Elsewhere there may be another target at the same address."""
        wanted = self._config.lease
        if wanted is False or (wanted is None and self._target.is_local):
            return None
        identity = json.dumps([self._target.url, sorted(self._target.labels), sorted(self._target.params)])
        return f"{self.source}#{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    @property
    def catches_up(self) -> bool:
        """A page shows the present only."""
        return False

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """The page as it stands now, at ``window.end_us``."""
        began = time.monotonic()
        if checkpoint.get("until_us") == self._offered.until_us:
            self._stored = self._offered
        try:
            page = self._fetcher.fetch()
            rows = self._reader.read(page)
            shape = self._catalogue.shape(rows.layout, rows.values, rows.created_s)
            self._check_limit(shape.left)
        except SourceError as error:
            return self._failed(error, window, time.monotonic() - began, checkpoint)
        scraped = len(rows.values)
        values = np.append(rows.values, (1.0, time.monotonic() - began, scraped, shape.left, self._catalogue.added))[
            shape.rows
        ]
        given_us = self._given(rows, shape)
        times_us = np.full(len(shape.rows), window.end_us)
        if given_us is not None:
            times_us = np.where(given_us == NO_TIME, window.end_us, given_us)
        letters = Letters(self.source, self._target.place, checkpoint.get("told", ()))
        kept = self._screened(rows, shape, values, times_us, letters)
        samples = _table(shape.ids, times_us, values)
        if kept is not None:
            samples = samples.filter(pa.array(kept))
        seen_as = sight(self._config, self._target, page.format)
        seen = marked(seen_as, checkpoint.get("sight", {}), shape, times_us, kept, window)
        gone, defined = self._ended(rows, shape, given_us, window.end_us)
        return Readings(
            coverage=(Coverage(self.source, window.start_us, window.end_us, "complete"),),
            series=defined,
            samples=_joined(samples, _ends(gone, window.end_us), seen.markers, sort=shape.repeated),
            dead_letters=letters.letters(),
            checkpoint={"told": letters.told, "sight": seen.document, "until_us": window.end_us},
        )

    def end(self, time_us: int, checkpoint: Checkpoint) -> Readings:
        """The end of every series that the target showed last."""
        alive = self._offered if checkpoint.get("until_us") == self._offered.until_us else self._stored
        return Readings((), series=alive.series, samples=_ends(alive.ids, time_us))

    def close(self) -> None:
        """Close the connection."""
        self._fetcher.close()

    def _failed(self, error: SourceError, window: Window, seconds: float, checkpoint: Checkpoint) -> Readings:
        """The target is down: a word about the scrape, and the end of every series that the last one showed."""
        about = self._catalogue.about
        samples = sample_table(
            [series.series_id for series in about], [window.end_us] * len(about), (0.0, seconds, 0.0, 0.0, 0.0)
        )
        gone, defined = self._stored.ids, Either(Known.by(about), self._about, self._stored.series)
        self._offered = _Alive(window.end_us)
        return Readings(
            coverage=(Coverage(self.source, window.start_us, window.end_us, error.status, str(error)),),
            series=defined,
            samples=_joined(samples, _ends(gone, window.end_us)),
            checkpoint={**checkpoint, "until_us": window.end_us},
        )

    def _check_limit(self, left: int) -> None:
        limit = self._config.sample_limit
        if 0 < limit < left:
            raise PermanentError(
                f"{self._target.url} shows {left} samples after relabelling, more than sample_limit {limit}"
            )

    def _given(self, rows: Rows, shape: Shape) -> Times | None:
        """The times that the page gives, NO_TIME for none; None where no sample has one that is honoured."""
        if rows.times_us is None or not self._config.honor_timestamps:
            return None
        return np.append(rows.times_us, np.full(len(self._about), NO_TIME))[shape.rows]

    def _screened(
        self, rows: Rows, shape: Shape, values: Floats, times_us: Times, letters: Letters
    ) -> npt.NDArray[np.bool_] | None:
        """Which samples can be metered, None for all; there is a letter about each of the others."""
        bad = faulty(values, times_us, shape.counts)
        repeats = np.zeros(len(bad), np.bool_)
        if shape.repeated:
            repeats = _repeats(shape.ids.to_numpy(), times_us, ~bad)
        out = bad | repeats
        if not out.any():
            return None
        # In the order of the page: the first sample of a metric stands for the others.
        for index in sorted(np.flatnonzero(out).tolist(), key=shape.rows.__getitem__):
            row, value = int(shape.rows[index]), float(values[index])
            reason = fault(value, int(times_us[index]), counts=bool(shape.counts[index])) if bad[index] else _REPEATS
            assert reason is not None
            letters.add(self._catalogue.metric(row), self._head(rows, row), value, reason)
        return ~out

    def _head(self, rows: Rows, row: int) -> str:
        if row >= len(rows.layout):
            return self._catalogue.metric(row)
        return rows.layout.some_heads(np.array([row]))[0].rstrip(" \t")

    def _ended(self, rows: Rows, shape: Shape, given_us: Times | None, end_us: int) -> tuple[Ids, Definitions]:
        """The series that the scrape before showed and this one does not, and the definitions of all."""
        before = self._stored
        if before.series is shape.series and given_us is None:
            self._offered = replace(before, until_us=end_us)
            return _NOBODY, before.series
        ids = shape.ids.to_numpy()
        exempt = shape.rows >= len(rows.values)
        if given_us is not None:
            exempt |= given_us != NO_TIME
        self._offered = _Alive(end_us, np.unique(ids[~exempt]), shape.series)
        gone = before.ids[~np.isin(before.ids, ids)]
        return gone, Either(shape.series, ids, before.series) if len(gone) else shape.series


@dataclass(frozen=True, eq=False)
class _Alive:
    """Series that were shown, sorted, and what defines them; ``until_us`` is None where there was no scrape."""

    until_us: int | None = None
    ids: Ids = field(default_factory=lambda: _NOBODY)
    series: Definitions = NONE


def _repeats(ids: Ids, times_us: Times, usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which samples repeat series and time of a usable one that stands before them on the page."""
    repeats = np.zeros(len(ids), np.bool_)
    rows = np.flatnonzero(usable)
    order = rows[np.lexsort((rows, times_us[rows], ids[rows]))]
    same = (ids[order][1:] == ids[order][:-1]) & (times_us[order][1:] == times_us[order][:-1])
    repeats[order[1:][same]] = True
    return repeats


def _table(ids: pa.Array, times_us: Times, values: Floats) -> pa.Table:
    times = pa.Array.from_buffers(SAMPLES.field("time").type, len(times_us), [None, pa.py_buffer(times_us)])
    return pa.Table.from_arrays([ids, times, pa.array(values)], schema=SAMPLES)


def _ends(gone: Ids, end_us: int) -> pa.Table:
    """A stale marker for each series that is gone."""
    return _table(pa.array(gone), np.full(len(gone), end_us), np.full(len(gone), STALE))


def _joined(samples: pa.Table, *markers: pa.Table, sort: bool = False) -> pa.Table:
    """The samples and markers in wire order; sorted only if need be."""
    some = [table for table in markers if table.num_rows]
    if not some and not sort:
        return samples
    joined = pa.concat_tables([samples, *some])
    return joined.sort_by([("series_id", "ascending"), ("time", "ascending")]).combine_chunks()

"""Tells counters that begin from counters that only came into sight, or have another name now.

A counter is counted from zero where its target was read before without it: then it had not begun. That holds for as long as the
same things are read and named alike. Where labels, rules, parameters or the format of the page are other ones, or where nobody knows
what was read before, a counter may have counted for years, out of sight or under another name. So a marker is put before its first
sample that can be counted, and only what it counts from there on is used ("intake.proto", Batch). Those that are known to have begun since
the last reading need none.

A change that is taken back brings the first names back: what was counted between is the other names'. So the ways in which a target
was read are remembered, and where one comes back the marker is the one that says so.

Of all that the checkpoint holds digests, and the numbers of the series that have not had a sample that counts yet.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.exposition.page import Format
from collector.exposition.values import Times
from collector.prometheus.catalogue import Shape
from collector.prometheus.config import ScrapeConfig
from collector.prometheus.targets import Target
from collector.readings import Window
from meterbook.wire.instants import HOUR_US
from meterbook.wire.sections import SAMPLES, STALE

#: How long before a sample the marker stands of a counter that was out of sight, and of one that had another name.
UNSEEN_US, RENAMED_US = 1, 2
#: Ways of reading that are remembered, and series that may wait for their marker; with more, all are marked once more.
_WAYS_MAX, _WAITING_MAX = 20, 1_000
#: How far ahead of its clock the ledger takes times.
_AHEAD_US_MAX = HOUR_US


def sight(config: ScrapeConfig, target: Target, page_format: Format) -> str:
    """A digest of what decides which series a page shows and how they are named; 16 hexadecimal digits."""
    decisive = {
        "url": target.url,
        "labels": target.labels,
        "params": [target.params, config.params],
        "honor_labels": config.honor_labels,
        "metric_relabelings": [rule.model_dump(mode="json") for rule in config.metric_relabelings],
        "process_start": config.process_start,
        # Not every format tells created times, which are a part of what a series is.
        "format": page_format,
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Marked:
    """Markers (schema ``SAMPLES``), and what goes into the checkpoint."""

    markers: pa.Table
    document: Mapping[str, Any]


def marked(
    seen_as: str,
    before: Mapping[str, Any],
    shape: Shape,
    times_us: Times,
    usable: npt.NDArray[np.bool_] | None,
    window: Window,
) -> Marked:
    """Markers for a page that is read as ``seen_as``; ``before`` is the document of the last readings that are stored.

    ``times_us`` are those of the samples, ``usable`` says which of them count (None: all). What began within the window has been read
    from its beginning.
    """
    ways = list(before.get("ways", ()))
    if ways[-1:] == [seen_as]:
        waiting = np.array(before["waiting"], np.int64)
        if not len(waiting):
            return Marked(SAMPLES.empty_table(), before)
        rows, before_us = np.flatnonzero(np.isin(shape.ids.to_numpy(), waiting)), int(before["marker_us"])
    else:
        rows = np.flatnonzero(shape.counts)
        rows = rows[shape.starts_us[shape.rows[rows]] < window.start_us]
        waiting, before_us = np.empty(0, np.int64), RENAMED_US if seen_as in ways else UNSEEN_US
    ids = shape.ids.to_numpy()[rows]
    # A page may give times that the ledger does not believe.
    now = times_us[rows] <= window.end_us + _AHEAD_US_MAX
    if usable is not None:
        now &= usable[rows]
    waiting = np.union1d(np.setdiff1d(waiting, ids), ids[~now])
    if len(waiting) > _WAITING_MAX:
        document = dict(before)
    else:
        ways = [*(way for way in ways if way != seen_as), seen_as][-_WAYS_MAX:]
        document = {"ways": ways, "waiting": waiting.tolist(), "marker_us": before_us}
    return Marked(_table(ids[now], times_us[rows[now]] - before_us), document)


def _table(ids: npt.NDArray[np.int64], times_us: Times) -> pa.Table:
    times = pa.array(times_us).cast(SAMPLES.field("time").type)
    return pa.table([ids, times, np.full(len(ids), STALE)], schema=SAMPLES)

"""Measurements as readings: which series each one belongs to, what it is marked with, and where a series ends.

A node shows some hundred containers with a handful of numbers each, poll after poll the same ones. The book knows each series by what
it is of, so that its identity is hashed once; it sees when the marks of a pod have changed, leaves out a measurement that was
given before, and knows which series were there at the last poll and are not any more.

What was given counts only once it is stored: until then the next poll begins from where this one began.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from collector.definitions import Ids, definitions, undefined
from collector.readings import sample_table
from meterbook.wire.sections import STALE
from meterbook.wire.series import Kind, Parts, canonical_json, numbers, series_digest

Labels = tuple[tuple[str, str], ...]
#: Tags of a pod that is not known: nobody may guess whose it is.
UNRESOLVED = None


@dataclass(frozen=True)
class Subject:
    """What is measured: ``about`` are its attributes, ``tags`` what it is marked with (canonical JSON; None: not known)."""

    about: Labels
    tags: str | None = "{}"


@dataclass(frozen=True)
class Metric:
    """A metric: its name, whether it counts, and its unit. ``steady`` counters never fall while they are the same incarnation."""

    name: str
    kind: Kind
    unit: str
    steady: bool = False


@dataclass(frozen=True)
class Measurement:
    """One value. ``start_us`` is when the counter began, ``ends`` says that this is the last value of its series."""

    subject: Subject
    metric: Metric
    labels: Labels
    start_us: int | None
    time_us: int
    value: float
    ends: bool = False


_Key = tuple[Labels, Metric, Labels, int | None]


@dataclass
class _Entry:
    series_id: int
    parts: Parts
    start_us: int | None
    tags: str | None
    last_us: int
    last_value: float = 0.0
    ended: bool = False


def _falls(found: Measurement, entry: _Entry) -> bool:
    """Whether a counter shows less than it did, though it cannot have.

    A kubelet does that: of a young pod's cgroup it tells a first reading again and again, with ever new times. Other counters
    may begin anew in silence, as those of an interface, and are given as they stand.
    """
    return found.metric.steady and found.start_us is not None and found.value < entry.last_value


class Book:
    """The series of one source; gives their definitions (see ``collector.definitions``)."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._entries: dict[_Key, _Entry] = {}
        self._by_id: dict[int, _Entry] = {}
        #: As it was before the last poll: what to go back to if that was not stored.
        self._before: dict[_Key, _Entry] = {}

    def write(self, found: list[Measurement], now_us: int, *, stored: bool) -> tuple[pa.Table, Ids]:
        """Samples (schema SAMPLES) of all that there is, and the ids of series that are new or whose tags have changed.

        What was there before and is not any more ends at ``now_us``, and is forgotten. ``stored`` says whether what was given the
        last time is stored.
        """
        if not stored:
            self._entries = self._before
        self._before = {key: replace(entry) for key, entry in self._entries.items()}
        ids: list[int] = []
        times: list[int] = []
        values: list[float] = []
        retagged: list[int] = []
        shown: set[_Key] = set()
        for each in found:
            key = (each.subject.about, each.metric, each.labels, each.start_us)
            shown.add(key)
            entry = self._entries.get(key)
            if entry is None:
                # It may have been there before, with other tags.
                entry = self._begun(key, each.subject.tags)
                retagged.append(entry.series_id)
            if entry.tags != each.subject.tags:
                entry.tags = each.subject.tags
                retagged.append(entry.series_id)
            if each.time_us > entry.last_us and not _falls(each, entry):
                ids.append(entry.series_id)
                times.append(each.time_us)
                values.append(each.value)
                entry.last_us, entry.last_value, entry.ended = each.time_us, each.value, False
            if each.ends and not entry.ended:
                # A value at this instant stands: what ends, ends just behind it.
                ids.append(entry.series_id)
                times.append(entry.last_us + 1)
                values.append(STALE)
                entry.last_us, entry.ended = entry.last_us + 1, True
        gone = {key: self._entries.pop(key) for key in self._entries.keys() - shown}
        for entry in gone.values():
            if not entry.ended:
                ids.append(entry.series_id)
                times.append(max(now_us, entry.last_us + 1))
                values.append(STALE)
        self._by_id = {entry.series_id: entry for entry in (*gone.values(), *self._entries.values())}
        return sample_table(ids, times, values), np.unique(np.array(retagged, np.int64))

    def of(self, ids: Ids) -> pa.Table:
        """See :class:`collector.definitions.Definitions`."""
        missing = [number for number in ids.tolist() if number not in self._by_id]
        if missing:
            raise undefined(np.array(missing, np.int64))
        entries = [self._by_id[number] for number in ids.tolist()]
        return definitions([(entry.parts, entry.start_us) for entry in entries], [entry.tags for entry in entries])

    def _begun(self, key: _Key, tags: str | None) -> _Entry:
        about, metric, labels, start_us = key
        texts = (canonical_json(dict(labels)), canonical_json(dict(about)))
        parts = (self._source, metric.name, metric.kind, metric.unit, *texts)
        number = numbers(series_digest(parts, start_us))[0]
        entry = self._entries[key] = _Entry(number, parts, start_us, tags, -(1 << 62))
        return entry

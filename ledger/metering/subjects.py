"""Which series a meter reads, whose they are, and since when.

A series is defined again when its tenant changes, so each series has one or more *assignments*, each valid since a
time. What a counter added belongs to the assignment in force when it was read, a gauge's value to the one in force when
it was read; the group of a span is therefore the number of an assignment, and everything about the group (tenant,
dimensions, source) is looked up once. A definition that repeats what was in force already makes no assignment:
agents define their series again whenever they begin a new epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import pyarrow as pa

from ledger.directory.matching import holds
from ledger.directory.meter import Meter
from meterbook.wire.series import canonical_json

#: Where a series does not say when its incarnation began.
UNKNOWN_START = np.iinfo(np.int64).min
#: Aggregations of counters; all others are of gauges.
COUNTED = frozenset({"increase", "rate"})
#: The name of a resource that has none of the labels by which it would be told from others.
NAMELESS = "{}"
#: Before all times.
EVER = -(1 << 62)


@dataclass(frozen=True)
class Key:
    """To whom usage belongs, and under which dimensions (canonical JSON)."""

    tenant: str
    dimensions: str


@dataclass(frozen=True)
class Subjects:
    """The series of a meter.

    ``ids`` ascend; ``sources`` and ``starts_us`` run along them, and ``first`` gives the place of each one's first
    assignment (with the end behind, so one longer). ``since_us``, ``keys`` and ``names`` (by which a resource is told from others of
    its key) run along the assignments.
    """

    ids: np.ndarray
    sources: Sequence[str]
    starts_us: np.ndarray
    first: np.ndarray
    since_us: np.ndarray
    keys: Sequence[Key]
    names: Sequence[str]

    def assignments(self, codes: np.ndarray, times_us: np.ndarray) -> np.ndarray:
        """The assignment of each (place of a series in ``ids``, time); codes ascend.

        What is older than the first assignment belongs to the first.
        """
        found: np.ndarray = self.first[codes]
        for code in np.flatnonzero(np.diff(self.first) > 1):
            begin, end = np.searchsorted(codes, [code, code + 1])
            low, high = self.first[code], self.first[code + 1]
            later = np.searchsorted(self.since_us[low:high], times_us[begin:end], side="right") - 1
            found[begin:end] = low + np.maximum(later, 0)
        return found

    def source_of(self, assignment: int) -> str:
        """The source of the series that an assignment belongs to."""
        return self.sources[int(np.searchsorted(self.first, assignment, side="right")) - 1]

    def history(self, code: int) -> list[tuple[int, Key]]:
        """The assignments of a series: since when, and to whom."""
        low, high = int(self.first[code]), int(self.first[code + 1])
        return list(zip(self.since_us[low:high].tolist(), self.keys[low:high], strict=True))


def subjects(definitions: pa.Table, meter: Meter) -> Subjects:
    """The series among ``definitions`` (see ``View.series``) that ``meter`` reads: right kind, filter matched."""
    kind = "counter" if meter.aggregation in COUNTED else "gauge"
    ids: list[int] = []
    sources: list[str] = []
    starts: list[int] = []
    first: list[int] = []
    since: list[int] = []
    keys: list[Key] = []
    names: list[str] = []
    for row in definitions.to_pylist():
        if row["kind"] != kind:
            continue
        told = told_by(row["attributes"], row["labels"])
        dimensions = dimensions_of(meter, told)
        if dimensions is None:
            continue
        if not ids or ids[-1] != row["series_id"]:
            ids.append(row["series_id"])
            sources.append(row["source"])
            starts.append(UNKNOWN_START if row["start_us"] is None else row["start_us"])
            first.append(len(keys))
        elif since[-1] == row["since_us"]:
            # Said again for the same time: the later definition corrects the earlier.
            since.pop()
            keys.pop()
            names.pop()
        key, name = Key(row["tenant"], dimensions), resource_of(meter, told, row["series_id"])
        if len(keys) == first[-1] or (keys[-1], names[-1]) != (key, name):
            since.append(row["since_us"])
            keys.append(key)
            names.append(name)
    first.append(len(keys))
    as_int64 = [np.array(column, dtype=np.int64) for column in (ids, starts, first, since)]
    return Subjects(as_int64[0], sources, as_int64[1], as_int64[2], as_int64[3], keys, names)


def reassigned(before: Subjects, after: Subjects) -> tuple[np.ndarray, int | None]:
    """The series of both whose assignments differ, and the earliest time at which they do (EVER: all of the time)."""
    ids: list[int] = []
    since: list[int] = []
    places = {series_id: code for code, series_id in enumerate(after.ids.tolist())}
    for code, series_id in enumerate(before.ids.tolist()):
        there = places.get(series_id)
        if there is None:
            continue
        old, new = before.history(code), after.history(there)
        if [key for _, key in old[:1]] != [key for _, key in new[:1]]:
            ids.append(series_id)
            since.append(EVER)
        elif differing := [pair for pair in zip_longest(old[1:], new[1:]) if pair[0] != pair[1]]:
            ids.append(series_id)
            since.append(min(step[0] for step in differing[0] if step is not None))
    return np.array(ids, dtype=np.int64), min(since, default=None)


def told_by(*documents: str) -> dict[str, str]:
    """What some JSON objects say together, as text; of a name that stands in several the last has it."""
    names: dict[str, str] = {}
    for document in documents:
        names.update(texts_of(document))
    return names


def dimensions_of(meter: Meter, names: Mapping[str, str]) -> str | None:
    """Dimensions (canonical JSON) under ``meter`` of something of which this is told; None where its filter refuses."""
    if not holds(meter.filter, meter.any, names):
        return None
    return canonical_json({name: names[name] for name in meter.group_by if name in names})


def resource_of(meter: Meter, names: Mapping[str, str], alone: object) -> str:
    """By what a resource is told from others of the same key: the meter's labels, or else by being one ``alone``."""
    if meter.per is None:
        return str(alone)
    return canonical_json({name: names[name] for name in meter.per if name in names})


def texts_of(document: str) -> dict[str, str]:
    """The values of a JSON object as text; what is null is not there, and what is no object has no values.

    Agents send objects of text. But one row that is something else, from whatever sender, must not end the metering
    of all others, and it must mean the same for ever.
    """
    try:
        found = json.loads(document)
        if not isinstance(found, dict):
            return {}
        return {_sound(name): _text(value) for name, value in found.items() if value is not None}
    except (ValueError, RecursionError):
        return {}


def _text(value: object) -> str:
    if isinstance(value, str):
        return _sound(value)
    return _sound(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def _sound(text: str) -> str:
    """JSON can spell half a surrogate pair, which no UTF-8 can hold."""
    return text.encode(errors="replace").decode()

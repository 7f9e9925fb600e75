"""Which series a meter reads, whose they are, and since when.

A series is defined again when its tenant changes, so each series has one or more *assignments*, each valid since a
time. What a counter added belongs to the assignment in force when it was read, a gauge's value to the one in force when
it was read; the group of a span is therefore the number of an assignment, and everything about the group (tenant,
dimensions, source) is looked up once. A definition that repeats what was in force already makes no assignment:
agents define their series again whenever they begin a new epoch. What operators have reassigned since (see ``reassigning``) makes
assignments as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ledger.directory.matching import holds
from ledger.directory.meter import Meter
from ledger.journal.cancelling import checked
from ledger.journal.view import View
from ledger.metering.reassigning import NEVER_US, NONE, Reassignments, reassignments_of
from meterbook.wire.series import canonical_json

#: Where a series does not say when its incarnation began.
UNKNOWN_START = np.iinfo(np.int64).min
#: Aggregations of counters; all others are of gauges.
COUNTED = frozenset({"increase", "rate"})
#: Those of gauges for which a value holds until the next sample of its series, or until its end.
HELD = frozenset({"integral", "average", "active"})
#: The name of a resource that has none of the labels by which it would be told from others.
NAMELESS = "{}"
#: Before all times.
EVER = -(1 << 62)


class Key(NamedTuple):
    """To whom usage belongs, and under which dimensions (canonical JSON)."""

    tenant: str
    dimensions: str


class _Told(NamedTuple):
    """What was told of a series for the time since ``since_us``; ``names`` are its labels and attributes."""

    since_us: int
    key: Key
    name: str
    source: str
    names: Mapping[str, str]


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

    @property
    def are_reassigned(self) -> bool:
        """Whether any of them was somebody else's before."""
        return len(self.keys) != len(self.ids)

    def assignments(self, codes: np.ndarray, times_us: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
        """The assignment of each (place of a series in ``ids``, time), or the group told for each assignment; codes ascend.

        What is older than the first assignment belongs to the first.
        """
        if groups is not None and not self.are_reassigned:
            alone: np.ndarray = groups[codes]
            return alone
        found: np.ndarray = self.first[codes]
        several = np.flatnonzero(np.diff(self.first) > 1)
        if len(several) and len(codes):
            # Few of them may be in a block of many series.
            low, high = np.searchsorted(several, (codes[0], codes[-1] + 1))
            for code in several[low:high]:
                begin, end = np.searchsorted(codes, [code, code + 1])
                first, last = self.first[code], self.first[code + 1]
                later = np.searchsorted(self.since_us[first:last], times_us[begin:end], side="right") - 1
                found[begin:end] = first + np.maximum(later, 0)
        return found if groups is None else groups[found]

    def source_of(self, assignment: int) -> str:
        """The source of the series that an assignment belongs to."""
        return self.sources[int(np.searchsorted(self.first, assignment, side="right")) - 1]

    def history(self, code: int) -> list[tuple[int, Key]]:
        """The assignments of a series: since when, and to whom."""
        low, high = int(self.first[code]), int(self.first[code + 1])
        return list(zip(self.since_us[low:high].tolist(), self.keys[low:high], strict=True))


def subjects(definitions: pa.Table, meter: Meter, reassignments: Reassignments = NONE) -> Subjects:
    """The series among ``definitions`` (see ``View.series``) that ``meter`` reads: right kind, filter matched.

    Whose they are is what was told of them, unless a reassignment says otherwise.
    """
    kind = "counter" if meter.aggregation in COUNTED else "gauge"
    ids: list[int] = []
    sources: list[str] = []
    starts: list[int] = []
    told: list[list[_Told]] = []
    for row in checked(definitions.to_pylist()):
        if row["kind"] != kind:
            continue
        names = told_by(row["attributes"], row["labels"])
        dimensions = dimensions_of(meter, names)
        if dimensions is None:
            continue
        if not ids or ids[-1] != row["series_id"]:
            ids.append(row["series_id"])
            sources.append(row["source"])
            starts.append(UNKNOWN_START if row["start_us"] is None else row["start_us"])
            told.append([])
        elif told[-1][-1].since_us == row["since_us"]:
            # Said again for the same time: the later definition corrects the earlier.
            told[-1].pop()
        key, name = Key(row["tenant"], dimensions), resource_of(meter, names, row["series_id"])
        told[-1].append(_Told(row["since_us"], key, name, row["source"], names if reassignments.standing else {}))
    # A counter's reading at the very moment tells of the time before it.
    late_us = 1 if kind == "counter" else 0
    since: list[int] = []
    owners: list[tuple[Key, str]] = []
    first = [0]
    for each in told:
        for since_us, key, name in _owners(each, reassignments, late_us):
            if len(owners) == first[-1] or owners[-1] != (key, name):
                since.append(since_us)
                owners.append((key, name))
        first.append(len(owners))
    as_int64 = [np.array(column, dtype=np.int64) for column in (ids, starts, first, since)]
    keys, resources = [key for key, _ in owners], [name for _, name in owners]
    return Subjects(as_int64[0], sources, as_int64[1], as_int64[2], as_int64[3], keys, resources)


def read_by(view: View, meter: Meter) -> Subjects:
    """The series that a meter of a metric reads."""
    metric = meter.source.metric
    assert metric is not None
    now = reassignments_of(view)
    # They are the same for as long as nothing is defined or reassigned.
    until = view.defined_until(metric), tuple((each.name, each.version) for each in now.standing)
    return view.remembered.of(
        "subjects", (until, meter.model_dump_json()), lambda: subjects(view.series(metric), meter, now)
    )


def _owners(told: Sequence[_Told], reassignments: Reassignments, late_us: int) -> Iterator[tuple[int, Key, str]]:
    """Since when a series is whose, of which this was told, in the order of ``since_us``."""
    ends_us = [*(each.since_us for each in told[1:]), NEVER_US]
    for place, (each, end_us) in enumerate(zip(told, ends_us, strict=True)):
        if not reassignments.standing:
            yield each.since_us, each.key, each.name
            continue
        # What was told first holds for the time before it, too.
        start_us = each.since_us if place else EVER
        span_us = start_us - late_us, end_us - late_us
        for since_us, tenant in reassignments.owners(each.key.tenant, each.source, each.names, *span_us):
            yield since_us + late_us, Key(tenant, each.key.dimensions), each.name


def reassigned(before: Subjects, after: Subjects) -> dict[int, int]:
    """The series of both whose assignments differ, and the earliest time at which they do (EVER: all of the time)."""
    found: dict[int, int] = {}
    places = {series_id: code for code, series_id in enumerate(after.ids.tolist())}
    for code, series_id in enumerate(before.ids.tolist()):
        there = places.get(series_id)
        if there is None:
            continue
        old, new = before.history(code), after.history(there)
        if [key for _, key in old[:1]] != [key for _, key in new[:1]]:
            found[series_id] = EVER
        elif differing := [pair for pair in zip_longest(old[1:], new[1:]) if pair[0] != pair[1]]:
            found[series_id] = min(step[0] for step in differing[0] if step is not None)
    return found


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

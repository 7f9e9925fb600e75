"""Which series a meter reads, whose they are, and since when.

A series is defined again when its tenant changes, so each series has one or more *assignments*, each valid since a
time. What a span of usage belongs to is the assignment in force at the span's end; the group of a span is therefore
the number of an assignment, and everything about the group (tenant, dimensions, source) is looked up once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ledger.directory.meter import Meter
from meterbook.wire.series import canonical_json

#: Where a series does not say when its incarnation began.
UNKNOWN_START = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Key:
    """To whom usage belongs, and under which dimensions (canonical JSON)."""

    tenant: str
    dimensions: str


@dataclass(frozen=True)
class Subjects:
    """The series of a meter.

    ``ids`` ascend; ``sources`` and ``starts_us`` run along them, and ``first`` gives the place of each one's first
    assignment (with the end behind, so one longer). ``since_us`` and ``keys`` run along the assignments.
    """

    ids: np.ndarray
    sources: Sequence[str]
    starts_us: np.ndarray
    first: np.ndarray
    since_us: np.ndarray
    keys: Sequence[Key]

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


def subjects(definitions: pa.Table, meter: Meter) -> Subjects:
    """The series among ``definitions`` (see ``View.series``) that ``meter`` reads: right kind, filter matched."""
    kind = "counter" if meter.aggregation == "increase" else "gauge"
    ids: list[int] = []
    sources: list[str] = []
    starts: list[int] = []
    first: list[int] = []
    since: list[int] = []
    keys: list[Key] = []
    for row in definitions.to_pylist():
        if row["kind"] != kind:
            continue
        dimensions = dimensions_of(meter, row["attributes"], row["labels"])
        if dimensions is None:
            continue
        if not ids or ids[-1] != row["series_id"]:
            ids.append(row["series_id"])
            sources.append(row["source"])
            starts.append(UNKNOWN_START if row["start_us"] is None else row["start_us"])
            first.append(len(keys))
        since.append(row["since_us"])
        keys.append(Key(row["tenant"], dimensions))
    first.append(len(keys))
    as_int64 = [np.array(column, dtype=np.int64) for column in (ids, starts, first, since)]
    return Subjects(as_int64[0], sources, as_int64[1], as_int64[2], as_int64[3], keys)


def dimensions_of(meter: Meter, *documents: str) -> str | None:
    """Dimensions (canonical JSON) under ``meter`` of something with these JSON objects; None where its filter refuses."""
    names: dict[str, str] = {}
    for document in documents:
        names.update(json.loads(document))
    if any(names.get(name) not in accepted for name, accepted in meter.filter.items()):
        return None
    return canonical_json({name: names[name] for name in meter.group_by if name in names})

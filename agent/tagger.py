"""The tagger: gives every series and every event its tenant, and readings their shape on the wire.

Nothing here runs per sample. A series is tagged when it is first seen, and its row is kept for as long as the
source goes on showing it; the usual collection shows the same series as the one before and costs a comparison of
two sorted arrays. Events are tagged per *distinct value*: a column is dictionary-encoded, the rule looks at each
value once, and the verdicts are spread over the rows by their codes.

Properties are canonical JSON (keys sorted, no nesting, text values), and one of them is found by a pattern rather
than by parsing each row: a quote inside a JSON string is escaped, so ``{"name":"`` or ``,"name":"`` with bare
quotes can only be a key. The one exception, a name that begins with a comma, is refused by ``rules``.

One tagger serves one source and one thread.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agent.rules import EVENT_PLACES, SERIES_PLACES, Rule
from collector.readings import Readings, Window
from meterbook.wire.sections import EVENTS, SERIES
from meterbook.wire.series import UNASSIGNED, Series

_Ids = npt.NDArray[np.int64]
_Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Tagged:
    """Readings with tenants. ``series`` defines every series that the samples use; ``events`` carry theirs."""

    series: pa.Table
    events: pa.Table
    events_unassigned: int


class Tagger:
    """Applies tag rules to the readings of one source."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._series_rules = tuple(rule for rule in rules if rule.place is None or rule.place[0] in SERIES_PLACES)
        self._event_rules = tuple(rule for rule in rules if rule.place is None or rule.place[0] in EVENT_PLACES)
        self._ids: _Ids = np.empty(0, np.int64)
        self._table: pa.Table = SERIES.empty_table()

    def tag(self, readings: Readings, window: Window) -> Tagged:
        """The readings with their tenants. Raises ValueError where a sample's series is not defined."""
        events, unassigned = self._tag_events(readings.events)
        return Tagged(self._tag_series(readings, window), events, unassigned)

    def tenant_of(self, series: Series) -> str:
        """The tenant of one series."""
        labels: dict[str, Any] = json.loads(series.labels)
        attributes: dict[str, Any] = json.loads(series.attributes)
        values = {("origin", ""): series.source, ("source", ""): series.source, ("metric", ""): series.metric}
        values |= {("label", name): str(value) for name, value in labels.items()}
        values |= {("attribute", name): str(value) for name, value in attributes.items()}
        for rule in self._series_rules:
            if rule.when_type is not None or not _holds(rule.when_source, series.source):
                continue
            if not _holds(rule.when_metric, series.metric):
                continue
            if rule.place is None:
                tenant = rule.tenant
            else:
                value = values.get(rule.place)
                tenant = None if value is None else rule.tenant_from(value)
            if tenant is not None:
                return tenant
        return UNASSIGNED

    def _tag_series(self, readings: Readings, window: Window) -> pa.Table:
        """The definitions of the series that have samples, sorted by id; the same table while they stay the same."""
        ids, first_rows = np.unique(readings.samples["series_id"].to_numpy(), return_index=True)
        if np.array_equal(ids, self._ids):
            return self._table
        is_known = np.isin(ids, self._ids, assume_unique=True)
        stays = np.isin(self._ids, ids, assume_unique=True)
        times = readings.samples["time"].cast(pa.int64()).to_numpy()
        since_us = np.minimum(times[first_rows], window.start_us)
        added = self._rows(readings, ids[~is_known], since_us[~is_known])
        kept = self._table.filter(pa.array(stays))
        table = pa.concat_tables([kept, added]).sort_by("series_id").combine_chunks()
        self._ids, self._table = ids, table
        return table

    def _rows(self, readings: Readings, ids: _Ids, since_us: _Ids) -> pa.Table:
        missing = [int(series_id) for series_id in ids if int(series_id) not in readings.series]
        if missing:
            raise ValueError(f"samples of {len(missing)} series that are not defined, such as {missing[0]}")
        defined = [readings.series[int(series_id)] for series_id in ids]
        time = SERIES.field("since").type
        return pa.table(
            [
                pa.array(ids),
                pa.array([series.identity for series in defined], pa.int64()),
                pa.array([series.source for series in defined], pa.utf8()),
                pa.array([series.metric for series in defined], pa.utf8()),
                pa.array([series.kind for series in defined], pa.utf8()),
                pa.array([series.unit for series in defined], pa.utf8()),
                pa.array([series.labels for series in defined], pa.utf8()),
                pa.array([series.attributes for series in defined], pa.utf8()),
                pa.array([series.start_us for series in defined], pa.int64()).cast(time),
                pa.array([self.tenant_of(series) for series in defined], pa.utf8()),
                pa.array(since_us).cast(time),
            ],
            schema=SERIES,
        )

    def _tag_events(self, events: pa.Table) -> tuple[pa.Table, int]:
        """The events with their tenants, and how many of them no rule gave one."""
        if events.num_rows == 0:
            return events, 0
        events = events.combine_chunks()
        tenants = [UNASSIGNED]
        codes_by_tenant = {UNASSIGNED: 0}
        chosen: _Codes = np.full(events.num_rows, -1, np.int32)
        columns = _Columns(events)
        for rule in self._event_rules:
            undecided = chosen < 0
            if rule.when_metric is not None or not undecided.any():
                continue
            found = _verdicts(rule, columns, tenants, codes_by_tenant)
            for place, pattern in (("source", rule.when_source), ("type", rule.when_type)):
                if pattern is not None:
                    codes, values = columns.encoded(place, "")
                    holds = np.array([_holds(pattern, value) for value in values], dtype=bool)
                    found = np.where(holds[codes], found, np.int32(-1))
            chosen = np.where(undecided, found, chosen)
        unassigned = int(np.count_nonzero(chosen <= 0))
        dictionary = pa.DictionaryArray.from_arrays(np.maximum(chosen, 0), pa.array(tenants, pa.utf8()))
        at = EVENTS.get_field_index("tenant")
        return events.set_column(at, EVENTS.field("tenant"), dictionary.cast(pa.utf8())), unassigned


class _Columns:
    """The columns of some events as (code per row, distinct values), each made when a rule first asks for it."""

    def __init__(self, events: pa.Table) -> None:
        self._events = events
        self._encoded: dict[tuple[str, str], tuple[_Codes, list[str]]] = {}

    def encoded(self, place: str, name: str) -> tuple[_Codes, list[str]]:
        """Code -1 stands for a row that does not have the value."""
        if (place, name) not in self._encoded:
            column = self._property(name) if place == "property" else _one_array(self._events[place])
            dictionary = column.dictionary_encode()
            codes = dictionary.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
            values = dictionary.dictionary.to_pylist()
            if place == "property":
                values = [json.loads(f'"{value}"') if "\\" in value else value for value in values]
            self._encoded[place, name] = codes, values
        return self._encoded[place, name]

    def _property(self, name: str) -> pa.Array:
        """The property as it stands between its quotes, still escaped."""
        key = re.sub(r"([^\w])", r"\\\1", json.dumps(name, ensure_ascii=False)[1:-1], flags=re.ASCII)
        key = re.sub(r"\\([^\x00-\x7f])", r"\1", key)
        pattern = rf'(?s)[{{,]\s*"{key}"\s*:\s*"(?P<value>(?:[^"\\]|\\.)*)"'
        return _one_array(pc.extract_regex(self._events["properties"], pattern=pattern)).field("value")


def _verdicts(rule: Rule, columns: _Columns, tenants: list[str], codes_by_tenant: dict[str, int]) -> _Codes:
    """Per row the code of the tenant that the rule gives, -1 for none; new tenants are added to the list."""

    def code_of(tenant: str | None) -> int:
        if tenant is None:
            return -1
        if tenant not in codes_by_tenant:
            codes_by_tenant[tenant] = len(tenants)
            tenants.append(tenant)
        return codes_by_tenant[tenant]

    if rule.place is None:
        codes, _ = columns.encoded("source", "")
        return np.full(len(codes), code_of(rule.tenant), np.int32)
    codes, values = columns.encoded(*rule.place)
    # One more verdict at the end: a row without the value has the code -1, which is the last.
    verdicts = np.array([*(code_of(rule.tenant_from(value)) for value in values), -1], dtype=np.int32)
    return verdicts[codes]


def _holds(pattern: re.Pattern[str] | None, value: str) -> bool:
    return pattern is None or pattern.fullmatch(value) is not None


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined

"""The tagger: gives every series and every event its tenant, and readings their shape on the wire.

Nothing here runs per sample. A series is tagged when it is first seen, or when its source says that its tags have changed, and
what was found is kept for as long as the source goes on showing it; the usual collection shows the same series as the one
before and costs a comparison of two arrays. What is tagged, is tagged per *distinct value*: a column is
dictionary-encoded, the rule looks at each value once, and the verdicts are spread over the rows by their codes.

Labels, attributes, tags and properties are canonical JSON (keys sorted, no nesting, text values), and one of them is found by a
pattern rather than by parsing each row: a quote inside a JSON string is escaped, so ``{"name":"`` or ``,"name":"`` with bare
quotes can only be a key. The one exception, a name that begins with a comma, is refused by ``rules``.

One tagger serves one source and one thread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agent.rules import EVENT_PLACES, SERIES_PLACES, Rule
from agent.tagged import Codes, TaggedSeries
from collector.readings import Readings, Window
from meterbook.wire.sections import EVENTS
from meterbook.wire.series import UNASSIGNED, UNRESOLVED


@dataclass(frozen=True)
class Tagged:
    """Readings with tenants. ``series`` are those of the samples; ``events`` carry theirs."""

    series: TaggedSeries
    events: pa.Table
    events_unassigned: int


class Tagger:
    """Applies tag rules to the readings of one source."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._series_rules = tuple(rule for rule in rules if rule.place is None or rule.place[0] in SERIES_PLACES)
        self._event_rules = tuple(rule for rule in rules if rule.place is None or rule.place[0] in EVENT_PLACES)
        self._shown: pa.ChunkedArray | None = None
        self._series = TaggedSeries()

    def tag(self, readings: Readings, window: Window) -> Tagged:
        """The readings with their tenants. Raises LookupError where a sample's series is not defined."""
        events, unassigned = self._tag_events(readings.events)
        return Tagged(self._tag_series(readings, window), events, unassigned)

    def _tag_series(self, readings: Readings, window: Window) -> TaggedSeries:
        """The series that have samples; the same object while they, and what defines them, stay the same."""
        shown, before = readings.samples["series_id"], self._series
        if self._shown is not None and not len(readings.retagged) and shown.equals(self._shown):
            if before.definitions is not readings.series or before.fresh is not None:
                self._series = replace(before, definitions=readings.series, fresh=None)
            return self._series
        ids, first_rows = np.unique(shown.to_numpy(), return_index=True)
        is_known = np.isin(ids, before.ids, assume_unique=True) & ~np.isin(ids, readings.retagged)
        times = readings.samples["time"].cast(pa.int64()).to_numpy()
        codes = np.zeros(len(ids), np.int32)
        since_us = np.minimum(times[first_rows], window.start_us)
        places = np.searchsorted(before.ids, ids[is_known])
        codes[is_known], since_us[is_known] = before.codes[places], before.since_us[places]
        defined = readings.series.of(ids[~is_known])
        codes[~is_known], tenants = self._tenants(defined, before.tenants)
        series = TaggedSeries(ids, codes, since_us, tenants, readings.series)
        self._shown, self._series = shown, replace(series, fresh=series.rows(defined, ~is_known))
        return self._series

    def _tenants(self, defined: pa.Table, tenants: tuple[str, ...]) -> tuple[Codes, tuple[str, ...]]:
        """The tenant of each definition (schema DEFINED) as its place among all tenants; there may be more of them then."""
        rules = [rule for rule in self._series_rules if rule.when_type is None]
        codes, names = _tenants(rules, _Columns(defined, _SERIES_COLUMNS))
        places = {tenant: place for place, tenant in enumerate(tenants)}
        moved = np.array([places.setdefault(name, len(places)) for name in names], np.int32)[codes]
        unknown = defined["tags"].is_null().to_numpy()
        if unknown.any():
            # What a rule would say is a guess: it may be waiting for a tag that has not arrived.
            moved[unknown] = places.setdefault(UNRESOLVED, len(places))
        return moved, tuple(places)

    def _tag_events(self, events: pa.Table) -> tuple[pa.Table, int]:
        """The events with their tenants, and how many of them no rule gave one."""
        if events.num_rows == 0:
            return events, 0
        events = events.combine_chunks()
        rules = [rule for rule in self._event_rules if rule.when_metric is None]
        codes, names = _tenants(rules, _Columns(events, _EVENT_COLUMNS))
        tenants = pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.utf8())).cast(pa.utf8())
        at = EVENTS.get_field_index("tenant")
        return events.set_column(at, EVENTS.field("tenant"), tenants), int(np.count_nonzero(codes == 0))


#: In which column a place of a rule stands.
_SERIES_COLUMNS = {
    "origin": "source", "source": "source", "metric": "metric", "label": "labels", "attribute": "attributes", "tag": "tags",
}  # fmt: skip
_EVENT_COLUMNS = {
    "origin": "origin", "source": "source", "subject": "subject", "type": "type", "property": "properties",
}  # fmt: skip


def _tenants(rules: Sequence[Rule], columns: _Columns) -> tuple[Codes, list[str]]:
    """The tenant of each row by the first rule that gives one, as its place among those found; the first is for nobody's."""
    tenants = [UNASSIGNED]
    codes_by_tenant = {UNASSIGNED: 0}
    chosen: Codes = np.full(columns.rows, -1, np.int32)
    for rule in rules:
        undecided = chosen < 0
        if not undecided.any():
            break
        found = _verdicts(rule, columns, tenants, codes_by_tenant)
        for place, pattern in (("source", rule.when_source), ("type", rule.when_type), ("metric", rule.when_metric)):
            if pattern is not None:
                codes, values = columns.encoded(place, "")
                holds = np.array([pattern.fullmatch(value) is not None for value in values], dtype=bool)
                found = np.where(holds[codes], found, np.int32(-1))
        chosen = np.where(undecided, found, chosen)
    return np.maximum(chosen, 0), tenants


class _Columns:
    """The columns of some rows as (code per row, distinct values), each made when a rule first asks for it."""

    def __init__(self, table: pa.Table, names: Mapping[str, str]) -> None:
        self.rows = table.num_rows
        self._table = table
        self._names = names
        self._encoded: dict[tuple[str, str], tuple[Codes, list[str]]] = {}

    def encoded(self, place: str, name: str) -> tuple[Codes, list[str]]:
        """Code -1 stands for a row that does not have the value."""
        if (place, name) not in self._encoded:
            column = _one_array(self._table[self._names[place]])
            column = _member(column, name) if name else column
            dictionary = column.dictionary_encode()
            codes = dictionary.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
            values = dictionary.dictionary.to_pylist()
            if name:
                values = [json.loads(f'"{value}"') if "\\" in value else value for value in values]
            self._encoded[place, name] = codes, values
        return self._encoded[place, name]


def _member(objects: pa.Array, name: str) -> pa.Array:
    """The member of JSON objects as it stands between its quotes, still escaped."""
    key = re.sub(r"([^\w])", r"\\\1", json.dumps(name, ensure_ascii=False)[1:-1], flags=re.ASCII)
    key = re.sub(r"\\([^\x00-\x7f])", r"\1", key)
    pattern = rf'(?s)[{{,]\s*"{key}"\s*:\s*"(?P<value>(?:[^"\\]|\\.)*)"'
    return pc.extract_regex(objects, pattern=pattern).field("value")


def _verdicts(rule: Rule, columns: _Columns, tenants: list[str], codes_by_tenant: dict[str, int]) -> Codes:
    """Per row the code of the tenant that the rule gives, -1 for none; new tenants are added to the list."""

    def code_of(tenant: str | None) -> int:
        if tenant is None:
            return -1
        if tenant not in codes_by_tenant:
            codes_by_tenant[tenant] = len(tenants)
            tenants.append(tenant)
        return codes_by_tenant[tenant]

    if rule.place is None:
        return np.full(columns.rows, code_of(rule.tenant), np.int32)
    codes, values = columns.encoded(*rule.place)
    # One more verdict at the end: a row without the value has the code -1, which is the last.
    verdicts = np.array([*(code_of(rule.tenant_from(value)) for value in values), -1], dtype=np.int32)
    return verdicts[codes]


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined

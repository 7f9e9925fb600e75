"""The series behind the heads of a page, remembered from one scrape to the next.

Parsing a head and hashing the identity of its series cost a hundred times what reading the value does, and the next
page has nearly the same heads. So each head is looked into once: later scrapes find it by its text. Heads that the
last scrape did not show are forgotten, so the catalogue never outgrows two pages; and when a target declares other
types than before, all is looked into anew.

Labels: ``job``, ``instance`` and the configured ones are put on every series. An exposed label of the same name is
kept as ``exported_<name>``: what the target says of itself must not pass for what we know of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from collector.errors import PermanentError
from collector.prometheus.config import PrometheusConfig
from collector.prometheus.exposition import Exposition, Family, HeadError, parse_head
from collector.prometheus.families import Part, part_of
from collector.prometheus.targets import Target
from meterbook.wire.series import Series, canonical_json

#: What finds the created time of a series: base name of its family, and its exposed labels.
StartKey = tuple[str, frozenset[tuple[str, str]]]


@dataclass(slots=True)
class Entry:
    """One head, understood. ``series`` is filled when first asked for; ``key`` finds its start."""

    metric: str
    part: Part
    labels: str
    key: StartKey
    series: Series | None = None
    series_id: int = 0


class Catalogue:
    """Heads of one target."""

    def __init__(self, config: PrometheusConfig, target: Target) -> None:
        self._config = config
        self._target = target
        self._added = {**config.labels, "job": config.job, "instance": target.instance}
        self._attributes = canonical_json({"target": target.url})
        self._entries: dict[str, Entry] = {}
        self._families: Mapping[str, Family] = {}

    def entries(self, exposition: Exposition) -> list[Entry]:
        """One entry for each row. Raises PermanentError where a head is malformed or exceeds a limit."""
        known = self._entries if exposition.families == self._families else {}
        seen: dict[str, Entry] = {}
        found = []
        for row in exposition.rows:
            entry = known.get(row.head) or seen.get(row.head)
            if entry is None:
                entry = self._entry(row.head, exposition.families)
            seen[row.head] = entry
            found.append(entry)
        self._entries, self._families = seen, exposition.families
        return found

    def resolve(self, entry: Entry, start_us: int | None) -> Series:
        """The series of an entry, whose incarnation began at ``start_us``."""
        series = entry.series
        if series is None or series.start_us != start_us:
            kind: Literal["counter", "gauge"] = "counter" if entry.part.role == "counter" else "gauge"
            series = Series(
                source=self._target.source,
                metric=entry.metric,
                kind=kind,
                unit=entry.part.unit,
                labels=entry.labels,
                attributes=self._attributes,
                start_us=start_us,
            )
            entry.series, entry.series_id = series, series.series_id
        return series

    def synthetic(self, metric: str, unit: str = "") -> Series:
        """A gauge about the scrape itself, with the labels job and instance only."""
        labels = canonical_json({"job": self._config.job, "instance": self._target.instance})
        return Series(self._target.source, metric, "gauge", unit, labels, self._attributes)

    def _entry(self, head: str, families: Mapping[str, Family]) -> Entry:
        try:
            metric, exposed = parse_head(head)
        except HeadError as error:
            raise PermanentError(f"{self._target.url}: {error}") from error
        part = part_of(metric, families)
        labels = self._labelled(exposed)
        self._check_limits(metric, labels)
        key = (part.base, frozenset(exposed.items())) if part.role != "dropped" else ("", frozenset())
        return Entry(metric, part, "" if part.role == "dropped" else canonical_json(labels), key)

    def _labelled(self, exposed: Mapping[str, str]) -> dict[str, str]:
        labels = dict(self._added)
        for name, value in exposed.items():
            free = name
            while free in labels or (free != name and free in exposed):
                free = f"exported_{free}"
            labels[free] = value
        return labels

    def _check_limits(self, metric: str, labels: Mapping[str, str]) -> None:
        limits = self._config
        self._check_names([metric, *labels], limits.label_name_length_max)
        if len(labels) > limits.label_count_max:
            raise PermanentError(
                f"{self._target.url} exposes {metric} with {len(labels)} labels, "
                f"more than label_count_max {limits.label_count_max}"
            )
        for name, value in labels.items():
            if len(value) > limits.label_value_length_max:
                raise PermanentError(
                    f"{self._target.url} exposes {metric} with a label {name} of {len(value)} characters, "
                    f"more than label_value_length_max {limits.label_value_length_max}"
                )

    def _check_names(self, names: Iterable[str], length_max: int) -> None:
        for name in names:
            if len(name) > length_max:
                raise PermanentError(
                    f"{self._target.url} exposes the name {name[:40]}... of {len(name)} characters, "
                    f"more than label_name_length_max {length_max}"
                )

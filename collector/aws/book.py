"""Resources as series: where each begins and ends, and what is said of it in between.

A gauge is held from one sample to the next (``ledger.metering``), so a series needs a sample where it begins, one at each collection, and
a marker where it ends ("intake.proto", Batch):

* What *began* since its service was listed last has its first sample there. What came into sight otherwise begins now.
* What *ended* and says when, has its marker there, even if it was never seen while it lasted.
* What is *not listed any more* has its marker right behind the last sample: nobody knows how much longer it was there, and what is
  not known is not counted.
* What is the *same resource with other labels* (a volume of another type, say) ends now and goes on as another series now.

A service that could not be listed has nothing new and nothing ended. Across a restart nothing has to be remembered but when each service
was listed last: a series that ended meanwhile has no more samples, and so holds nothing.

What was given counts only once it is stored: until then the next collection begins from where this one began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from collector.aws.resources import EXISTS, Labels, Metric, Resource
from collector.definitions import Ids, definitions, undefined
from collector.readings import sample_table
from meterbook.wire.sections import STALE
from meterbook.wire.series import Parts, canonical_json, numbers, series_digest

_NEVER_US = -(1 << 62)


@dataclass(frozen=True)
class Listing:
    """All that a service has, and since when it was not looked at; ``is_first`` says that it never was."""

    resources: Sequence[Resource]
    since_us: int
    is_first: bool


@dataclass(frozen=True)
class _Key:
    service: str
    type: str
    arn: str
    metric: Metric
    labels: Labels
    began_us: int | None

    @property
    def incarnation(self) -> tuple[str, int | None]:
        return self.arn, self.began_us


@dataclass
class _Entry:
    series_id: int
    parts: Parts
    start_us: int | None
    tags: str | None
    last_us: int = _NEVER_US
    ended: bool = False


@dataclass
class _Told:
    """Samples of one collection, and which series are new or may have other tags."""

    ids: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    retagged: list[int] = field(default_factory=list)

    def add(self, entry: _Entry, time_us: int, value: float) -> None:
        """A sample, unless the series has one of that time or later."""
        if time_us > entry.last_us:
            self.ids.append(entry.series_id)
            self.times.append(time_us)
            self.values.append(value)
            entry.last_us = time_us

    def end(self, entry: _Entry, time_us: int) -> None:
        """A marker, behind every sample of the series."""
        if not entry.ended:
            self.add(entry, max(time_us, entry.last_us + 1), STALE)
            entry.ended = True


class Book:
    """The series of one source; gives their definitions (see ``collector.definitions``)."""

    def __init__(self, source: str, about: Mapping[str, str]) -> None:
        """``about`` is what the attributes of every series have: the account and the region."""
        self._source, self._about = source, dict(about)
        self._entries: dict[_Key, _Entry] = {}
        self._by_id: dict[int, _Entry] = {}
        #: As it was before the last collection: what to go back to if that was not stored.
        self._before: dict[_Key, _Entry] = {}

    def write(self, listings: Mapping[str, Listing], now_us: int, *, stored: bool) -> tuple[pa.Table, Ids]:
        """Samples (schema SAMPLES), and the ids of series that are new or whose tags have changed.

        ``listings`` are those of the services that could be listed. ``stored`` says whether what was given the last time is stored.
        """
        if not stored:
            self._entries = self._before
        self._before = {key: replace(entry) for key, entry in self._entries.items()}
        told, gone = _Told(), []
        for service, listing in listings.items():
            shown: set[_Key] = set()
            for resource in listing.resources:
                shown |= set(self._show(service, resource, listing, now_us, told))
            incarnations = {key.incarnation for key in shown}
            for key in [key for key in self._entries if key.service == service and key not in shown]:
                entry = self._entries.pop(key)
                told.end(entry, now_us if key.incarnation in incarnations else entry.last_us + 1)
                gone.append(entry)
        self._by_id = {entry.series_id: entry for entry in (*gone, *self._entries.values())}
        samples = sample_table(told.ids, told.times, told.values)
        return samples, np.unique(np.array(told.retagged, np.int64))

    def of(self, ids: Ids) -> pa.Table:
        """See :class:`collector.definitions.Definitions`."""
        missing = [number for number in ids.tolist() if number not in self._by_id]
        if missing:
            raise undefined(np.array(missing, np.int64))
        entries = [self._by_id[number] for number in ids.tolist()]
        return definitions([(entry.parts, entry.start_us) for entry in entries], [entry.tags for entry in entries])

    def _show(self, service: str, resource: Resource, listing: Listing, now_us: int, told: _Told) -> Iterator[_Key]:
        """Tell of a resource what is new; gives its series."""
        began_us, ended_us = resource.began_us, resource.ended_us
        is_over = ended_us is not None and ended_us <= now_us
        is_new = began_us is not None and listing.since_us < began_us
        for metric, value in ((EXISTS, 1.0), *resource.measures):
            key = _Key(service, resource.type, resource.arn, metric, resource.labels, began_us)
            entry = self._entries.get(key)
            if entry is None:
                # Told already, or nobody's to tell: it was over before it was looked at for the first time.
                if (
                    is_over
                    and ended_us is not None
                    and (ended_us <= listing.since_us or (listing.is_first and not is_new))
                ):
                    continue
                if began_us is not None and began_us > now_us:
                    continue
                entry = self._begun(key, resource)
                told.retagged.append(entry.series_id)
            self._tag(entry, resource.tags, told)
            yield key
            if entry.ended and is_over:
                continue
            entry.ended = False
            if is_new and began_us is not None and metric.provisioned:
                told.add(entry, began_us, value)
            if is_over and ended_us is not None:
                told.end(entry, ended_us)
            else:
                told.add(entry, now_us, value)

    @staticmethod
    def _tag(entry: _Entry, tags: Mapping[str, str] | None, told: _Told) -> None:
        """Tags that are not known just now are as they were."""
        known = entry.tags if tags is None else canonical_json(tags)
        if known != entry.tags:
            entry.tags = known
            told.retagged.append(entry.series_id)

    def _begun(self, key: _Key, resource: Resource) -> _Entry:
        about = {**self._about, "type": resource.type, "id": resource.id, "arn": resource.arn}
        texts = (canonical_json(dict(key.labels)), canonical_json(about))
        parts: Parts = (self._source, key.metric.name, "gauge", key.metric.unit, *texts)
        number = numbers(series_digest(parts, key.began_us))[0]
        tags = None if resource.tags is None else canonical_json(resource.tags)
        entry = self._entries[key] = _Entry(number, parts, key.began_us, tags)
        return entry

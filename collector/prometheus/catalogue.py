"""The series behind the heads of a page, remembered from one page to the next.

Parsing a head and hashing the identity of its series cost a hundred times what reading the value does, and the next
page has nearly the same heads. So each head is looked into once, and what is known of it stands in columns beside the
layout of the page: its role, the number of its series, and what joins it with its created time. A page with the same layout
costs nothing; one with another costs what is new on it.

Definitions are not kept: whoever needs one (the tagger, once in the life of a series) has the head parsed again. A hundred
thousand of them in memory would be larger than all the rest of the agent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.definitions import DEFINED, Definitions, Ids, definitions, undefined
from collector.errors import PermanentError
from collector.exposition.declarations import Family
from collector.exposition.families import Part, Role, part_of
from collector.exposition.heads import HeadError, parse_head
from collector.exposition.reader import Layout
from collector.exposition.values import NO_TIME, Times
from collector.prometheus.config import ScrapeConfig
from collector.prometheus.labeling import Labeling
from collector.prometheus.screening import TIME_MAX_US
from collector.prometheus.targets import Target
from meterbook.wire.instants import SECOND_US
from meterbook.wire.series import Parts, Series, numbers, series_digest

_Codes = npt.NDArray[np.int32]
_Roles = npt.NDArray[np.int8]
#: The role of what rules of relabelling drop.
_GONE = -1
#: Names that were exposed once and are not any more; beyond so many the catalogue begins anew.
_NAMES_FORGOTTEN_MAX = 10_000
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True)
class _Heads:
    """What is known of each head of a layout, in columns.

    ``names`` are codes of the exposed metric names; ``keys`` are equal for a counter and its created time; ``bare_ids``
    number the series without a start.
    """

    layout: Layout
    roles: _Roles
    names: _Codes
    keys: Ids
    bare_ids: Ids

    @classmethod
    def empty(cls, layout: Layout) -> _Heads:
        """Columns of which nothing is known yet."""
        count = len(layout)
        names, keys = np.zeros(count, np.int32), np.zeros(count, np.int64)
        return cls(layout, np.zeros(count, np.int8), names, keys, np.zeros(count, np.int64))

    def moved(self, layout: Layout, places: npt.NDArray[np.int64]) -> _Heads:
        """The same for another layout, whose heads stood at ``places``; what is said of a new one means nothing."""
        return _Heads(layout, self.roles[places], self.names[places], self.keys[places], self.bare_ids[places])


@dataclass(frozen=True, eq=False)
class Shape:
    """The series of a page, in the order of their ids: from which row of the page each comes, and whether it counts.

    Rows from ``len(layout)`` on are the series about the scrape itself. ``starts_us`` has for each row of the page when its
    series began, NO_TIME for "not known". ``left`` rows are left by the rules of relabelling.
    """

    rows: npt.NDArray[np.int64]
    ids: pa.Array
    counts: npt.NDArray[np.bool_]
    starts_us: Times
    repeated: bool
    left: int
    series: Definitions


class Catalogue:
    """Heads of one target."""

    def __init__(self, config: ScrapeConfig, target: Target, about: Sequence[tuple[str, str]] = ()) -> None:
        """``about`` are metric and unit of gauges about the scrape itself."""
        self._target = target
        self._process_start = config.process_start
        self._labeling = labeling = Labeling(config, target)
        #: The series about the scrape.
        self.about = tuple(
            Series(target.source, metric, "gauge", unit, labeling.of_target, labeling.attributes)
            for metric, unit in about
        )
        self._about_parts = [(series.parts, series.start_us) for series in self.about]
        #: Samples of the last page whose heads the page before did not have.
        self.added = 0
        self._codes: dict[str, int] = {}
        self._family_parts: list[Part] = []
        self._heads: _Heads | None = None
        self._shape: Shape | None = None

    def shape(
        self, layout: Layout, values: npt.NDArray[np.float64], created_s: npt.NDArray[np.float64] | None = None
    ) -> Shape:
        """The series of a page. Raises PermanentError where a head is malformed or exceeds a limit.

        ``values`` are those of the page: among them may be the times at which its counters began. ``created_s`` are such times
        where the page gives them with the samples, in seconds since 1970, NaN for none.
        """
        if self._heads is not None and self._heads.layout is layout:
            self.added = 0
        else:
            codes, parts = dict(self._codes), list(self._family_parts)
            try:
                self._heads, self.added = self._looked_into(layout)
            except PermanentError:
                # Of a page that failed nothing is remembered.
                self._codes, self._family_parts = codes, parts
                raise
            self._shape = None
        starts_us = self._starts(self._heads, values, created_s)
        if self._shape is None or not np.array_equal(self._shape.starts_us, starts_us):
            self._shape = self._shaped(self._heads, starts_us)
        return self._shape

    def metric(self, row: int) -> str:
        """The exposed name of a row of the last page, or of a series about the scrape."""
        assert self._heads is not None
        count = len(self._heads.names)
        return list(self._codes)[self._heads.names[row]] if row < count else self.about[row - count].metric

    def defined(self, layout: Layout, rows: npt.NDArray[np.int64], starts: Times) -> list[tuple[Parts, int | None]]:
        """Parts and starts of the series in rows of a layout, or about the scrape; ``starts`` is of all rows of the page."""
        count = len(starts)
        heads = iter(layout.some_heads(rows[rows < count]))
        told: list[tuple[Parts, int | None]] = []
        for row in rows.tolist():
            if row >= count:
                told.append(self._about_parts[row - count])
                continue
            name, exposed = parse_head(next(heads))
            parts = self._parts_of(name, exposed, part_of(name, layout.families))
            assert parts is not None, "a head that rules drop has no series to define"
            told.append((parts, None if starts[row] == NO_TIME else int(starts[row])))
        return told

    def _looked_into(self, layout: Layout) -> tuple[_Heads, int]:
        """What is known of the heads of a layout, and how many of them are new."""
        count = len(layout)
        before = self._heads
        if before is not None and len(self._codes) > len(np.unique(before.names)) + _NAMES_FORGOTTEN_MAX:
            self._codes, self._family_parts, before = {}, [], None
        places = np.full(count, -1) if before is None else layout.places_in(before.layout)
        if before is not None and before.layout.families != layout.families:
            changed = self._declared_anew(layout.families)
            places[np.isin(before.names[places], changed) & (places >= 0)] = -1
        heads = _Heads.empty(layout) if before is None or not len(before.roles) else before.moved(layout, places)
        new = np.flatnonzero(places < 0)
        for rows in _parts(new):
            for row, head in zip(rows.tolist(), layout.some_heads(rows), strict=True):
                entry = self._entry(head, layout.families)
                heads.roles[row], heads.names[row], heads.keys[row], heads.bare_ids[row] = entry
        return heads, len(new)

    def _entry(self, head: str, families: Mapping[str, Family]) -> tuple[int, int, int, int]:
        try:
            name, exposed = parse_head(head)
        except HeadError as error:
            raise PermanentError(f"{self._target.url}: {error}") from error
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self._codes)
            self._family_parts.append(part_of(name, families))
        part = self._family_parts[code]
        key = hash((part.base, frozenset(exposed.items())))
        parts = self._parts_of(name, exposed, part)
        # A created time is heeded also where rules drop it: it is no series here.
        if parts is None and part.role is not Role.CREATED:
            return _GONE, code, 0, 0
        return part.role, code, key, 0 if parts is None else numbers(series_digest(parts, None))[0]

    def _parts_of(self, name: str, exposed: Mapping[str, str], part: Part) -> Parts | None:
        labelled = self._labeling.labelled(name, exposed)
        if labelled is None:
            return None
        kind = "counter" if part.role is Role.COUNTER else "gauge"
        return self._target.source, labelled[0], kind, part.unit, labelled[1], self._labeling.attributes

    def _declared_anew(self, families: Mapping[str, Family]) -> list[int]:
        """The codes of the names that play another part now."""
        parts = [part_of(name, families) for name in self._codes]
        changed = [code for code, part in enumerate(parts) if part != self._family_parts[code]]
        self._family_parts = parts
        return changed

    def _starts(
        self, heads: _Heads, values: npt.NDArray[np.float64], created_s: npt.NDArray[np.float64] | None
    ) -> Times:
        """Per row when its counter began: its created time, else that of the process, if the configuration vouches for it."""
        counters = heads.roles == Role.COUNTER
        process_us = self._process_started(heads, values)
        starts = np.where(counters, process_us, NO_TIME)
        created = np.flatnonzero(heads.roles == Role.CREATED)
        if len(created):
            began = starts_us(values[created])
            created, began = created[began != NO_TIME], began[began != NO_TIME]
            # Of two created times for one counter the first holds.
            keys, first = np.unique(heads.keys[created], return_index=True)
            at = np.minimum(np.searchsorted(keys, heads.keys), max(len(keys) - 1, 0))
            if len(keys):
                starts = np.where(counters & (keys[at] == heads.keys), began[first][at], starts)
        if created_s is not None:
            given = starts_us(created_s)
            starts = np.where(counters & (given != NO_TIME), given, starts)
        return starts

    def _process_started(self, heads: _Heads, values: npt.NDArray[np.float64]) -> int:
        code = self._codes.get("process_start_time_seconds", -1)
        found = starts_us(values[heads.names == code])
        return int(found[0]) if self._process_start and len(found) == 1 else NO_TIME

    def _shaped(self, heads: _Heads, starts: Times) -> Shape:
        metered = np.flatnonzero((heads.roles == Role.COUNTER) | (heads.roles == Role.GAUGE))
        ids = heads.bare_ids[metered]
        started = np.flatnonzero(starts[metered] != NO_TIME)
        for some in _parts(started):
            told = self.defined(heads.layout, metered[some], starts)
            ids[some] = [numbers(series_digest(*each))[0] for each in told]
        count = len(heads.roles)
        # What is said about the scrape stands first: a target cannot take its place.
        metered = np.concatenate([np.arange(count, count + len(self.about)), metered])
        ids = np.concatenate([np.array([series.series_id for series in self.about], np.int64), ids])
        order = np.argsort(ids, kind="stable")
        rows, ids = metered[order], ids[order]
        repeated = bool(np.any(ids[1:] == ids[:-1]))
        counts = np.append(heads.roles, np.full(len(self.about), Role.GAUGE, np.int8))[rows] == Role.COUNTER
        left = count - int(np.count_nonzero(heads.roles == _GONE))
        series = _Definitions(self, heads.layout, ids, rows, starts)
        return Shape(rows, pa.array(ids), counts, starts, repeated, left, series)


class _Definitions:
    """The series of a page by their ids: their heads are parsed again when somebody asks."""

    def __init__(
        self, catalogue: Catalogue, layout: Layout, ids: Ids, rows: npt.NDArray[np.int64], starts: Times
    ) -> None:
        self._catalogue, self._layout = catalogue, layout
        self._ids, self._rows, self._starts = ids, rows, starts

    def of(self, ids: Ids) -> pa.Table:
        """See :class:`collector.definitions.Definitions`."""
        places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        missing = ids[self._ids[places] != ids]
        if len(missing):
            raise undefined(missing)
        rows = self._rows[places]
        parts = [definitions(self._catalogue.defined(self._layout, some, self._starts)) for some in _parts(rows)]
        return pa.concat_tables(parts) if parts else DEFINED.empty_table()


def _parts(rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """A few rows at a time: as Python objects, the series of a large page would double the memory of the agent."""
    return [rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]


def starts_us(seconds: npt.NDArray[np.float64]) -> Times:
    """Start times as instants; NO_TIME for the zeros and infinities that clients without one expose."""
    usable = (seconds > 0) & (seconds * SECOND_US <= TIME_MAX_US)
    return np.where(usable, np.rint(np.where(usable, seconds, 0) * SECOND_US), NO_TIME).astype(np.int64)

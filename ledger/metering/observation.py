"""How much of the time each source was observed, and how much of it should have been.

*Observed* is the union of the intervals that coverage records call complete. *Expected* runs from when a source was first
accounted for until the last account of it. If an agent falls silent altogether, its sources stay expected, because
silence is the one gap that no record tells of; if only this source stopped while its agent went on, it was
taken out of service, and nothing is expected any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.journal.view import View
from ledger.metering.subjects import EVER
from meterbook.wire.instants import DAY_US, HOUR_US, SECOND_US

#: Intervals that may pass without word before a source counts as silent, and microseconds at least: one that has more to give, or was
#: late for a tick, is told of for less than its interval now and then.
PATIENCE, PATIENCE_US_MIN = 3, 60 * SECOND_US

_NO_TIMES = np.zeros(0, np.int64)

#: Whether a source is told of in time, has an agent that tells of nothing any more, or one that goes on without it.
State = Literal["live", "silent", "ended"]


class Polls:
    """When sources were seen: the time each was first watched, and the ends of its complete intervals."""

    def __init__(self, view: View) -> None:
        self._view = view
        #: From when until when the ends of a source are known, and these.
        self._near: dict[str, tuple[int, int, np.ndarray]] = {}

    def look_up(self, sources: Sequence[str], times_us: Sequence[int]) -> None:
        """Find out what is to be asked for of some sources and times at once: then not the whole history is read."""
        spans: dict[str, tuple[int, int]] = {}
        for source, time_us in zip(sources, times_us, strict=True):
            low_us, high_us = spans.get(source, (time_us, time_us))
            spans[source] = min(low_us, time_us), max(high_us, time_us)
        for look_us in (HOUR_US, DAY_US, None):
            if not spans:
                return
            wanted = [
                (source, EVER if look_us is None else low_us - look_us, high_us)
                for source, (low_us, high_us) in spans.items()
            ]
            ends = _by_source(self._view.polls_within(wanted), "end_us")
            for source, (low_us, high_us) in [*spans.items()]:
                found = ends.get(source, _NO_TIMES)
                if look_us is None or (len(found) and found[0] < low_us):
                    self._near[source] = low_us, high_us, found
                    del spans[source]

    def watched_since(self, source: str) -> int | None:
        """When the source was first accounted for, well or badly."""
        return self._watched_us.get(source)

    def last_before(self, source: str, time_us: int) -> int | None:
        """End of the last complete interval that ended before a time."""
        low_us, high_us, known = self._near.get(source, (1, 0, _NO_TIMES))
        ends = known if low_us <= time_us <= high_us else self._ends_us.get(source)
        place = 0 if ends is None else int(np.searchsorted(ends, time_us))
        return int(ends[place - 1]) if ends is not None and place else None

    # Most questions never need these, and the second is as long as the history of all sources.
    @cached_property
    def _watched_us(self) -> dict[str, int]:
        return {row["source"]: row["first_us"] for row in self._view.observation().to_pylist()}

    @cached_property
    def _ends_us(self) -> dict[str, np.ndarray]:
        return _by_source(self._view.polls(), "end_us")


class Accounts:
    """From when until when each source is expected to be observed, as a view tells it.

    Silence is judged at ``now_us``, by default the time of the view: where nobody says anything any more, that stands still.
    """

    def __init__(self, view: View, now_us: int | None = None) -> None:
        self._accounts = {row["source"]: row for row in view.observation().to_pylist()}
        self._now_us = view.time_us if now_us is None else max(now_us, view.time_us)
        self._agents: dict[str, int] = {}
        for account in self._accounts.values():
            self._agents[account["agent"]] = max(self._agents.get(account["agent"], EVER), account["last_us"])

    @property
    def sources(self) -> list[str]:
        """Every source that was ever accounted for."""
        return sorted(self._accounts)

    def agent(self, source: str) -> str:
        """Who was the last to account for a source."""
        return str(self._accounts[source]["agent"])

    def expected(self, source: str) -> tuple[int, int] | None:
        """Since when and until when a source is expected to be observed; None where it was never heard of."""
        account = self._accounts.get(source)
        if account is None:
            return None
        return account["first_us"], self._now_us if self.state(source) == "silent" else account["last_us"]

    def watermark(self, source: str) -> int | None:
        """Until when a source is accounted for, well or badly: the end of its last record; None where it was never heard of."""
        account = self._accounts.get(source)
        return None if account is None else account["last_us"]

    def state(self, source: str) -> State:
        """How a source that was ever accounted for stands."""
        account = self._accounts[source]
        last_us: int = account["last_us"]
        patience_us = max(PATIENCE * account["last_interval_us"], PATIENCE_US_MIN)
        if self._agents[account["agent"]] > last_us + patience_us:
            return "ended"
        return "live" if self._now_us <= last_us + patience_us else "silent"


class Observation:
    """Observed and expected time of sources within [start, end), as a view tells it; ``now_us`` is that of ``accounts``."""

    def __init__(self, view: View, start_us: int, end_us: int, now_us: int | None = None) -> None:
        self._view, self._span = view, (start_us, end_us)
        self.accounts = Accounts(view, now_us)
        self._cells: dict[tuple[str, int, int], tuple[int, int]] = {}

    @cached_property
    def records(self) -> pa.Table:
        """What is told of the time (see ``View.coverage``)."""
        return self._view.coverage(*self._span)

    @property
    def sources(self) -> list[str]:
        """Every source that was ever accounted for."""
        return self.accounts.sources

    def window(self, source: str, start_us: int, end_us: int) -> tuple[int, int]:
        """The same as ``between``, remembered: many quantities of a window stand on one source."""
        cell = (source, start_us, end_us)
        if cell not in self._cells:
            self._cells[cell] = self.between(source, start_us, end_us)
        return self._cells[cell]

    def between(self, source: str, start_us: int, end_us: int) -> tuple[int, int]:
        """(observed, expected) microseconds of a source in [start, end)."""
        expected = self.accounts.expected(source)
        if expected is None:
            return 0, 0
        start_us, end_us = max(start_us, expected[0]), min(end_us, expected[1])
        if end_us <= start_us:
            return 0, 0
        union = self._unions.get(source)
        return (0 if union is None else union.within(start_us, end_us)), end_us - start_us

    def windows(self, source: str, windows: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The same for many windows of one source."""
        expected = self.accounts.expected(source)
        if expected is None:
            return [(0, 0)] * len(windows)
        spans = np.clip(np.array(windows, np.int64).reshape(-1, 2), *expected)
        union = self._unions.get(source)
        observed = (
            np.zeros(len(spans), np.int64) if union is None else union.until(spans[:, 1]) - union.until(spans[:, 0])
        )
        return list(zip(observed.tolist(), (spans[:, 1] - spans[:, 0]).tolist(), strict=True))

    def silences(self, source: str, start_us: int, end_us: int) -> list[tuple[int, int]]:
        """The parts of [start, end) in which a source is expected to be observed, and of which no record tells anything."""
        expected = self.accounts.expected(source)
        if expected is None:
            return []
        start_us, end_us = max(start_us, expected[0]), min(end_us, expected[1])
        told = self._told.get(source)
        if end_us <= start_us:
            return []
        return [(start_us, end_us)] if told is None else told.missing(start_us, end_us)

    def agent(self, source: str) -> str:
        """Who was the last to account for a source."""
        return self.accounts.agent(source)

    def troubles(self, source: str) -> Sequence[Mapping[str, Any]]:
        """The records of a source that do not tell of an interval wholly observed, as rows of ``View.coverage``."""
        return self._troubles.get(source, ())

    @cached_property
    def _troubles(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.records.filter(pc.not_equal(self.records["status"], "complete")).to_pylist():
            found.setdefault(row["source"], []).append(row)
        return found

    @cached_property
    def _unions(self) -> dict[str, _Union]:
        return _unions(self._view.complete(*self._span))

    @cached_property
    def _told(self) -> dict[str, _Union]:
        return _unions(self.records)


class _Union:
    """The union of intervals, asked for its length within others."""

    def __init__(self, starts: np.ndarray, ends: np.ndarray) -> None:
        """``starts`` ascend."""
        # An interval adds only what reaches beyond everything before it.
        reached = np.maximum.accumulate(ends)
        self._starts = np.maximum(starts, np.concatenate((starts[:1], reached[:-1])))
        self._ends = np.maximum(ends, self._starts)
        self._before = np.concatenate(([0], np.cumsum(self._ends - self._starts)))

    def within(self, start_us: int, end_us: int) -> int:
        """Length of the union in [start, end)."""
        before, after = self.until(np.array([start_us, end_us])).tolist()
        return int(after - before)

    def until(self, times_us: np.ndarray) -> np.ndarray:
        """Length of the union before each time."""
        places = np.searchsorted(self._starts, times_us)
        # Before the first interval there is none that could reach beyond the time.
        over = np.maximum(0, np.concatenate(([EVER], self._ends))[places] - times_us)
        found: np.ndarray = self._before[places] - over
        return found

    def missing(self, start_us: int, end_us: int) -> list[tuple[int, int]]:
        """The parts of [start, end) that are not in the union."""
        begins = np.concatenate(([start_us], np.maximum(self._ends, start_us)))
        ends = np.concatenate((np.minimum(self._starts, end_us), [end_us]))
        return [(begin, end) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True) if begin < end]


def _unions(records: pa.Table) -> dict[str, _Union]:
    starts, ends = _by_source(records, "start_us"), _by_source(records, "end_us")
    return {source: _Union(starts[source], ends[source]) for source in starts}


def _by_source(table: pa.Table, column: str) -> dict[str, np.ndarray]:
    """A column of a table sorted by source, as one array per source."""
    sources = table["source"].combine_chunks().dictionary_encode()
    if table.num_rows == 0:
        return {}
    codes = sources.indices.to_numpy()
    starts = np.concatenate(([0], np.flatnonzero(np.diff(codes)) + 1))
    parts = np.split(table[column].to_numpy(), starts[1:])
    return {sources.dictionary[int(codes[start])].as_py(): part for start, part in zip(starts, parts, strict=True)}

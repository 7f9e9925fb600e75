"""How much of the time each source was observed, and how much of it should have been.

*Observed* is the union of the intervals that coverage records call complete. *Expected* runs from when a source was first
accounted for until the last account of it. If an agent falls silent altogether, its sources stay expected, because
silence is the one gap that no record tells of; if only this source stopped while its agent went on, it was
taken out of service, and nothing is expected any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.journal.view import View
from ledger.metering.subjects import EVER
from meterbook.wire.instants import SECOND_US

#: Intervals that may pass without word before a source counts as silent, and microseconds at least: one that has more to give, or was
#: late for a tick, is told of for less than its interval now and then.
PATIENCE, PATIENCE_US_MIN = 3, 60 * SECOND_US


class Polls:
    """When sources were seen: the time each was first watched, and the ends of its complete intervals."""

    def __init__(self, view: View) -> None:
        self._view = view

    def watched_since(self, source: str) -> int | None:
        """When the source was first accounted for, well or badly."""
        return self._watched_us.get(source)

    def last_before(self, source: str, time_us: int) -> int | None:
        """End of the last complete interval that ended before a time."""
        ends = self._ends_us.get(source)
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
    """From when until when each source is expected to be observed, as a view tells it."""

    def __init__(self, view: View) -> None:
        self._accounts = {row["source"]: row for row in view.observation().to_pylist()}
        self._now_us = view.time_us
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
        last_us: int = account["last_us"]
        patience_us = max(PATIENCE * account["last_interval_us"], PATIENCE_US_MIN)
        went_on = self._agents[account["agent"]] > last_us + patience_us
        in_time = self._now_us <= last_us + patience_us
        return account["first_us"], last_us if went_on or in_time else self._now_us


class Observation:
    """Observed and expected time of sources within [start, end), as a view tells it."""

    def __init__(self, view: View, start_us: int, end_us: int) -> None:
        self.records = view.coverage(start_us, end_us)
        self._accounts = Accounts(view)
        self._cells: dict[tuple[str, int, int], tuple[int, int]] = {}

    @property
    def sources(self) -> list[str]:
        """Every source that was ever accounted for."""
        return self._accounts.sources

    def window(self, source: str, start_us: int, end_us: int) -> tuple[int, int]:
        """The same as ``between``, remembered: many quantities of a window stand on one source."""
        cell = (source, start_us, end_us)
        if cell not in self._cells:
            self._cells[cell] = self.between(source, start_us, end_us)
        return self._cells[cell]

    def between(self, source: str, start_us: int, end_us: int) -> tuple[int, int]:
        """(observed, expected) microseconds of a source in [start, end)."""
        expected = self._accounts.expected(source)
        if expected is None:
            return 0, 0
        start_us, end_us = max(start_us, expected[0]), min(end_us, expected[1])
        if end_us <= start_us:
            return 0, 0
        union = self._unions.get(source)
        return (0 if union is None else union.within(start_us, end_us)), end_us - start_us

    def silences(self, source: str, start_us: int, end_us: int) -> list[tuple[int, int]]:
        """The parts of [start, end) in which a source is expected to be observed, and of which no record tells anything."""
        expected = self._accounts.expected(source)
        if expected is None:
            return []
        start_us, end_us = max(start_us, expected[0]), min(end_us, expected[1])
        told = self._told.get(source)
        if end_us <= start_us:
            return []
        return [(start_us, end_us)] if told is None else told.missing(start_us, end_us)

    def agent(self, source: str) -> str:
        """Who was the last to account for a source."""
        return self._accounts.agent(source)

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
        return _unions(self.records.filter(pc.equal(self.records["status"], "complete")))

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
        return self._until(end_us) - self._until(start_us)

    def missing(self, start_us: int, end_us: int) -> list[tuple[int, int]]:
        """The parts of [start, end) that are not in the union."""
        begins = np.concatenate(([start_us], np.maximum(self._ends, start_us)))
        ends = np.concatenate((np.minimum(self._starts, end_us), [end_us]))
        return [(begin, end) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True) if begin < end]

    def _until(self, time_us: int) -> int:
        place = int(np.searchsorted(self._starts, time_us))
        if place == 0:
            return 0
        over = max(0, int(self._ends[place - 1]) - time_us)
        return int(self._before[place]) - over


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

"""The increase of counters: what was added between each sample and the one before it.

Between two samples of a series the increase is the difference; where the value fell the counter was reset, and what it
shows now was added since. The difference belongs to the time between the two samples and is divided in proportion where
that crosses a step. Longer than ``max_gap`` apart, it is booked all the same and called estimated.

The first sample of a series is the one that needs judgement. Counted in full, usage from before anybody watched would
be billed; left out, every short-lived series would lose its beginning. It counts from zero

* where the incarnation is known to have begun after the source was first watched, or
* where the source was observed completely before, without this series: then it had not begun yet,

and it belongs to the time since the later of the two. Otherwise it only sets the level to measure from. So it does where the marker
of an end stands a microsecond before it: whoever read it could not tell whether the series had been there all the time, out of
sight, because what is read or how it is named had changed. And any sample only sets the level where the marker stands two
microseconds before it: meanwhile the series was counted under another name (see ``marks``).

Samples come in blocks, of each series in the order of time. Most only go on where the one before them was, within the same step: of such
a run the last sample tells all, and the others are left out before anything is computed. What a series showed last is all that is kept of a block, and its first
sample waits until the end, when it is known what came before all blocks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ledger.metering import nano
from ledger.metering.grid import Grid
from ledger.metering.marks import RENAMED, UNSEEN
from ledger.metering.observation import Polls
from ledger.metering.steps import Spans, divided
from ledger.metering.stream import Block
from ledger.metering.subjects import UNKNOWN_START, Subjects
from ledger.metering.sums import Sums

_NEVER_US = np.iinfo(np.int64).min


class _Shown(NamedTuple):
    """What counters showed, as columns: when, as a float64, and as whole units and nano-units."""

    times: np.ndarray
    values: np.ndarray
    whole: np.ndarray
    rest: np.ndarray


class Increase:
    """Adds up what counters were increased by, in steps of a grid: ``sums``, and of ``estimated`` the part that is.

    ``groups`` are the groups that it is added up by, told for each assignment of ``subjects``.
    """

    def __init__(self, subjects: Subjects, grid: Grid, groups: np.ndarray, max_gap_us: int) -> None:
        self.sums, self.estimated = Sums(grid.step_us), Sums(grid.step_us)
        self._subjects, self._grid, self._groups, self._max_gap_us = subjects, grid, groups, max_gap_us
        self._times, self._values = np.full(len(subjects.ids), _NEVER_US), np.zeros(len(subjects.ids))
        self._firsts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []

    def feed(self, block: Block, said: np.ndarray | None) -> None:
        """Take in a block without markers, of each instant one sample; ``said`` is what markers said of its rows."""
        if not len(block.heads):
            return
        turns = self._turns(block, said)
        kept = turns.copy()
        kept[:-1] |= turns[1:]
        kept[-1] = True
        rows = np.flatnonzero(kept)
        codes, times, values = (column[rows] for column in (block.codes, block.times, block.values))
        heads, said = np.searchsorted(rows, block.heads), None if said is None else said[rows]

        begun = codes[heads]
        before = _Shown(np.empty_like(times), np.empty_like(values), *(np.empty_like(times) for _ in range(2)))
        now = _Shown(times, values, *nano.split(values))
        for column, earlier, known in zip(now, before, self._shown(begun), strict=True):
            earlier[1:], earlier[heads] = column[:-1], known
        last = np.append(heads[1:], len(codes)) - 1
        self._times[begun], self._values[begun] = times[last], values[last]

        first = heads[before.times[heads] == _NEVER_US]
        if len(first):
            marked = np.zeros(len(first), np.int8) if said is None else said[first]
            self._firsts.append((codes[first], times[first], values[first], marked))
        counts: np.ndarray | None = None
        if len(first) or said is not None:
            counts = np.ones(len(codes), bool) if said is None else said & RENAMED == 0
            counts[first] = False
        self._count(codes, before, now, counts, turns[rows])

    def _turns(self, block: Block, said: np.ndarray | None) -> np.ndarray:
        """Rows at which more than the difference to the one before matters; of all others in between the last one tells as much.

        That is where another series or step begins, or another owner, where the value fell, and where nothing was read for too long.
        """
        codes, times, values, heads = block
        steps = (times - 1) // self._grid.step_us
        turns = np.empty(len(codes), bool)
        np.not_equal(steps[1:], steps[:-1], out=turns[1:])
        turns[1:] |= values[1:] < values[:-1]
        turns[1:] |= times[1:] - times[:-1] > self._max_gap_us
        turns[heads] = True
        if said is not None:
            turns |= said != 0
        if self._subjects.are_reassigned:
            groups = self._subjects.assignments(codes, times, self._groups)
            turns[1:] |= groups[1:] != groups[:-1]
        return turns

    def finish(self, before: pa.Table, polls: Polls) -> None:
        """Count the first samples, given those before all blocks (see ``samples.before``)."""
        if not self._firsts:
            return
        rows = [np.concatenate(columns) for columns in zip(*self._firsts, strict=True)]
        order = np.argsort(rows[0])
        codes, times, values, said = (column[order] for column in rows)
        places = np.searchsorted(self._subjects.ids, before["series_id"].to_numpy())
        self._times[:], self._values[:] = _NEVER_US, 0
        self._times[places], self._values[places] = before["time_us"].to_numpy(), before["value"].to_numpy()
        shown = self._shown(codes)
        begins = shown.times
        asked = np.flatnonzero((begins == _NEVER_US) & (times >= self._grid.start_us) & (said & UNSEEN == 0))
        polls.look_up([self._subjects.sources[code] for code in codes[asked].tolist()], times[asked].tolist())
        for place in asked:
            since_us = beginning(self._subjects, polls, int(codes[place]), int(times[place]))
            if since_us is not None:
                begins[place] = since_us
        now = _Shown(times, values, *nano.split(values))
        self._count(codes, shown, now, (begins != _NEVER_US) & (said & RENAMED == 0))

    def first_ids(self) -> np.ndarray:
        """The series that any block had a sample of."""
        codes = [columns[0] for columns in self._firsts]
        found: np.ndarray = self._subjects.ids[np.sort(np.concatenate(codes))] if codes else self._subjects.ids[:0]
        return found

    def _shown(self, codes: np.ndarray) -> _Shown:
        return _Shown(self._times[codes], self._values[codes], *nano.split(self._values[codes]))

    def _count(
        self, codes: np.ndarray, before: _Shown, now: _Shown, counts: np.ndarray | None, alone: np.ndarray | None = None
    ) -> None:
        """Add up what rows were increased by; those that are not ``alone`` stand for several, none of which was late."""
        groups = self._subjects.assignments(codes, now.times, self._groups)
        whole, rest = now.whole - before.whole, now.rest - before.rest
        fell = np.flatnonzero(now.values < before.values)
        whole[fell], rest[fell] = now.whole[fell], now.rest[fell]
        spans = Spans(groups, before.times, now.times, whole, rest)
        late = spans.ends - spans.begins > self._max_gap_us
        if alone is not None:
            late &= alone
        if counts is not None:
            spans, late = spans.chosen(counts), late[counts]
        if late.any():
            divided(spans.chosen(late), self._grid, self.estimated)
        divided(spans, self._grid, self.sums)


def beginning(subjects: Subjects, polls: Polls, code: int, first_us: int) -> int | None:
    """Since when the first sample of a series counts from zero; None where it only sets the level."""
    source, start = subjects.sources[code], int(subjects.starts_us[code])
    watched = polls.watched_since(source)
    before = polls.last_before(source, first_us)
    began_watched = start != UNKNOWN_START and watched is not None and watched <= start <= first_us
    if before is None:
        return start if began_watched else None
    return max(before, start) if began_watched else before

"""The integral of gauges over time: value x seconds, each value held until the next sample, at most ``max_gap``.

A gauge says what is, not what was added, so time that nobody looked at has no quantity: a value is held for ``max_gap`` at
the most and the rest of a longer interval counts nothing, which the coverage shows. The last sample has
nothing to be held until, and counts when the next one comes. Where a series ended, its marker (a NaN) holds nothing.

Samples come in blocks, of each series in the order of time; what was read last of each is held until the next block tells of it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ledger.metering import nano
from ledger.metering.steps import Spans
from ledger.metering.stream import Block
from ledger.metering.subjects import Subjects
from ledger.metering.sums import Sums

_NEVER_US = np.iinfo(np.int64).min


class Integral:
    """Adds up value x microseconds per assignment and step: ``sums``; of ``active`` ones 1 stands for every value but 0."""

    def __init__(self, subjects: Subjects, step_us: int, max_gap_us: int, *, is_active: bool = False) -> None:
        self.sums = Sums(step_us)
        self._is_active = is_active
        self._subjects, self._step_us, self._max_gap_us = subjects, step_us, max_gap_us
        self._times, self._values = np.full(len(subjects.ids), _NEVER_US), np.zeros(len(subjects.ids))
        self._groups = np.zeros(len(subjects.ids), np.int64)

    def begin(self, before: pa.Table) -> None:
        """What there was before all blocks (see ``samples.before``)."""
        ids, times, values = (column.to_numpy() for column in before.columns)
        codes = np.searchsorted(self._subjects.ids, ids)
        self._times[codes], self._values[codes] = times, self._shown(values)
        self._groups[codes] = self._subjects.assignments(codes, times)

    def feed(self, block: Block) -> None:
        """Take in a block, markers among it, of each instant one sample."""
        codes, times, values, heads = block
        if not len(heads):
            return
        values = self._shown(values)
        begun = codes[heads]
        groups = self._subjects.assignments(codes, times)
        held = [np.empty_like(column) for column in (times, values, groups)]
        for column, earlier, kept in zip(
            (times, values, groups), held, (self._times, self._values, self._groups), strict=True
        ):
            earlier[1:], earlier[heads] = column[:-1], kept[begun]
            kept[begun] = column[np.append(heads[1:], len(codes)) - 1]
        lasting = (held[0] != _NEVER_US) & ~np.isnan(held[1])
        begins, ends, shown = held[0][lasting], times[lasting], held[1][lasting]
        spans = Spans(held[2][lasting], begins, np.minimum(ends, begins + self._max_gap_us), *nano.split(shown))
        weighed(spans, self._step_us, self.sums)

    def _shown(self, values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(values), values, (values != 0).astype(np.float64)) if self._is_active else values


def weighed(spans: Spans, step_us: int, sums: Sums) -> None:
    """Add value x microseconds of each group and step, which is an hour at most; ``spans`` of a group do not overlap."""
    # A span that crosses steps becomes one span per step, all of the same value.
    last = (spans.ends - 1) // step_us
    steps = np.minimum(spans.begins // step_us, last)
    crossing = np.flatnonzero(steps != last)
    groups, whole, rest = spans.groups, spans.whole, spans.rest
    begins, ends = spans.begins, spans.ends
    if len(crossing):
        repeats = last - steps + 1
        rows = np.repeat(np.arange(len(groups)), repeats)
        steps = steps[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        groups, whole, rest = groups[rows], whole[rows], rest[rows]
        begins, ends = np.maximum(begins[rows], steps * step_us), np.minimum(ends[rows], (steps + 1) * step_us)
    sums.add_weighted(groups, steps * step_us, whole, rest, ends - begins)

"""The integral of gauges over time: value x seconds, each value held until the next sample, at most ``max_gap``.

A gauge says what is, not what was added, so time that nobody looked at has no quantity: a value is held for ``max_gap`` at
the most and the rest of a longer interval counts nothing, which the coverage shows. The last sample has
nothing to be held until, and counts when the next one comes. Where a series ended, its marker (a NaN) holds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ledger.metering import nano
from ledger.metering.increase import Columns
from ledger.metering.steps import Stepped, runs_of, steps_of
from ledger.metering.subjects import Subjects
from meterbook.wire.instants import SECOND_US


@dataclass(frozen=True)
class Spans:
    """Values (whole units and nano-units) of groups, and the spans of time (begin, end] for which each is held."""

    groups: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    whole: np.ndarray
    rest: np.ndarray


def integral(samples: Columns, subjects: Subjects, max_gap_us: int, step_us: int) -> Stepped:
    """Value x seconds per assignment and step; ``samples`` as in ``increase``."""
    codes, times, values = samples
    same = (codes[1:] == codes[:-1]) & ~np.isnan(values[:-1])
    begins = times[:-1][same]
    ends = np.minimum(times[1:][same], begins + max_gap_us)
    whole, rest = nano.split(values[:-1][same])
    return weighed(Spans(subjects.assignments(codes, times)[:-1][same], begins, ends, whole, rest), step_us)


def weighed(spans: Spans, step_us: int) -> Stepped:
    """Value x seconds per group and step, which is an hour at most; ``spans`` by group, and within one by time."""
    # A span that crosses steps becomes one span per step, all of the same value.
    steps, last = steps_of(spans.begins, spans.ends, step_us)
    repeats = last - steps + 1
    rows = np.repeat(np.arange(len(spans.groups)), repeats)
    steps = steps[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    weights = np.minimum(spans.ends[rows], (steps + 1) * step_us) - np.maximum(spans.begins[rows], steps * step_us)

    found = Stepped()
    groups = spans.groups[rows]
    starts = runs_of(groups, steps)
    totals = nano.weighted_sums(spans.whole[rows], spans.rest[rows], weights, starts)
    cells = zip(groups[starts].tolist(), (steps[starts] * step_us).tolist(), strict=True)
    for cell, total in zip(cells, totals, strict=True):
        found.add(cell, nano.round_half_even(total, SECOND_US), estimated=False)
    return found

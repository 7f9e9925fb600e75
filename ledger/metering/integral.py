"""The integral of gauges over time: value x seconds, each value held until the next sample, at most ``max_gap``.

A gauge says what is, not what was added, so time that nobody looked at has no quantity: a value is held for ``max_gap`` at
the most and the rest of a longer interval counts nothing, which the coverage shows. The last sample has
nothing to be held until, and counts when the next one comes. Where a series ended, its marker (a NaN) holds nothing.
"""

from __future__ import annotations

import numpy as np

from ledger.metering import nano
from ledger.metering.hours import Hourly, hours_of, runs_of
from ledger.metering.increase import Columns
from ledger.metering.subjects import Subjects
from meterbook.wire.instants import HOUR_US, SECOND_US


def integral(samples: Columns, subjects: Subjects, max_gap_us: int) -> Hourly:
    """Value x seconds per assignment and hour; ``samples`` as in ``increase``."""
    codes, times, values = samples
    same = (codes[1:] == codes[:-1]) & ~np.isnan(values[:-1])
    groups = subjects.assignments(codes, times)[:-1][same]
    begins = times[:-1][same]
    ends = np.minimum(times[1:][same], begins + max_gap_us)
    whole, rest = nano.split(values[:-1][same])

    # A span that crosses hours becomes one span per hour, all of the same value.
    hours, last = hours_of(begins, ends)
    repeats = last - hours + 1
    rows = np.repeat(np.arange(len(groups)), repeats)
    hours = hours[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    weights = np.minimum(ends[rows], (hours + 1) * HOUR_US) - np.maximum(begins[rows], hours * HOUR_US)

    found = Hourly()
    starts = runs_of(groups[rows], hours)
    totals = nano.weighted_sums(whole[rows], rest[rows], weights, starts)
    cells = zip(groups[rows][starts].tolist(), (hours[starts] * HOUR_US).tolist(), strict=True)
    for cell, total in zip(cells, totals, strict=True):
        found.add(cell, nano.round_half_even(total, SECOND_US), estimated=False)
    return found

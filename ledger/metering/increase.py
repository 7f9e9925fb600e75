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
microseconds before it: meanwhile the series was counted under another name.

A marker says what one reader knows. Where another has given the sample of the same instant without one, it has seen the series all the
time, and the marker says nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ledger.journal.quantity import NANO
from ledger.metering import nano
from ledger.metering.grid import Grid
from ledger.metering.observation import Polls
from ledger.metering.steps import Stepped, pieces, runs_of, steps_of
from ledger.metering.subjects import UNKNOWN_START, Subjects

Columns = tuple[np.ndarray, np.ndarray, np.ndarray]

#: How long before a sample the marker stands that says that the series was out of sight, or had another name.
UNSEEN_US, RENAMED_US = 1, 2


@dataclass(frozen=True)
class Sighted:
    """When sources were polled; before samples of a place and time in ``unseen`` their series was out of sight, before those in
    ``renamed`` it had another name.
    """

    polls: Polls
    unseen: Collection[tuple[int, int]] = ()
    renamed: Collection[tuple[int, int]] = ()


def increase(
    samples: Columns,
    subjects: Subjects,
    sighted: Sighted,
    max_gap_us: int,
    grid: Grid,
) -> Stepped:
    """Increase per assignment and step of a grid.

    ``samples`` are the place of the series in ``subjects.ids``, time in microseconds and float64 value, sorted by
    the first two, no pair twice. A series whose first sample lies before the grid has samples before it that
    were not fetched, or is not of interest there: it only sets the level.
    """
    codes, times, values = samples
    if len(codes) == 0:
        return Stepped()
    whole, rest = nano.split(values)
    first = np.concatenate(([True], codes[1:] != codes[:-1]))
    begins = np.concatenate(([0], times[:-1]))
    added_whole = np.concatenate(([0], np.diff(whole)))
    added_rest = np.concatenate(([0], np.diff(rest)))
    fresh = first | np.concatenate(([False], values[1:] < values[:-1]))
    added_whole[fresh], added_rest[fresh] = whole[fresh], rest[fresh]

    counts = ~first
    for place in np.flatnonzero(first & (times >= grid.start_us)):
        code, first_us = int(codes[place]), int(times[place])
        begin = None if (code, first_us) in sighted.unseen else beginning(subjects, sighted.polls, code, first_us)
        if begin is not None:
            counts[place], begins[place] = True, begin
    for code, time_us in sighted.renamed:
        first_place, last_place = np.searchsorted(codes, (code, code + 1))
        place = first_place + int(np.searchsorted(times[first_place:last_place], time_us))
        if place < last_place and times[place] == time_us:
            counts[place] = False

    groups = subjects.assignments(codes, times)[counts]
    begins, ends = begins[counts], times[counts]
    spans = _Spans(groups, begins, ends, added_whole[counts], added_rest[counts], ends - begins > max_gap_us)
    return _by_step(spans, grid)


def beginning(subjects: Subjects, polls: Polls, code: int, first_us: int) -> int | None:
    """Since when the first sample of a series counts from zero; None where it only sets the level."""
    source, start = subjects.sources[code], int(subjects.starts_us[code])
    watched = polls.watched_since(source)
    before = polls.last_before(source, first_us)
    began_watched = start != UNKNOWN_START and watched is not None and watched <= start <= first_us
    if before is None:
        return start if began_watched else None
    return max(before, start) if began_watched else before


@dataclass(frozen=True)
class _Spans:
    """Amounts (whole units and nano-units) and the spans of time (begin, end] that they belong to."""

    groups: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    whole: np.ndarray
    rest: np.ndarray
    estimated: np.ndarray


def _by_step(spans: _Spans, grid: Grid) -> Stepped:
    found = Stepped()
    step_us = grid.step_us
    steps, last = steps_of(spans.begins, spans.ends, step_us)
    within = steps == last
    for doubtful in (False, True):
        chosen = within & (spans.estimated == doubtful)
        groups = spans.groups[chosen]
        starts = runs_of(groups, steps[chosen])
        cells = zip(groups[starts].tolist(), (steps[chosen][starts] * step_us).tolist(), strict=True)
        for cell, amount in zip(cells, nano.sums(spans.whole[chosen], spans.rest[chosen], starts), strict=True):
            found.add(cell, amount, doubtful)
    for place in np.flatnonzero(~within):
        group, doubtful = int(spans.groups[place]), bool(spans.estimated[place])
        amount = int(spans.whole[place]) * NANO + int(spans.rest[place])
        begin_us, end_us = int(spans.begins[place]), int(spans.ends[place])
        for at_us, part in pieces(begin_us, end_us, amount, grid.start_us, grid.end_us, step_us):
            found.add((group, at_us), part, doubtful)
    return found

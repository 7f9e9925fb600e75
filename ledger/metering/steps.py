"""Amounts of spans of time, divided among the steps that the spans cross.

A step is an hour, or less where windows begin within hours; the quantity of every longer window is the sum of its steps, so
hours add up to days and days to months. A span's amount is spread evenly over the span, and each step gets the part that
falls into it. The parts are cut from the running total (floor of amount x elapsed / length), so they are whole nano-units,
never negative for a positive amount, and add up to the amount exactly.

Spans are divided by columns, as one divides by hand: some digits at a time, so that no product is too large for an int64. Negative amounts, and spans
of years, are divided one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ledger.journal.quantity import NANO
from ledger.metering import nano
from ledger.metering.grid import Grid
from ledger.metering.sums import Sums

#: Of a span this long at most (two years), 2^16 times a remainder fits into an int64; products may be so large.
_LENGTH_US_MAX, _PRODUCT_MAX = 1 << 46, 1 << 62
#: Amounts are divided so many bits at a time, and nano-units a thousandth at a time.
_BITS, _LIMBS, _THOUSAND = 16, 4, 1_000
#: Parts of spans that are made at once.
_PARTS_MAX = 1 << 20


@dataclass(frozen=True)
class Spans:
    """Amounts (whole units and nano-units) of groups, and the spans of time (begin, end] that they belong to, as columns."""

    groups: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    whole: np.ndarray
    rest: np.ndarray

    def chosen(self, rows: np.ndarray) -> Spans:
        """Those of some rows: a mask, or places."""
        return Spans(self.groups[rows], self.begins[rows], self.ends[rows], self.whole[rows], self.rest[rows])


def divided(spans: Spans, grid: Grid, sums: Sums) -> None:
    """Add what falls into each step of a grid to ``sums``; what lies outside of the grid may be left out."""
    step_us = grid.step_us
    last = (spans.ends - 1) // step_us * step_us
    crossing = np.flatnonzero(spans.begins < last)
    whole, rest = spans.whole, spans.rest
    if len(crossing):
        across, until = _carried(spans.chosen(crossing)), last[crossing]
        fits = (across.whole >= 0) & (across.ends - across.begins <= _LENGTH_US_MAX)
        # Most cross into the next step and no further.
        two = fits & (across.begins >= until - step_us)
        _spread(across.chosen(fits & ~two), grid, sums)
        _one_by_one(across.chosen(~fits), grid, sums)
        near, middle = across.chosen(two), until[two]
        first, first_rest = _portion(near, middle)
        sums.add(near.groups, middle - step_us, first, first_rest)
        # All that is left of the others is that their last step was metered.
        whole, rest = whole.copy(), rest.copy()
        whole[crossing], rest[crossing] = 0, 0
        whole[crossing[two]], rest[crossing[two]] = near.whole - first, near.rest - first_rest
    sums.add(spans.groups, last, whole, rest)


def _carried(spans: Spans) -> Spans:
    """The same amounts with nano-units of less than one unit, none of them negative: what is nearly a unit was rounded to all of it."""
    units = spans.rest // NANO
    return Spans(spans.groups, spans.begins, spans.ends, spans.whole + units, spans.rest - units * NANO)


def _spread(spans: Spans, grid: Grid, sums: Sums) -> None:
    """Divide spans of amounts that are not negative; as :func:`pieces`, by columns."""
    step_us = grid.step_us
    low = np.maximum(spans.begins // step_us * step_us, grid.start_us)
    counts = np.maximum((np.minimum(spans.ends, grid.end_us) - low + step_us - 1) // step_us, 0)
    until = np.cumsum(counts)
    first = 0
    while first < len(counts):
        done = int(until[first - 1]) if first else 0
        end = max(first + 1, int(np.searchsorted(until, done + _PARTS_MAX, side="right")))
        _spread_some(spans.chosen(np.arange(first, end)), low[first:end], counts[first:end], step_us, sums)
        first = end


def _spread_some(spans: Spans, low: np.ndarray, counts: np.ndarray, step_us: int, sums: Sums) -> None:
    rows = np.repeat(np.arange(len(counts)), counts)
    heads = np.cumsum(counts) - counts
    starts = low[rows] + (np.arange(len(rows)) - heads[rows]) * step_us
    parts = spans.chosen(rows)
    whole, rest, until = parts.whole.copy(), parts.rest.copy(), starts + step_us
    cut = np.flatnonzero(until < parts.ends)
    whole[cut], rest[cut] = _portion(parts.chosen(cut), until[cut])
    given, given_rest = np.roll(whole, 1), np.roll(rest, 1)
    begun = heads[counts > 0]
    given[begun], given_rest[begun] = 0, 0
    late = (counts > 0) & (low > spans.begins)
    given[heads[late]], given_rest[heads[late]] = _portion(spans.chosen(late), low[late])
    sums.add(parts.groups, starts, whole - given, rest - given_rest)


def _portion(spans: Spans, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What of each amount falls before a time within its span, rounded down: whole units and nano-units."""
    lengths, elapsed = spans.ends - spans.begins, until - spans.begins
    if len(elapsed) and float(spans.whole.max()) * float(elapsed.max()) < _PRODUCT_MAX:
        whole, left = np.divmod(spans.whole * elapsed, lengths)
    else:
        whole, left = np.zeros_like(elapsed), np.zeros_like(elapsed)
        for limb in reversed(range(_LIMBS)):
            bits = (spans.whole >> (limb * _BITS)) & ((1 << _BITS) - 1)
            more, left = np.divmod((left << _BITS) + bits * elapsed, lengths)
            whole = (whole << _BITS) + more
    rest = np.zeros_like(elapsed)
    for place in (_THOUSAND**2, _THOUSAND, 1):
        digits = spans.rest // place % _THOUSAND
        # What is left of units becomes thousandths of them, and so on.
        more, left = np.divmod(left * _THOUSAND + digits * elapsed, lengths)
        rest = rest * _THOUSAND + more
    return whole, rest


def _one_by_one(spans: Spans, grid: Grid, sums: Sums) -> None:
    groups, starts, amounts = [], [], []
    columns = (column.tolist() for column in (spans.groups, spans.begins, spans.ends, spans.whole, spans.rest))
    for group, begin_us, end_us, whole, rest in zip(*columns, strict=True):
        parts = pieces(begin_us, end_us, whole * NANO + rest, grid.start_us, grid.end_us, grid.step_us)
        for start_us, amount in parts:
            groups.append(group)
            starts.append(start_us)
            amounts.append(amount)
    sums.add(np.array(groups, np.int64), np.array(starts, np.int64), *nano.pairs(amounts))


def pieces(
    start_us: int, end_us: int, amount: int, low_us: int, high_us: int, step_us: int
) -> Iterator[tuple[int, int]]:
    """(start of the step, part of the amount) for each step in [low, high) that a span of positive length touches.

    ``low_us`` and ``high_us`` are whole steps. A mistaken time can make a span of centuries, so the steps that
    nobody asked for are not walked through.
    """
    length = end_us - start_us
    at_us = max(start_us // step_us * step_us, low_us)
    given = amount * max(0, at_us - start_us) // length
    while at_us < min(end_us, high_us):
        elapsed = min(at_us + step_us, end_us) - start_us
        total = amount * elapsed // length
        yield at_us, total - given
        given = total
        at_us += step_us

"""Amounts of spans of time, divided among the steps that the spans cross.

A step is an hour, or less where windows begin within hours; the quantity of every longer window is the sum of its steps, so
hours add up to days and days to months. A span's amount is spread evenly over the span, and each step gets the part that
falls into it. The parts are cut from the running total (floor of amount x elapsed / length), so they are whole nano-units,
never negative for a positive amount, and add up to the amount exactly.

Nearly all spans lie within a step or cross from one to the next, and are divided by columns. Those that are longer, or whose products no
int64 holds, are divided one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ledger.journal.quantity import NANO
from ledger.metering import nano
from ledger.metering.grid import Grid
from ledger.metering.sums import Sums

# Of a span this long at most, a remainder times 10^9 fits into an int64; and so do products up to the second.
_LENGTH_US_MAX, _PRODUCT_MAX = 1 << 32, 1 << 62


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
        across = spans.chosen(crossing)
        near = _is_near(across, last[crossing], step_us)
        _halved(across.chosen(near), last[crossing][near], step_us, sums)
        _one_by_one(across.chosen(~near), grid, sums)
        # All that is left of them is that their last step was metered.
        whole, rest = whole.copy(), rest.copy()
        whole[crossing], rest[crossing] = 0, 0
    sums.add(spans.groups, last, whole, rest)


def _is_near(spans: Spans, last: np.ndarray, step_us: int) -> np.ndarray:
    """Whether spans end in the step after the one in which they begin, and are divided without overflow."""
    lengths, elapsed = spans.ends - spans.begins, last - spans.begins
    # An amount is not negative whose whole units are more than its negative nano-units.
    products = spans.whole.astype(np.float64) * elapsed
    fits = (lengths <= _LENGTH_US_MAX) & (spans.whole >= 1) & (products < _PRODUCT_MAX)
    zero = (spans.whole == 0) & (spans.rest >= 0) & (lengths <= _LENGTH_US_MAX)
    near: np.ndarray = (spans.begins >= last - step_us) & (fits | zero)
    return near


def _halved(spans: Spans, last: np.ndarray, step_us: int, sums: Sums) -> None:
    borrowed = (spans.rest < 0).astype(np.int64)
    whole, rest = spans.whole - borrowed, spans.rest + borrowed * NANO
    lengths, elapsed = spans.ends - spans.begins, last - spans.begins
    first, left = np.divmod(whole * elapsed, lengths)
    first_rest = (left * NANO + rest * elapsed) // lengths
    sums.add(spans.groups, last - step_us, first, first_rest)
    sums.add(spans.groups, last, whole - first, rest - first_rest)


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

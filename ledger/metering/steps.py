"""Amounts per group and step, and how a span of time that crosses steps is divided among them.

A step is an hour, or less where windows begin within hours; the quantity of every longer window is the sum of its steps, so
hours add up to days and days to months. A span's amount is spread evenly over the span, and each step gets the part that
falls into it. The parts are cut from the running total (floor of amount x elapsed / length), so they are whole nano-units,
never negative for a positive amount, and add up to the amount exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

#: (group, start of the step in microseconds)
Cell = tuple[int, int]


@dataclass
class Stepped:
    """Nano-units per cell, and the estimated part of them. A cell that is there at all was metered."""

    quantity: dict[Cell, int] = field(default_factory=dict)
    estimated: dict[Cell, int] = field(default_factory=dict)

    def add(self, cell: Cell, nano: int, estimated: bool) -> None:
        """Add an amount to a cell."""
        self.quantity[cell] = self.quantity.get(cell, 0) + nano
        if estimated:
            self.estimated[cell] = self.estimated.get(cell, 0) + nano


def steps_of(starts_us: np.ndarray, ends_us: np.ndarray, step_us: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last step (numbers since the epoch) that each span (start, end] touches."""
    last = (ends_us - 1) // step_us
    return np.minimum(starts_us // step_us, last), last


def runs_of(groups: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Places at which a new (group, step) begins in columns sorted by both."""
    if len(groups) == 0:
        return np.zeros(0, dtype=np.int64)
    changes = (np.diff(groups) != 0) | (np.diff(steps) != 0)
    return np.concatenate(([0], np.flatnonzero(changes) + 1))


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

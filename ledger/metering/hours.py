"""Amounts per group and hour, and how a span of time that crosses hours is divided among them.

A span's amount is spread evenly over the span, and each hour gets the part that falls into it. The parts are cut from
the running total (floor of amount x elapsed / length), so they are whole nano-units, never negative for a
positive amount, and add up to the amount exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from meterbook.wire.instants import HOUR_US

#: (group, start of the hour in microseconds)
Cell = tuple[int, int]


@dataclass
class Hourly:
    """Nano-units per cell, and the estimated part of them. A cell that is there at all was metered."""

    quantity: dict[Cell, int] = field(default_factory=dict)
    estimated: dict[Cell, int] = field(default_factory=dict)

    def add(self, cell: Cell, nano: int, estimated: bool) -> None:
        """Add an amount to a cell."""
        self.quantity[cell] = self.quantity.get(cell, 0) + nano
        if estimated:
            self.estimated[cell] = self.estimated.get(cell, 0) + nano


def hours_of(starts_us: np.ndarray, ends_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last hour (numbers since the epoch) that each span (start, end] touches."""
    last = (ends_us - 1) // HOUR_US
    return np.minimum(starts_us // HOUR_US, last), last


def runs_of(groups: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Places at which a new (group, hour) begins in columns sorted by both."""
    if len(groups) == 0:
        return np.zeros(0, dtype=np.int64)
    changes = (np.diff(groups) != 0) | (np.diff(hours) != 0)
    return np.concatenate(([0], np.flatnonzero(changes) + 1))


def pieces(start_us: int, end_us: int, amount: int, low_us: int, high_us: int) -> Iterator[tuple[int, int]]:
    """(start of the hour, part of the amount) for each hour in [low, high) that a span of positive length touches.

    ``low_us`` and ``high_us`` are whole hours. A mistaken time can make a span of centuries, so the hours that
    nobody asked for are not walked through.
    """
    length = end_us - start_us
    hour_us = max(start_us // HOUR_US * HOUR_US, low_us)
    given = amount * max(0, hour_us - start_us) // length
    while hour_us < min(end_us, high_us):
        elapsed = min(hour_us + HOUR_US, end_us) - start_us
        total = amount * elapsed // length
        yield hour_us, total - given
        given = total
        hour_us += HOUR_US

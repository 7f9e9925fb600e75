"""What an aggregation gives: amounts per window, each of a part of something that belongs to somebody.

A part has one source, because whether a source was observed is told source by source. Where several told of the same, one of
them has the amount and the others have nothing, but are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ledger.metering.grid import Grid
from ledger.metering.subjects import Key
from ledger.metering.sums import Sums

#: (number of a resource or part, start of the window or step in microseconds)
Cell = tuple[int, int]


@dataclass(frozen=True)
class Resource:
    """Whose it is, and by what it is told from others of the key."""

    key: Key
    name: str


@dataclass(frozen=True)
class Part:
    """A resource, as far as one source told of it."""

    resource: Resource
    source: str


@dataclass(frozen=True)
class Aggregated:
    """Nano-units per part (a place in ``parts``) and start of the window, and the estimated part of them."""

    quantity: Mapping[Cell, int]
    parts: list[Part]
    estimated: Mapping[Cell, int] = field(default_factory=dict)


def attributed(
    quantity: Mapping[Cell, int],
    estimated: Mapping[Cell, int],
    resources: list[Resource],
    behind: Mapping[Cell, set[str]],
) -> Aggregated:
    """Amounts per resource and window, given the sources behind each of them, one at least."""
    places: dict[tuple[int, str], int] = {}
    amounts: dict[Cell, int] = {}
    doubtful: dict[Cell, int] = {}
    for cell, amount in quantity.items():
        for number, source in enumerate(sorted(behind[cell])):
            part = (places.setdefault((cell[0], source), len(places)), cell[1])
            amounts[part] = 0 if number else amount
            doubtful[part] = 0 if number else estimated.get(cell, 0)
    return Aggregated(amounts, [Part(resources[place], source) for place, source in places], doubtful)


def gathered(
    found: Aggregated, by: Callable[[Resource], Resource]
) -> tuple[list[Resource], dict[Cell, tuple[int, int]], dict[Cell, set[str]]]:
    """Everything by other resources: which there are, quantity and estimated part of each and window, and the sources behind them."""
    places: dict[Resource, int] = {}
    of = [places.setdefault(by(part.resource), len(places)) for part in found.parts]
    amounts: dict[Cell, tuple[int, int]] = {}
    behind: dict[Cell, set[str]] = {}
    for cell, quantity in found.quantity.items():
        whole = (of[cell[0]], cell[1])
        before, doubtful = amounts.get(whole, (0, 0))
        amounts[whole] = before + quantity, doubtful + found.estimated.get(cell, 0)
        behind.setdefault(whole, set()).add(found.parts[cell[0]].source)
    return list(places), amounts, behind


def folded(quantity: Mapping[Cell, int], grid: Grid, parts: list[Part]) -> Aggregated:
    """What steps add up to in the windows that they belong to; steps outside of the grid are left out. Groups are places of parts."""
    inside = [cell for cell in quantity if grid.start_us <= cell[1] < grid.end_us]
    starts = grid.starts_of(np.array([at_us for _, at_us in inside], np.int64)).tolist()
    found: dict[Cell, int] = {}
    for step, start_us in zip(inside, starts, strict=True):
        cell = (step[0], start_us)
        found[cell] = found.get(cell, 0) + quantity[step]
    return Aggregated(found, parts)


def summed_up(sums: Sums, grid: Grid, parts: Sequence[Part], estimated: Sums | None = None) -> Aggregated:
    """The same for sums; where parts are equal, they are one."""
    places: dict[Part, int] = {}
    groups = np.array([places.setdefault(part, len(places)) for part in parts], np.int64)
    cells = [
        each.by(groups, grid.starts_of, grid.start_us, grid.end_us).cells() for each in (sums, estimated or Sums())
    ]
    return Aggregated(cells[0], list(places), cells[1])

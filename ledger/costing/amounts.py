"""What an allocation comes to: cost x share, and x share again for each pool on the way, added up by whatever is asked for, exactly.

Amounts are whole numbers of a unit that is 10^12 times as fine after each stage: 10^-18 of the currency for a cost, 10^-30 for a share of it, 10^-42 for a share of
a share. Columns of Python's integers hold them, which have no end. Costs of profiles with the same keys are added up before they are
multiplied, and shares of a key that are asked for as one before that: every product is exact, so it makes no difference to the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact

import numpy as np
import pyarrow as pa

from ledger.costing.allocating import ABSENT, Allocated, Stage
from ledger.costing.profiles import numbered
from ledger.costing.shares import WHOLE, WHOLE_DIGITS, Shares, whole_numbers
from meterbook.wire.sections import AMOUNT

#: Columns of numbers along the rows of a stage's shares.
Of = Callable[[Stage], Sequence[np.ndarray]]
#: Numbers of what is asked for, along ``by`` and then ``of``.
Cell = tuple[int, ...]

_COST = pa.decimal256(76, AMOUNT.scale)
#: Digits enough for any sum after any number of stages that somebody can think of.
_EXACT = Context(prec=10_000, traps=[Inexact])


@dataclass(frozen=True)
class Amount:
    """What some parts add up to, and how many charges they are parts of (in each stage once)."""

    cost: Decimal
    charges: int


@dataclass(frozen=True)
class _Coming:
    """What comes into a stage: columns of equal length. ``depth`` shares were multiplied to get ``numbers``."""

    by: Sequence[np.ndarray]
    key: np.ndarray
    numbers: np.ndarray
    charges: np.ndarray
    depth: int


@dataclass(frozen=True)
class _Told:
    """What stays with somebody: columns of equal length, a row per cell."""

    cells: Sequence[np.ndarray]
    numbers: np.ndarray
    charges: np.ndarray
    depth: int


@dataclass
class _Flow:
    """What comes into a stage, along the groups of profiles: ``depth`` shares were multiplied to get it."""

    numbers: np.ndarray
    depth: int = 0

    def add(self, at: np.ndarray, numbers: np.ndarray, depth: int) -> None:
        if depth > self.depth:
            self.numbers, self.depth = self.numbers * WHOLE ** (depth - self.depth), depth
        self.numbers[at] += numbers * WHOLE ** (self.depth - depth)


@dataclass(frozen=True)
class Part:
    """Somebody's part of one profile in one stage (its place): ``cost`` is the profile's cost x ``share``."""

    row: int
    stage: int
    cost: Decimal
    share: Decimal


def amounts(
    allocated: Allocated, cost: str, by: Sequence[np.ndarray], of: Of, *, only: int | None = None
) -> dict[Cell, Amount]:
    """Sums of parts, of all targets or ``only`` of one. ``by`` are columns of numbers along the profiles, ``of`` gives such along the shares of a stage."""
    sums: dict[Cell, tuple[int, int, int]] = {}
    for told in _parts(allocated, cost, by, of, only):
        cells = (
            zip(*(column.tolist() for column in told.cells), strict=True) if told.cells else [()] * len(told.numbers)
        )
        for cell, number, count in zip(cells, told.numbers.tolist(), told.charges.tolist(), strict=True):
            held, held_depth, held_count = sums.get(cell, (0, 0, 0))
            deep = max(told.depth, held_depth)
            both = number * WHOLE ** (deep - told.depth) + held * WHOLE ** (deep - held_depth)
            sums[cell] = (both, deep, held_count + count)
    return {cell: Amount(_decimal(number, depth), count) for cell, (number, depth, count) in sorted(sums.items())}


def largest(allocated: Allocated, cost: str, target: int, limit: int) -> tuple[list[Part], int]:
    """The greatest parts of a target, whatever their sign, and how many there are. A part of nothing is none."""
    found: list[tuple[int, int, int, int, int]] = []
    rows = np.arange(len(allocated.profiles))
    place = {id(stage): number for number, stage in enumerate(allocated.stages)}
    told = list(
        _parts(allocated, cost, [rows], lambda stage: [np.full(len(stage.shares.key), place[id(stage)])], target)
    )
    deepest = max((each.depth for each in told), default=0)
    count = 0
    for each in told:
        some = np.flatnonzero(each.numbers)
        count += len(some)
        size = np.abs(each.numbers[some]) * WHOLE ** (deepest - each.depth)
        for at in some[np.argsort(-size, kind="stable")[:limit]].tolist():
            row, stage = (int(column[at]) for column in each.cells)
            found.append(
                (-abs(each.numbers[at]) * WHOLE ** (deepest - each.depth), row, stage, each.numbers[at], each.depth)
            )
    parts = []
    for _, row, stage, number, depth in sorted(found)[:limit]:
        whole = allocated.profiles.costs[cost][row].as_py()
        share = number // int(whole.scaleb(AMOUNT.scale, _EXACT))
        parts.append(Part(row, stage, _decimal(number, depth), Decimal(share).scaleb(-depth * WHOLE_DIGITS, _EXACT)))
    return parts, count


def exact_total(costs: Iterable[Decimal]) -> Decimal:
    """The exact sum of any number of costs."""
    found = Decimal(0)
    for each in costs:
        found = _EXACT.add(found, each)
    return found


def _decimal(number: int, depth: int) -> Decimal:
    return Decimal(number).scaleb(-AMOUNT.scale - depth * WHOLE_DIGITS, _EXACT)


def _parts(allocated: Allocated, cost: str, by: Sequence[np.ndarray], of: Of, only: int | None) -> Iterator[_Told]:
    """For each stage what it leaves with somebody."""
    costs, charges, stages = allocated.profiles.costs[cost], allocated.profiles.charges, allocated.stages
    first, every = stages[0], np.arange(len(charges))
    codes, at = numbered([*by, first.key], len(every))
    sums, counts = _costs(costs, codes, len(at)), _counts(codes, len(at), charges)
    yield _told(first, _Coming([column[at] for column in by], first.key[at], sums, counts, 0), of, only)
    comes_later = np.logical_or.reduce([stage.key != ABSENT for stage in stages[1:]] or [np.zeros(len(every), bool)])
    later = np.flatnonzero(comes_later)
    codes, at = numbered([*(column[later] for column in by), *(stage.key[later] for stage in stages)], len(later))
    counts = _counts(codes, len(at), charges[later])
    flows: dict[int | None, _Flow] = {None: _Flow(_costs(costs.take(pa.array(later)), codes, len(at)))}
    at = later[at]
    for stage in stages:
        here = np.flatnonzero(stage.key[at] != ABSENT)
        key, flow = stage.key[at[here]], flows[stage.pool]
        if stage.pool is not None:
            coming = _Coming([column[at[here]] for column in by], key, flow.numbers[here], counts[here], flow.depth)
            yield _told(stage, coming, of, only)
        for target in sorted(stage.passes_on):
            share = _of_target(stage.shares, target)[key]
            held = flows.setdefault(target, _Flow(np.zeros(len(at), object)))
            held.add(here, flow.numbers[here] * share, flow.depth + 1)


def _told(stage: Stage, coming: _Coming, of: Of, only: int | None) -> _Told:
    """What a stage leaves with somebody: rows are added up by key, multiplied, and added up by cell."""
    group, group_at = numbered([*coming.by, coming.key], len(coming.key))
    numbers = _sums(group, len(group_at), coming.numbers)
    charges = _counts(group, len(group_at), coming.charges)
    by, key = [column[group_at] for column in coming.by], coming.key[group_at]
    stays = ~np.isin(stage.shares.target, list(stage.passes_on))
    if only is not None:
        stays &= stage.shares.target == only
    staying = np.flatnonzero(stays)
    asked = [column[staying] for column in of(stage)]
    held, held_at = numbered([stage.shares.key[staying], *asked], len(staying))
    share = np.zeros(len(held_at), np.int64)
    np.add.at(share, held, stage.shares.share[staying])
    # Rows come by key, and numbers in the order in which rows come first.
    starts = np.searchsorted(stage.shares.key[staying][held_at], np.arange(int(stage.shares.key.max(initial=-1)) + 2))
    counts = starts[key + 1] - starts[key]
    row = np.repeat(np.arange(len(key)), counts)
    at = starts[key][row] + np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns = [*(column[row] for column in by), *(column[held_at][at] for column in asked)]
    cell, cell_at = numbered(columns, len(row))
    found = _sums(cell, len(cell_at), numbers[row] * share[at].astype(object))
    counted = _counts(cell, len(cell_at), charges[row])
    return _Told([column[cell_at] for column in columns], found, counted, coming.depth + 1)


def _of_target(shares: Shares, target: int) -> np.ndarray:
    """The share of a target by key, as Python's integers."""
    found = np.zeros(int(shares.key.max(initial=-1)) + 1, np.int64)
    rows = np.flatnonzero(shares.target == target)
    np.add.at(found, shares.key[rows], shares.share[rows])
    return found.astype(object)


def _costs(column: pa.ChunkedArray, codes: np.ndarray, count: int) -> np.ndarray:
    """Sums of costs by code, in units of their last digit, as Python's integers."""
    table = pa.table({"code": codes, "cost": column.cast(_COST)}).group_by("code").aggregate([("cost", "sum")])
    found = np.zeros(count, object)
    found[table["code"].to_numpy()] = whole_numbers(table["cost_sum"].cast(AMOUNT)).astype(object)
    return found


def _sums(codes: np.ndarray, count: int, numbers: np.ndarray) -> np.ndarray:
    """Sums of Python's integers by code."""
    found = np.zeros(count, object)
    if len(codes):
        order = np.argsort(codes, kind="stable")
        found[:] = np.add.reduceat(numbers[order], np.searchsorted(codes[order], np.arange(count)))
    return found


def _counts(codes: np.ndarray, count: int, charges: np.ndarray) -> np.ndarray:
    found = np.zeros(count, np.int64)
    np.add.at(found, codes, charges)
    return found

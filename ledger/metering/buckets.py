"""Quantities of shorter pieces of a window, made into one: the peak of the hours of a month, the mean of its days.

Each bucket is aggregated by itself, as if it were the window. Then either the tenant's sums over all resources are combined, or
what each resource has is combined first and summed afterwards: the highest hour of all machines together, or the sum of the
highest hours of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ledger.directory.making import Buckets
from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering import nano
from ledger.metering.aggregated import Aggregated, Cell, Resource, attributed, gathered
from ledger.metering.aggregations import aggregation_of, buckets_of
from ledger.metering.grid import Grid, ceil_us
from ledger.metering.percentile import rank
from ledger.metering.windows import Windows

#: A quantity, and the estimated part of it.
_Pair = tuple[int, int]


def aggregated(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """Quantities of the windows of a grid, by way of the meter's buckets where it has some."""
    aggregate = aggregation_of(meter).aggregate
    if meter.buckets is None:
        return aggregate(view, meter, grid)
    inner = buckets_of(meter, meter.buckets)
    # A bucket belongs to the window in which it begins, and is never cut: days need not begin with an hour.
    starts_us = ceil_us(inner, grid.start_us), ceil_us(inner, grid.end_us)
    found = aggregate(view, meter, Grid(*starts_us, inner))
    whole = meter.buckets.of == "tenant"
    resources, amounts, behind = gathered(found, lambda each: Resource(each.key, "") if whole else each)
    windows: dict[Cell, dict[int, _Pair]] = defaultdict(dict)
    sources: dict[Cell, set[str]] = defaultdict(set)
    for (place, start_us), pair in amounts.items():
        cell = (place, grid.start_of(start_us))
        windows[cell][start_us] = pair
        sources[cell].update(behind[place, start_us])
    told = {cell: list(pairs.values()) for cell, pairs in windows.items()}
    if meter.buckets.empty == "zero":
        for cell, pairs in windows.items():
            first_us, last_us = grid.within(cell[1])
            # What has not begun yet is not empty.
            begun = _begun(inner, first_us, min(last_us, view.time_us))
            told[cell] += [(0, 0)] * (begun - sum(start_us < view.time_us for start_us in pairs))
    combined = {cell: _one_of(pairs, meter.buckets) for cell, pairs in told.items()}
    quantity, estimated = ({cell: pair[part] for cell, pair in combined.items()} for part in (0, 1))
    return attributed(quantity, estimated, resources, sources)


def aggregated_by_key(view: View, meter: Meter, grid: Grid) -> Aggregated:
    """The same sums; what resources of a key have may stand together."""
    by_key = aggregation_of(meter).by_key
    return aggregated(view, meter, grid) if meter.buckets is not None or by_key is None else by_key(view, meter, grid)


def _begun(inner: Windows, start_us: int, end_us: int) -> int:
    """How many buckets begin in [start, end)."""
    return max(0, len(inner.edges(ceil_us(inner, start_us), end_us)) - 1)


def _one_of(pairs: Sequence[_Pair], buckets: Buckets) -> _Pair:
    if buckets.combine in ("sum", "average"):
        count = len(pairs) if buckets.combine == "average" else 1
        amount, doubtful = (nano.round_half_even(sum(column), count) for column in zip(*pairs, strict=True))
        return amount, doubtful
    ordered = sorted(pairs)
    if buckets.percentile is not None:
        return ordered[rank(buckets.percentile, len(ordered))]
    return ordered[0] if buckets.combine == "min" else ordered[-1]

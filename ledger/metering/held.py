"""What events say there is, for as long as it is: value x seconds, each value held until the next event of its resource.

Seats that are taken and given back, volumes that grow, machines that are started and stopped: events tell of each change, and
nothing comes in between. So a value is held until another is told, however long that takes, and until now at the most: unlike
a gauge that is read every minute, silence says that nothing has changed.
"""

from __future__ import annotations

import numpy as np

from ledger.metering.aggregated import Aggregated, Part, summed_up
from ledger.metering.grid import Grid
from ledger.metering.integral import weighed
from ledger.metering.points import Points
from ledger.metering.steps import Spans
from ledger.metering.sums import Sums


def held(points: Points, grid: Grid, now_us: int) -> Aggregated:
    """Value x seconds per resource and window; ``points`` are those before the grid, too."""
    return _held(points, np.where(_is_followed(points), _next(points), now_us), grid)


def held_until_told(points: Points, grid: Grid, max_gap_us: int) -> Aggregated:
    """The same for samples: each holds until the next of its resource, ``max_gap_us`` at most, and the last for nothing."""
    until = np.minimum(_next(points), points.times + max_gap_us)
    return _held(points, np.where(_is_followed(points), until, points.times), grid)


def _is_followed(points: Points) -> np.ndarray:
    """Of which points there is a later one of the same resource."""
    return np.append(points.groups[1:] == points.groups[:-1], False)[: len(points.times)]


def _next(points: Points) -> np.ndarray:
    """The time of the next point, whosever it is."""
    return np.append(points.times[1:], 0)[: len(points.times)]


def _held(points: Points, until: np.ndarray, grid: Grid) -> Aggregated:
    begins, ends = np.maximum(points.times, grid.start_us), np.minimum(until, grid.end_us)
    lasting = ends > begins
    # Time belongs to the source that told of what is held meanwhile.
    tellers, places = np.unique(np.stack((points.groups, points.origins)), axis=1, return_inverse=True)
    parts = [Part(points.resources[group], points.sources[origin]) for group, origin in tellers.T.tolist()]
    order = np.flatnonzero(lasting)[np.argsort(places[lasting], kind="stable")]
    spans = Spans(places[order], begins[order], ends[order], points.whole[order], points.rest[order])
    sums = Sums()
    weighed(spans, grid.step_us, sums)
    return summed_up(sums.per_second(), grid, parts)


def present(points: Points) -> Points:
    """The same, with 1 for every value that is not 0."""
    ones = ((points.whole != 0) | (points.rest != 0)).astype(np.int64)
    return points.valued(ones, np.zeros_like(ones))

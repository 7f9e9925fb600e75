"""What events say there is, for as long as it is: value x seconds, each value held until the next event of its resource.

Seats that are taken and given back, volumes that grow, machines that are started and stopped: events tell of each change, and
nothing comes in between. So a value is held until another is told, however long that takes, and until now at the most: unlike
a gauge that is read every minute, silence says that nothing has changed.
"""

from __future__ import annotations

import numpy as np

from ledger.metering.aggregated import Aggregated, Part, folded
from ledger.metering.grid import Grid
from ledger.metering.integral import Spans, weighed
from ledger.metering.points import Points


def held(points: Points, grid: Grid, now_us: int) -> Aggregated:
    """Value x seconds per resource and window; ``points`` are those before the grid, too."""
    count = len(points.times)
    same = np.append(points.groups[1:] == points.groups[:-1], False)[:count]
    end_us = min(now_us, grid.end_us)
    until = np.where(same, np.append(points.times[1:], 0)[:count], end_us)
    begins, ends = np.maximum(points.times, grid.start_us), np.minimum(until, end_us)
    lasting = ends > begins
    # Time belongs to the source that told of what is held meanwhile.
    tellers, places = np.unique(np.stack((points.groups, points.origins)), axis=1, return_inverse=True)
    parts = [Part(points.resources[group], points.sources[origin]) for group, origin in tellers.T.tolist()]
    order = np.flatnonzero(lasting)[np.argsort(places[lasting], kind="stable")]
    spans = Spans(places[order], begins[order], ends[order], points.whole[order], points.rest[order])
    return folded(weighed(spans, grid.step_us), grid, parts)


def present(points: Points) -> Points:
    """The same, with 1 for every value that is not 0."""
    ones = ((points.whole != 0) | (points.rest != 0)).astype(np.int64)
    return points.valued(ones, np.zeros_like(ones))

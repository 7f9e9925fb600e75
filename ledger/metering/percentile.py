"""A percentile of the values of a window, by nearest rank: the least value that so many percent of them do not exceed.

It is always a value that was there: of 20 values the 95th percentile is the 19th, and of one it is that one (Hyndman and Fan,
"Sample Quantiles in Statistical Packages", 1996, definition 1).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np

from ledger.metering.aggregated import Aggregated
from ledger.metering.grid import Grid
from ledger.metering.points import Points, ordered


def rank(percent: Decimal, count: int) -> int:
    """The place, from 0, of a percentile among so many values in ascending order."""
    share = Fraction(percent) * count / 100
    return max(0, -(-share.numerator // share.denominator) - 1)


def percentile(points: Points, grid: Grid, percent: Decimal) -> Aggregated:
    """The percentile of each resource and window in which it has a value."""
    found = ordered(points, grid)
    ranks = [rank(percent, count) for count in (found.ends - found.starts).tolist()]
    return found.aggregated(found.points.nano(found.starts + np.array(ranks, np.int64)))

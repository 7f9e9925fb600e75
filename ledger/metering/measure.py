"""One meter over a range of time: a pure function of (meter, range, view), and so of (meter, range, journal position).

Everything that is booked or answered comes from here. Asked twice it gives the same; asked for a longer range it gives
the same for the windows of the shorter one within.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from ledger.directory.making import Rounding
from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering.aggregated import Aggregated
from ledger.metering.buckets import aggregated_by_key
from ledger.metering.grid import Grid
from ledger.metering.nano import round_half_even, rounded
from ledger.metering.observation import Observation
from ledger.metering.subjects import Key
from ledger.metering.windows import Windows


class Amount(NamedTuple):
    """Nano-units, the estimated part of them, and observed and expected microseconds of the sources behind them."""

    quantity: int = 0
    estimated: int = 0
    observed_us: int = 0
    expected_us: int = 0

    def __add__(self, other: Amount) -> Amount:  # type: ignore[override]
        return Amount(
            self.quantity + other.quantity,
            self.estimated + other.estimated,
            self.observed_us + other.observed_us,
            self.expected_us + other.expected_us,
        )

    def __sub__(self, other: Amount) -> Amount:
        return self + Amount(-other.quantity, -other.estimated, -other.observed_us, -other.expected_us)


NOTHING = Amount()
_EXACT = Rounding()

#: Amounts by key and start of the window in microseconds.
Measured = Mapping[tuple[Key, int], Amount]


def windows_of(meter: Meter) -> Windows:
    """The windows that a meter's quantities are made for."""
    return Windows(meter.window.unit, meter.window.zone, meter.window.anchor)


def measure(view: View, meter: Meter, start_us: int, end_us: int) -> Measured:
    """Amounts of the meter's windows that begin in [start_us, end_us); both are edges of such windows."""
    return measure_grid(view, meter, Grid(start_us, end_us, windows_of(meter)))


def measure_grid(view: View, meter: Meter, grid: Grid) -> Measured:
    """Amounts of the windows of a grid, which need not be those of the meter."""
    found = aggregated_by_key(view, meter, grid)
    amounts = quantities(found, meter)
    if not amounts:
        return {}
    observation = Observation(view, grid.start_us, grid.end_us)
    # Of a window, each source behind a quantity is observed once, whatever parts it has told of.
    behind: dict[tuple[Key, str], set[int]] = defaultdict(set)
    for place, start_us in found.quantity:
        part = found.parts[place]
        behind[part.resource.key, part.source].add(start_us)
    observed: dict[tuple[Key, int], tuple[int, int]] = {}
    within = {start_us: grid.within(start_us) for start_us in set[int]().union(*behind.values())}
    for (key, source), starts in behind.items():
        windows = [within[start_us] for start_us in starts]
        for start_us, now in zip(starts, observation.windows(source, windows), strict=True):
            before = observed.get((key, start_us), (0, 0))
            observed[key, start_us] = before[0] + now[0], before[1] + now[1]
    return {cell: Amount(*amount, *observed[cell]) for cell, amount in amounts.items()}


def quantities(found: Aggregated, meter: Meter) -> dict[tuple[Key, int], tuple[int, int]]:
    """What an aggregation gives, summed by key and window, in the unit of the meter, and the estimated part; nothing of coverage."""
    sums: dict[tuple[Key, int], tuple[int, int]] = {}
    keys = [part.resource.key for part in found.parts]
    for place_cell, quantity in found.quantity.items():
        cell = (keys[place_cell[0]], place_cell[1])
        before = sums.get(cell, (0, 0))
        sums[cell] = before[0] + quantity, before[1] + found.estimated.get(place_cell, 0)
    factor = meter.factor
    if factor == 1 and meter.rounding == _EXACT:
        return sums
    return {
        cell: (_told(pair[0], factor, meter.rounding), _told(pair[1], factor, meter.rounding))
        for cell, pair in sums.items()
    }


def _told(nano: int, factor: Fraction, rounding: Rounding) -> int:
    """An amount in the unit, and with the digits, that the meter tells it in."""
    return rounded(round_half_even(nano * factor.numerator, factor.denominator), rounding)

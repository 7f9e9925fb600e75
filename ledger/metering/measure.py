"""One meter over a range of time: a pure function of (meter, range, view), and so of (meter, range, journal position).

Everything that is booked or answered comes from here. Asked twice it gives the same; asked for a longer range it gives
the same for the windows of the shorter one within.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ledger.directory.making import Rounding
from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering.aggregated import Aggregated
from ledger.metering.buckets import aggregated
from ledger.metering.grid import Grid
from ledger.metering.nano import round_half_even, rounded
from ledger.metering.observation import Observation
from ledger.metering.subjects import Key
from ledger.metering.windows import Windows


@dataclass(frozen=True)
class Amount:
    """Nano-units, the estimated part of them, and observed and expected microseconds of the sources behind them."""

    quantity: int = 0
    estimated: int = 0
    observed_us: int = 0
    expected_us: int = 0

    def __add__(self, other: Amount) -> Amount:
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
    found = aggregated(view, meter, grid)
    amounts = quantities(found, meter)
    if not amounts:
        return {}
    sources: dict[tuple[Key, int], set[str]] = defaultdict(set)
    for place, start_us in found.quantity:
        part = found.parts[place]
        sources[part.resource.key, start_us].add(part.source)
    observation = Observation(view, grid.start_us, grid.end_us)
    for (key, start_us), behind in sources.items():
        for source in behind:
            observed_us, expected_us = observation.window(source, *grid.within(start_us))
            amounts[key, start_us] += Amount(0, 0, observed_us, expected_us)
    return amounts


def quantities(found: Aggregated, meter: Meter) -> dict[tuple[Key, int], Amount]:
    """What an aggregation gives, summed by key and window, in the unit of the meter; nothing is said of coverage."""
    sums: dict[tuple[Key, int], Amount] = {}
    for (place, start_us), quantity in found.quantity.items():
        cell = (found.parts[place].resource.key, start_us)
        sums[cell] = sums.get(cell, NOTHING) + Amount(quantity, found.estimated.get((place, start_us), 0))
    factor = meter.factor
    return {cell: _told(amount, factor, meter.rounding) for cell, amount in sums.items()}


def _told(amount: Amount, factor: Fraction, rounding: Rounding) -> Amount:
    """An amount in the unit, and with the digits, that the meter tells it in."""
    if factor == 1 and rounding == _EXACT:
        return amount
    converted = (
        round_half_even(nano * factor.numerator, factor.denominator) for nano in (amount.quantity, amount.estimated)
    )
    quantity, estimated = (rounded(nano, rounding) for nano in converted)
    return Amount(quantity, estimated)

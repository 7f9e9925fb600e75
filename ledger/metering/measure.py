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
    if not found.quantity:
        return {}
    observed = _observed(found, Observation(view, grid.start_us, grid.end_us), grid)
    amounts = quantities(found, meter)
    # A month of many tenants is large: what has its place in the answer is let go of.
    del found
    measured: dict[tuple[Key, int], Amount] = {}
    for key in list(amounts):
        seen = observed.pop(key)
        for start_us, amount in amounts.pop(key).items():
            measured[key, start_us] = Amount(*amount, *seen[start_us])
    return measured


def quantities(found: Aggregated, meter: Meter) -> dict[Key, dict[int, tuple[int, int]]]:
    """What an aggregation gives, summed by key and window, in the unit of the meter, and the estimated part; nothing of coverage."""
    by_key: dict[Key, dict[int, tuple[int, int]]] = {}
    sums = [by_key.setdefault(part.resource.key, {}) for part in found.parts]
    for place_cell, quantity in found.quantity.items():
        windows, start_us = sums[place_cell[0]], place_cell[1]
        before = windows.get(start_us, (0, 0))
        windows[start_us] = before[0] + quantity, before[1] + found.estimated.get(place_cell, 0)
    told = {key: windows for key, windows in by_key.items() if windows}
    factor = meter.factor
    if factor == 1 and meter.rounding == _EXACT:
        return told
    return {
        key: {
            start_us: (_told(pair[0], factor, meter.rounding), _told(pair[1], factor, meter.rounding))
            for start_us, pair in windows.items()
        }
        for key, windows in told.items()
    }


def _observed(found: Aggregated, observation: Observation, grid: Grid) -> dict[Key, dict[int, tuple[int, int]]]:
    """Observed and expected time by key and window: of each source behind a quantity once, whatever parts it has told of."""
    behind: dict[Key, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    starts = [behind[part.resource.key][part.source] for part in found.parts]
    for place, start_us in found.quantity:
        starts[place].add(start_us)
    within = {start_us: grid.within(start_us) for start_us in set[int]().union(*starts)}
    observed: dict[Key, dict[int, tuple[int, int]]] = {}
    for key, sources in behind.items():
        windows = observed[key] = {}
        for source, mine in sources.items():
            told = observation.windows(source, [within[start_us] for start_us in mine])
            for start_us, (seen_us, expected_us) in zip(mine, told, strict=True):
                before = windows.get(start_us, (0, 0))
                windows[start_us] = before[0] + seen_us, before[1] + expected_us
    return observed


def _told(nano: int, factor: Fraction, rounding: Rounding) -> int:
    """An amount in the unit, and with the digits, that the meter tells it in."""
    return rounded(round_half_even(nano * factor.numerator, factor.denominator), rounding)

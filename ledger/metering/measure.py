"""One meter over a range of hours: a pure function of (meter, range, view), and so of (meter, range, journal position).

Everything that is booked or answered comes from here. Asked twice it gives the same; asked for a longer range it gives
the same for the shorter one within.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering.aggregations import AGGREGATIONS
from ledger.metering.observation import Observation
from ledger.metering.subjects import Key


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

#: Amounts by key and start of the hour in microseconds.
Measured = Mapping[tuple[Key, int], Amount]


def measure(view: View, meter: Meter, start_us: int, end_us: int) -> Measured:
    """Amounts of the hours that begin in [start_us, end_us); both are whole hours."""
    found = AGGREGATIONS[meter.aggregation].aggregate(view, meter, start_us, end_us)
    amounts: dict[tuple[Key, int], Amount] = defaultdict(Amount)
    sources: dict[tuple[Key, int], set[str]] = defaultdict(set)
    for (group, hour_us), quantity in found.hourly.quantity.items():
        if start_us <= hour_us < end_us:
            cell = (found.key_of(group), hour_us)
            amounts[cell] += Amount(quantity, found.hourly.estimated.get((group, hour_us), 0))
            sources[cell].add(found.source_of(group))
    if not amounts:
        return {}
    observation = Observation(view, start_us, end_us)
    for (key, hour_us), behind in sources.items():
        for source in behind:
            observed_us, expected_us = observation.hour(source, hour_us)
            amounts[key, hour_us] += Amount(0, 0, observed_us, expected_us)
    return dict(amounts)

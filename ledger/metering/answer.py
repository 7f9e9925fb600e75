"""Usage as it is asked for: what is booked, and the hours that are not yet, measured as the view shows them.

The sum of both is what the meters measure at the view's position, so what was acknowledged a moment ago is in the
answer although nothing has been booked since, and the same position gives the same answer for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from ledger.directory.catalog import Catalog
from ledger.journal.quantity import to_decimal
from ledger.journal.view import View
from ledger.metering.booking import booked, meter_versions, unbooked_from
from ledger.metering.measure import NOTHING, Amount, Measured, measure
from ledger.metering.subjects import Key
from ledger.metering.usage import Usage
from meterbook.wire.instants import DAY_US, HOUR_US

#: Length of each window that can be asked for, in microseconds; "total" is one window over the whole range.
WINDOWS = {"hour": HOUR_US, "day": DAY_US, "total": None}


class UnknownMeter(LookupError):
    """There is no meter of this name."""


def usage(
    view: View,
    catalog: Catalog,
    start_us: int,
    end_us: int,
    *,
    meters: Collection[str] = (),
    tenants: Collection[str] = (),
    window: str = "total",
) -> list[Usage]:
    """Usage of the hours that begin in [start_us, end_us), sorted by meter, tenant, dimensions and window.

    Empty ``meters`` or ``tenants`` mean all. Raises UnknownMeter for a meter that is not defined.
    """
    unknown = sorted(set(meters) - set(catalog.names("meter")))
    if unknown:
        raise UnknownMeter(unknown[0])
    length_us = WINDOWS[window]
    rows = []
    for name in catalog.names("meter"):
        if meters and name not in meters:
            continue
        sums: dict[tuple[Key, int | None], Amount] = defaultdict(Amount)
        unit = meter_versions(catalog, name)[-1].meter.unit
        for measured in _parts(view, catalog, name, start_us, end_us):
            for (key, hour_us), amount in measured.items():
                if not tenants or key.tenant in tenants:
                    sums[key, None if length_us is None else hour_us // length_us * length_us] += amount
        # What was booked and taken back in full is like what never was.
        found = ((cell, amount) for cell, amount in sums.items() if amount != NOTHING)
        rows += [_usage(name, unit, key, at_us, amount) for (key, at_us), amount in found]
    return sorted(rows, key=lambda row: (row.meter, row.tenant, row.dimensions, row.window_us or 0))


def _parts(view: View, catalog: Catalog, name: str, start_us: int, end_us: int) -> Iterator[Measured]:
    """Amounts of the range in parts that do not overlap: per version the booked hours, then the others."""
    for version in meter_versions(catalog, name):
        low, high = max(start_us, version.start_us), min(end_us, version.end_us)
        if low >= high:
            continue
        live_us = unbooked_from(view, version)
        live_us = high if live_us is None else min(max(live_us, low), high)
        yield booked(view, name, low, live_us)
        first_hour_us, last_hour_us = -(-live_us // HOUR_US) * HOUR_US, -(-high // HOUR_US) * HOUR_US
        if first_hour_us < last_hour_us:
            yield measure(view, version.meter, first_hour_us, last_hour_us)


def _usage(meter: str, unit: str, key: Key, window_us: int | None, amount: Amount) -> Usage:
    return Usage(
        meter,
        key.tenant,
        key.dimensions,
        window_us,
        to_decimal(amount.quantity),
        unit,
        to_decimal(amount.estimated),
        amount.observed_us,
        amount.expected_us,
    )

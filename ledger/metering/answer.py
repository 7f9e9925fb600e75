"""Usage as it is asked for: what is booked, and the windows that are not yet, measured as the view shows them.

The sum of both is what the meters measure at the view's position, so what was acknowledged a moment ago is in the
answer although nothing has been booked since, and the same position gives the same answer for ever.

A quantity that adds up is put together from the meter's own windows. One that does not, such as a peak, is measured anew for
other windows than its own; only the total of a range is always the sum of the meter's own windows, since that is what is billed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import partial

from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.journal.quantity import to_decimal
from ledger.journal.view import View
from ledger.metering.booking import MeterVersion, booked, meter_versions, unbooked_from
from ledger.metering.grid import Grid, ceil_us, floor_us
from ledger.metering.measure import NOTHING, Amount, Measured, measure, measure_grid, windows_of
from ledger.metering.subjects import Key
from ledger.metering.usage import Usage
from ledger.metering.whole import Whole
from ledger.metering.windows import Windows
from ledger.schema.calendar import OWN, TOTAL, UNITS

#: What is booked of a meter for the windows that begin in [start, end).
_Entries = Callable[[int, int], Measured]


class UnknownMeter(LookupError):
    """There is no meter of this name."""


class UnfitWindow(ValueError):
    """A meter has no quantities for such windows; the message says why."""


class TooLarge(ValueError):
    """A quantity has more digits than there are for one; the message names meter and tenant."""


def usage(
    view: View,
    catalog: Catalog,
    start_us: int,
    end_us: int,
    *,
    meters: Collection[str] = (),
    tenants: Collection[str] = (),
    window: str = TOTAL,
    zone: str = "UTC",
) -> list[Usage]:
    """Usage of the windows that begin in [start_us, end_us), sorted by meter, tenant, dimensions and window.

    Empty ``meters`` or ``tenants`` mean all; ``zone`` is where days, and all that is longer, begin. Raises UnknownMeter for a meter
    that is not defined, UnfitWindow, TooLarge, and ValueError for a zone that there is not.
    """
    unknown = sorted(set(meters) - set(catalog.names("meter")))
    if unknown:
        raise UnknownMeter(unknown[0])
    asked = None if window in (TOTAL, OWN) else Windows(window, zone)  # type: ignore[arg-type]
    names = [name for name in catalog.names("meter") if not meters or name in meters]
    # What is booked of the whole range is asked for once: a bill is of dozens of meters.
    units = {name: meter_versions(catalog, name)[-1].meter.unit for name in names}
    whole = Whole.read(view, units, start_us, end_us, tenants) if window == TOTAL else None
    rows: list[Usage] = []
    for name in names:
        if whole is not None and _is_settled(view, catalog, name, start_us, end_us):
            rows += whole.usage(name)
            continue
        sums: dict[tuple[Key, int | None], Amount] = defaultdict(lambda: NOTHING)
        entries = partial(booked, view, name, tenants=tenants, together=window == TOTAL)
        for measured in _parts(view, catalog, name, start_us, end_us, asked, entries):
            for (key, at_us), amount in measured.items():
                if not tenants or key.tenant in tenants:
                    sums[key, None if window == TOTAL else at_us] += amount
        # What was booked and taken back in full is like what never was.
        found = ((cell, amount) for cell, amount in sums.items() if amount != NOTHING)
        made = [_usage(name, units[name], key, at_us, amount) for (key, at_us), amount in found]
        rows += made if whole is None else whole.with_entries(name, made)
    return sorted(rows, key=_place)


def _is_settled(view: View, catalog: Catalog, name: str, start_us: int, end_us: int) -> bool:
    """Whether the range's own windows of a meter are of one version, and what is booked of them is all there is."""
    held = [each for each in meter_versions(catalog, name) if each.start_us < end_us and each.end_us > start_us]
    if len(held) != 1 or held[0].start_us > start_us or held[0].end_us < end_us:
        return False
    live_us = unbooked_from(view, held[0])
    return live_us is None or live_us >= end_us


def tried(
    view: View, name: str, meter: Meter, start_us: int, end_us: int, tenants: Collection[str] = ()
) -> list[Usage]:
    """What a meter that nobody wrote down would give for its windows that begin in [start_us, end_us); sorted as ``usage``."""
    windows = windows_of(meter)
    first_us, last_us = ceil_us(windows, start_us), ceil_us(windows, end_us)
    if first_us >= last_us:
        return []
    rows = [
        _usage(name, meter.unit, key, at_us, amount)
        for (key, at_us), amount in measure(view, meter, first_us, last_us).items()
        if not tenants or key.tenant in tenants
    ]
    return sorted(rows, key=_place)


def _place(row: Usage) -> tuple[str, str, str, int]:
    return row.meter, row.tenant, row.dimensions, row.window_us or 0


def _parts(
    view: View, catalog: Catalog, name: str, start_us: int, end_us: int, asked: Windows | None, entries: _Entries
) -> Iterator[Measured]:
    """Amounts of the range in parts that do not overlap, for the windows asked for, or for what these are made of."""
    for version in meter_versions(catalog, name):
        low, high = max(start_us, version.start_us), min(end_us, version.end_us)
        if low >= high:
            continue
        if asked is None or asked == version.windows:
            yield from _own(view, version, low, high, entries)
        elif _consist(asked, version.windows, version.meter):
            for measured in _own(view, version, low, high, entries):
                yield _gathered(measured, asked)
        else:
            found = measure_grid(view, version.meter, Grid(low, high, asked))
            # A window in which another version takes over has a quantity of each: two peaks are no sum.
            yield {(key, max(at_us, version.start_us)): amount for (key, at_us), amount in found.items()}


def _gathered(measured: Measured, asked: Windows) -> Measured:
    """Sums of shorter windows by the ones asked for in which they begin."""
    found: dict[tuple[Key, int], Amount] = defaultdict(lambda: NOTHING)
    for (key, at_us), amount in measured.items():
        found[key, floor_us(asked, at_us)] += amount
    return found


def _own(view: View, version: MeterVersion, low: int, high: int, entries: _Entries) -> Iterator[Measured]:
    """Amounts of the version's own windows: the booked ones, then the others."""
    live_us = unbooked_from(view, version)
    live_us = high if live_us is None else min(max(live_us, low), high)
    yield entries(low, live_us)
    first_us, last_us = ceil_us(version.windows, live_us), ceil_us(version.windows, high)
    if first_us < last_us:
        yield measure(view, version.meter, first_us, last_us)


def _consist(asked: Windows, own: Windows, meter: Meter) -> bool:
    """Whether the windows asked for are sums of those of the meter."""
    if meter.buckets is not None and UNITS.index(meter.buckets.unit) >= UNITS.index(asked.unit):
        raise UnfitWindow(f"quantities are made of buckets of one {meter.buckets.unit}: ask for longer windows")
    if not meter.is_additive or own.unit == "week" or UNITS.index(own.unit) > UNITS.index(asked.unit):
        return False
    if own.unit in ("minute", "hour"):
        return True
    return own.zone == asked.zone and (own.unit == "day" or own.anchor == asked.anchor)


def _usage(meter: str, unit: str, key: Key, window_us: int | None, amount: Amount) -> Usage:
    try:
        quantity, estimated = to_decimal(amount.quantity), to_decimal(amount.estimated)
    except OverflowError as error:
        raise TooLarge(f"meter {meter}: of {key.tenant} the {error}") from error
    return Usage(
        meter, key.tenant, key.dimensions, window_us, quantity, unit, estimated, amount.observed_us, amount.expected_us
    )

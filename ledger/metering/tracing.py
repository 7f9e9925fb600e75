"""From a number on an invoice back to what was observed: its entries, the parts that it is the sum of, and the batches behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.journal.provenance import batches_of_events, batches_of_samples, entries_of
from ledger.journal.view import View
from ledger.metering.answer import UnknownMeter
from ledger.metering.booking import MeterVersion, meter_versions
from ledger.metering.buckets import aggregated
from ledger.metering.grid import Grid, ceil_us, floor_us
from ledger.metering.measure import quantities
from ledger.metering.series import read_by
from ledger.metering.subjects import Key, texts_of


@dataclass(frozen=True)
class TracedPart:
    """Nano-units, as the aggregation gives them, of one resource as one source told of it; ``labels`` (JSON) are those of a series."""

    dimensions: str
    resource: str
    source: str
    labels: str
    quantity: int
    estimated: int


@dataclass(frozen=True)
class Trace:
    """A window of a meter and a tenant: [start_us, end_us), the version that holds there, and tables of ``provenance``.

    ``quantity`` is in nano-units of the meter's unit, whether it is booked yet or not.
    """

    version: MeterVersion
    start_us: int
    end_us: int
    quantity: int
    entries: pa.Table
    parts: list[TracedPart]
    batches: pa.Table


def trace(view: View, catalog: Catalog, name: str, tenant: str, at_us: int, wanted: Mapping[str, str]) -> Trace:
    """What the quantity of the window that holds an instant is made of, for all dimensions that agree with ``wanted``.

    Raises UnknownMeter for a meter that is not defined, or does not hold then, and ValueError for a time that no window holds.
    """
    version = _version_at(catalog, name, at_us)
    start_us, end_us = floor_us(version.windows, at_us), ceil_us(version.windows, at_us + 1)
    found = aggregated(view, version.meter, Grid(start_us, end_us, version.windows))
    quantity = sum(
        amount.quantity for (key, _), amount in quantities(found, version.meter).items() if _agrees(key, tenant, wanted)
    )
    series = _labels(view, version.meter)
    parts = [
        TracedPart(
            part.resource.key.dimensions,
            part.resource.name,
            part.source,
            series.get(part.resource.name, ""),
            amount,
            found.estimated.get((place, window_us), 0),
        )
        for (place, window_us), amount in found.quantity.items()
        if _agrees((part := found.parts[place]).resource.key, tenant, wanted)
    ]
    entries = entries_of(view, name, tenant, start_us)
    agree = [_agrees(Key(tenant, dimensions), tenant, wanted) for dimensions in entries["dimensions"].to_pylist()]
    return Trace(
        version,
        start_us,
        end_us,
        quantity,
        entries.filter(pa.array(agree, pa.bool_())),
        sorted(parts, key=lambda part: (part.dimensions, part.resource, part.source)),
        _batches(view, version.meter, tenant, wanted, start_us, end_us),
    )


def _version_at(catalog: Catalog, name: str, at_us: int) -> MeterVersion:
    for version in meter_versions(catalog, name):
        if version.start_us <= floor_us(version.windows, at_us) < version.end_us:
            return version
    raise UnknownMeter(name)


def _labels(view: View, meter: Meter) -> dict[str, str]:
    """The labels of each series by its number, which is what it is called as a resource of its own."""
    if meter.source.metric is None or meter.per is not None:
        return {}
    rows = view.series(meter.source.metric)
    pairs = zip(rows["series_id"].to_pylist(), rows["labels"].to_pylist(), strict=True)
    return {str(series_id): labels for series_id, labels in pairs}


def _agrees(key: Key, tenant: str, wanted: Mapping[str, str]) -> bool:
    told = texts_of(key.dimensions)
    return key.tenant == tenant and all(told.get(name) == value for name, value in wanted.items())


def _batches(view: View, meter: Meter, tenant: str, wanted: Mapping[str, str], start_us: int, end_us: int) -> pa.Table:
    if meter.source.event is not None:
        return batches_of_events(view, meter.source.event, tenant, start_us, end_us)
    chosen = read_by(view, meter)
    mine = [
        code for code in range(len(chosen.ids)) if any(_agrees(key, tenant, wanted) for _, key in chosen.history(code))
    ]
    # With the sample before and the one after, between which the quantity lies.
    samples = view.samples(chosen.ids[np.array(mine, np.int64)], start_us, end_us, ends=True)
    return batches_of_samples(view, samples["series_id"].to_numpy(), samples["time_us"].to_numpy())

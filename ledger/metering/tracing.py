"""From a number on an invoice back to what was observed: its entries and why they were booked, the parts that it is the sum of, the
batches behind them, and what operators have amended of the events in these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.journal.amendment import Amendment
from ledger.journal.provenance import amendments_between, batches_at, batches_of_samples, entries_of
from ledger.journal.samples import near
from ledger.journal.view import View
from ledger.metering.answer import UnknownMeter
from ledger.metering.booking import MeterVersion, meter_versions
from ledger.metering.buckets import aggregated
from ledger.metering.corrections import Reasons
from ledger.metering.events import batches_behind
from ledger.metering.grid import Grid, ceil_us, floor_us
from ledger.metering.measure import quantities
from ledger.metering.reassigning import reassignments_of
from ledger.metering.subjects import HELD, Key, dimensions_of, read_by, texts_of, told_by


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

    ``quantity`` is in nano-units of the meter's unit, whether it is booked yet or not; ``reasons`` run along the entries, and
    ``amendments`` are as of ``provenance.amendments_of``.
    """

    version: MeterVersion
    start_us: int
    end_us: int
    quantity: int
    entries: pa.Table
    reasons: list[tuple[str, ...]]
    parts: list[TracedPart]
    batches: pa.Table
    amendments: list[Mapping[str, Any]]


def trace(
    view: View,
    catalog: Catalog,
    name: str,
    tenant: str,
    at_us: int,
    wanted: Mapping[str, str],
    *,
    only_own: bool = False,
) -> Trace:
    """What the quantity of the window that holds an instant is made of, for all dimensions that agree with ``wanted``.

    With ``only_own`` batches are those of samples that were read while their series belonged to the tenant, and not of the one before.
    Raises UnknownMeter for a meter that is not defined, or does not hold then, and ValueError for a time that no window holds.
    """
    version = _version_at(catalog, name, at_us)
    start_us, end_us = floor_us(version.windows, at_us), ceil_us(version.windows, at_us + 1)
    found = aggregated(view, version.meter, Grid(start_us, end_us, version.windows))
    quantity = sum(
        amount
        for key, windows in quantities(found, version.meter).items()
        if _agrees(key, tenant, wanted)
        for amount, _ in windows.values()
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
    entries = entries.filter(pa.array(agree, pa.bool_()))
    reasons = Reasons(view, name, entries["position"].to_pylist())
    return Trace(
        version,
        start_us,
        end_us,
        quantity,
        entries,
        [reasons.of(position, start_us) for position in entries["position"].to_pylist()],
        sorted(parts, key=lambda part: (part.dimensions, part.resource, part.source)),
        _batches(view, version.meter, tenant, wanted, (start_us, end_us), only_own=only_own),
        _amendments(view, version.meter, tenant, wanted, start_us, end_us),
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


def _batches(
    view: View, meter: Meter, tenant: str, wanted: Mapping[str, str], span_us: tuple[int, int], *, only_own: bool
) -> pa.Table:
    start_us, end_us = span_us
    if meter.source.event is not None:
        return batches_at(view, batches_behind(view, meter, start_us, end_us, lambda key: _agrees(key, tenant, wanted)))
    chosen = read_by(view, meter)
    mine = [
        code for code in range(len(chosen.ids)) if any(_agrees(key, tenant, wanted) for _, key in chosen.history(code))
    ]
    # With the sample before and the one after, between which the quantity lies; only what is held ends where its series does.
    ends = meter.aggregation in HELD and meter.per is None
    samples = near(view, chosen.ids[np.array(mine, np.int64)], start_us, end_us, ends=ends)
    ids, times_us = samples["series_id"].to_numpy(), samples["time_us"].to_numpy()
    if only_own:
        owners = chosen.assignments(np.searchsorted(chosen.ids, ids), times_us).tolist()
        own = np.array([_agrees(chosen.keys[owner], tenant, wanted) for owner in owners], bool)
        ids, times_us = ids[own], times_us[own]
    return batches_of_samples(view, ids, times_us)


def _amendments(
    view: View, meter: Meter, tenant: str, wanted: Mapping[str, str], start_us: int, end_us: int
) -> list[Mapping[str, Any]]:
    """Amendments of events that belong to the quantity, or did before."""
    if meter.source.event is None:
        return []
    reassignments, found = reassignments_of(view), []
    for row in amendments_between(view, meter.source.event, start_us, end_us).to_pylist():
        amendment = Amendment.of(row["document"])
        for state in (amendment.before, amendment.after):
            names = told_by(state.properties)
            owner = reassignments.owner(state.tenant, amendment.origin, names, state.time_us)
            dimensions = dimensions_of(meter, names)
            is_inside = start_us <= state.time_us < end_us and not state.is_void
            if is_inside and dimensions is not None and _agrees(Key(owner, dimensions), tenant, wanted):
                found.append(row)
                break
    return found

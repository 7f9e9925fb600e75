"""Booking: writing into the book the difference between what a meter measures and what was booked before.

A run measures the closed hours that anything new since the last run may have changed, subtracts the sums of the
entries that stand, and appends what differs as one record. So late samples become correction entries by themselves, a
run that finds nothing new writes nothing, and a run repeated after a crash finds its own entries and adds none.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.journal.frames import Kind
from ledger.journal.journal import Journal
from ledger.journal.quantity import from_decimal
from ledger.journal.view import View
from ledger.metering.aggregations import AGGREGATIONS
from ledger.metering.measure import NOTHING, Amount, Measured, measure
from ledger.metering.subjects import Key
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire.instants import HOUR_US

#: Later than any hour.
FOREVER_US = 1 << 62


@dataclass(frozen=True)
class MeterVersion:
    """A meter as it holds for the hours that begin in [start_us, end_us)."""

    name: str
    version: int
    meter: Meter
    start_us: int
    end_us: int


def meter_versions(catalog: Catalog, name: str) -> list[MeterVersion]:
    """The versions of a meter that hold at some time, oldest first; together they cover each hour at most once."""
    newest = {each.effective_from_us: each for each in catalog.versions("meter", name)}
    starts = [*sorted(newest), FOREVER_US]
    found = []
    for start_us, end_us in pairwise(starts):
        definition = newest[start_us]
        assert isinstance(definition.spec, Meter)
        found.append(MeterVersion(name, definition.version, definition.spec, _hour_up(start_us), _hour_up(end_us)))
    return found


def unbooked_from(view: View, version: MeterVersion) -> int | None:
    """The first hour of the version that the entries of the view do not settle; None where nothing was ever seen.

    Hours before it are exactly what the sums of their entries say.
    """
    runs = [run for run in view.runs(version.name).to_pylist() if run["version"] == version.version]
    read = max((run["at_position"] for run in runs), default=0)
    touched_us = AGGREGATIONS[version.meter.aggregation].touched_since(view, version.meter, read)
    if runs:
        settled_us: int | None = max(run["end_us"] for run in runs)
    else:
        # What an earlier version booked for these hours is superseded, also where this one measures nothing.
        settled_us = view.first_booked(version.name, version.start_us, version.end_us)
    unsettled = [time_us for time_us in (settled_us, touched_us) if time_us is not None]
    return max(version.start_us, min(unsettled) // HOUR_US * HOUR_US) if unsettled else None


def booked(view: View, name: str, start_us: int, end_us: int) -> Measured:
    """Sums of the entries of a meter, of the hours that begin in [start_us, end_us)."""
    return {
        (Key(row["tenant"], row["dimensions"]), row["hour_us"]): Amount(
            from_decimal(row["quantity"]), from_decimal(row["estimated"]), row["observed_us"], row["expected_us"]
        )
        for row in view.booked(name, start_us, end_us).to_pylist()
    }


def difference(measured: Measured, standing: Measured) -> Mapping[tuple[Key, int], Amount]:
    """What has to be added to ``standing`` to make it ``measured``; cells that agree are left out."""
    cells = sorted(measured.keys() | standing.keys(), key=lambda cell: (cell[0].tenant, cell[0].dimensions, cell[1]))
    found = {cell: measured.get(cell, NOTHING) - standing.get(cell, NOTHING) for cell in cells}
    return {cell: amount for cell, amount in found.items() if amount != NOTHING}


class Booker:
    """Runs the meters of a journal. One run at a time: two at once would each book the same difference."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._running = threading.Lock()

    def book(self, closed_us: int | None = None) -> tuple[int, int]:
        """Book all hours that begin before ``closed_us``, or all hours there are, the open one included.

        Gives the position of the last run and the number of entries. Raises JournalError.
        """
        with self._running:
            view = self._journal.view()
            catalog = catalog_of(view)
            position = entries = 0
            for name in catalog.names("meter"):
                for run in _runs(view, catalog, name, _hour_up(view.time_us) if closed_us is None else closed_us):
                    record = self._journal.append(Kind.RUN, run.SerializeToString()).result()
                    position, entries = record.position, entries + len(run.entries)
            return position or view.position, entries


def _runs(view: View, catalog: Catalog, name: str, closed_us: int) -> Iterator[journal_pb2.RunRecord]:
    for version in meter_versions(catalog, name):
        start_us = unbooked_from(view, version)
        end_us = min(version.end_us, closed_us // HOUR_US * HOUR_US)
        if start_us is None or start_us >= end_us:
            continue
        added = difference(measure(view, version.meter, start_us, end_us), booked(view, name, start_us, end_us))
        yield journal_pb2.RunRecord(
            meter=name,
            version=version.version,
            start_us=start_us,
            end_us=end_us,
            at_position=view.position,
            entries=[_entry(key, hour_us, amount) for (key, hour_us), amount in added.items()],
        )


def _entry(key: Key, hour_us: int, amount: Amount) -> journal_pb2.Entry:
    return journal_pb2.Entry(
        tenant=key.tenant,
        dimensions=key.dimensions,
        hour_us=hour_us,
        quantity_nano=str(amount.quantity),
        estimated_nano=str(amount.estimated),
        observed_us=amount.observed_us,
        expected_us=amount.expected_us,
    )


def _hour_up(time_us: int) -> int:
    return -(-time_us // HOUR_US) * HOUR_US

"""Booking: writing into the book the difference between what a meter measures and what was booked before.

A run measures the closed windows that anything new since the last run may have changed, subtracts the sums of the
entries that stand, and appends what differs. So late samples become correction entries by themselves, and a
run repeated after a crash finds its own entries and adds none. A run that finds no difference is recorded all the same,
because it settles its windows: they need not be measured again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal
from ledger.journal.quantity import from_decimal
from ledger.journal.record import Kind, runs_chain
from ledger.journal.view import View
from ledger.metering.aggregations import aggregation_of
from ledger.metering.grid import ceil_us, floor_us
from ledger.metering.measure import NOTHING, Amount, Measured, measure, windows_of
from ledger.metering.subjects import Key
from ledger.metering.windows import Windows
from meterbook.ledger.v1 import journal_pb2

Cell = tuple[Key, int]
Added = tuple[Cell, Amount]

#: Later than any hour.
FOREVER_US = 1 << 62
#: A run with more entries is written as several: a record has a size that it must not exceed.
_ENTRIES_MAX = 200_000


@dataclass(frozen=True)
class MeterVersion:
    """A meter as it holds for the windows that begin in [start_us, end_us)."""

    name: str
    version: int
    meter: Meter
    start_us: int
    end_us: int

    @property
    def windows(self) -> Windows:
        """Its windows."""
        return windows_of(self.meter)


def meter_versions(catalog: Catalog, name: str) -> list[MeterVersion]:
    """The versions of a meter that hold at some time, oldest first; together they cover each window at most once."""
    newest = {each.effective_from_us: each for each in catalog.versions("meter", name)}
    starts = [*sorted(newest), FOREVER_US]
    found = []
    for start_us, end_us in pairwise(starts):
        definition = newest[start_us]
        assert isinstance(definition.spec, Meter)
        windows = windows_of(definition.spec)
        # What holds from the beginning holds for the window in which time begins, too.
        low_us = ceil_us(windows, start_us) if start_us else floor_us(windows, start_us)
        found.append(MeterVersion(name, definition.version, definition.spec, low_us, ceil_us(windows, end_us)))
    return found


def unbooked_from(view: View, version: MeterVersion) -> int | None:
    """The first window of the version that the entries of the view do not settle; None where nothing was ever seen.

    Windows before it are exactly what the sums of their entries say. Only the last run counts: it began at the first one
    that was unsettled then, and what an earlier one booked beyond its end has not been looked at since.
    """
    runs = [run for run in view.runs(version.name).to_pylist() if run["version"] == version.version]
    if runs:
        read: int = runs[-1]["at_position"]
        settled_us: int | None = runs[-1]["end_us"]
    else:
        # What an earlier version booked for these windows is superseded, also where this one measures nothing.
        read, settled_us = 0, view.first_booked(version.name, version.start_us, version.end_us)
    changed_us = aggregation_of(version.meter).reach(view, version.meter, read)
    unsettled = [time_us for time_us in (settled_us, changed_us) if time_us is not None]
    return max(version.start_us, floor_us(version.windows, min(unsettled))) if unsettled else None


def booked(view: View, name: str, start_us: int, end_us: int) -> Measured:
    """Sums of the entries of a meter, of the windows that begin in [start_us, end_us)."""
    return {
        (Key(row["tenant"], row["dimensions"]), row["hour_us"]): Amount(
            from_decimal(row["quantity"]), from_decimal(row["estimated"]), row["observed_us"], row["expected_us"]
        )
        for row in view.booked(name, start_us, end_us).to_pylist()
    }


def difference(measured: Measured, standing: Measured) -> Measured:
    """What has to be added to ``standing`` to make it ``measured``; cells that agree are left out."""
    cells = sorted(measured.keys() | standing.keys(), key=lambda cell: (cell[0].tenant, cell[0].dimensions, cell[1]))
    found = {cell: measured.get(cell, NOTHING) - standing.get(cell, NOTHING) for cell in cells}
    return {cell: amount for cell, amount in found.items() if amount != NOTHING}


class Booker:
    """Runs the meters of a journal, one run at a time.

    Two at once would each book the same difference. Against another process the chain of the meter's runs is the guard:
    whoever comes second is overtaken.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._running = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Let the run under way end, at its next record, and begin no other: the journal is about to close."""
        self._closed = True
        with self._running:
            pass

    def book(self, closed_us: int | None = None) -> tuple[int, int]:
        """Book all windows that end by ``closed_us``, or all windows there are, the open one included.

        Gives the position of the last run and the number of entries. Raises JournalError, Overtaken among them.
        """
        with self._running:
            self._check_open()
            view = self._journal.view()
            catalog = catalog_of(view)
            position = entries = 0
            for name in catalog.names("meter"):
                chain = runs_chain(name)
                head = self._journal.head(chain, view)
                for run in _runs(view, catalog, name, closed_us):
                    self._check_open()
                    head = self._journal.extend(Kind.RUN, chain, head, run.SerializeToString())
                    position, entries = head.position, entries + len(run.entries)
            return position or view.position, entries

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError("the ledger is stopping; book again when it runs")


def _runs(view: View, catalog: Catalog, name: str, closed_us: int | None) -> Iterator[journal_pb2.RunRecord]:
    for version in meter_versions(catalog, name):
        start_us = unbooked_from(view, version)
        windows = version.windows
        now_us = ceil_us(windows, view.time_us) if closed_us is None else floor_us(windows, closed_us)
        end_us = min(version.end_us, now_us)
        if start_us is None or start_us >= end_us:
            continue
        measured = measure(view, version.meter, start_us, end_us)
        added = difference(measured, booked(view, name, start_us, end_us))
        for low_us, high_us, cells in _portions(added, start_us, end_us):
            yield journal_pb2.RunRecord(
                meter=name,
                version=version.version,
                start_us=low_us,
                end_us=high_us,
                at_position=view.position,
                entries=[_entry(key, window_us, amount) for (key, window_us), amount in cells],
            )


def _portions(added: Measured, start_us: int, end_us: int) -> Iterator[tuple[int, int, list[Added]]]:
    """The entries of a run in portions of whole windows, with the range of each; the ranges tile [start, end)."""
    portion: list[Added] = []
    for window_us, group in groupby(sorted(added.items(), key=_window), key=_window):
        cells = list(group)
        if portion and len(portion) + len(cells) > _ENTRIES_MAX:
            yield start_us, window_us, portion
            portion, start_us = [], window_us
        portion += cells
    yield start_us, end_us, portion


def _window(added: Added) -> int:
    return added[0][1]


def _entry(key: Key, window_us: int, amount: Amount) -> journal_pb2.Entry:
    return journal_pb2.Entry(
        tenant=key.tenant,
        dimensions=key.dimensions,
        hour_us=window_us,
        quantity_nano=str(amount.quantity),
        estimated_nano=str(amount.estimated),
        observed_us=amount.observed_us,
        expected_us=amount.expected_us,
    )

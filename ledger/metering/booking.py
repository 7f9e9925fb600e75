"""Booking: writing into the book the difference between what a meter measures and what was booked before.

A run measures the closed windows that anything new since the last run may have changed, subtracts the sums of the
entries that stand, and appends what differs. So late samples become correction entries by themselves, and a
run repeated after a crash finds its own entries and adds none. A run that finds no difference is recorded all the same,
because it settles its windows: they need not be measured again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.journal.cancelling import checked
from ledger.journal.errors import JournalError
from ledger.journal.journal import Journal
from ledger.journal.quantity import DIGITS_MAX, NANO, PLACES, from_decimal
from ledger.journal.record import Kind, runs_chain
from ledger.journal.view import View
from ledger.metering.aggregations import aggregation_of
from ledger.metering.closing import closing
from ledger.metering.cluster import ClusterFailed
from ledger.metering.grid import ceil_us, floor_us
from ledger.metering.measure import NOTHING, Amount, Measured, measure, windows_of
from ledger.metering.news import Cause, News, Reason, causes_of
from ledger.metering.subjects import Key
from ledger.metering.windows import Windows
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire import instants

Cell = tuple[Key, int]
Added = tuple[Cell, Amount]
#: Until when the windows of a meter are to be booked.
Until = Callable[[View, Meter], int]
#: Who measures a meter over a range: see ``measure.measure``, and ``cluster``.
Measuring = Callable[[View, Meter, int, int], Measured]

#: Later than any hour.
FOREVER_US = 1 << 62
#: A run with more entries is written as several: a record has a size that it must not exceed.
_ENTRIES_MAX = 200_000
#: Versions of meters, each at a position, of which it is remembered what is unsettled.
_UNSETTLED_MAX = 256
_NANO_END = 10**DIGITS_MAX


class Unbookable(JournalError):
    """Some meters have a quantity that the book cannot hold, or nobody to measure it; all others are booked. ``reasons`` are told by meter."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = reasons


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

    Windows before it are exactly what the sums of their entries say.
    """
    return _first(version, unsettled(view, version))


def _first(version: MeterVersion, news: Sequence[News]) -> int | None:
    return max(version.start_us, min(each.since_us for each in news)) if news else None


def unsettled(view: View, version: MeterVersion) -> list[News]:
    """Since which window the entries of the view do not settle those of the version, and why.

    Only the last run counts: it began at the first window that was unsettled then, and what an earlier one booked beyond its end
    has not been looked at since.
    """
    # At one position the versions of one name hold from and until the same windows.
    which = (view.position, version.name, version.version, version.start_us, version.end_us)
    return view.remembered.of("unsettled", which, lambda: _unsettled(view, version), most=_UNSETTLED_MAX)


def _unsettled(view: View, version: MeterVersion) -> list[News]:
    runs = [run for run in view.runs(version.name).to_pylist() if run["version"] == version.version]
    if runs:
        read, found = runs[-1]["at_position"], [News(runs[-1]["end_us"], "first")]
    else:
        # What an earlier version booked for these windows is superseded, also where this one measures nothing.
        first_us = view.first_booked(version.name, version.start_us, version.end_us)
        read, found = 0, [] if first_us is None else [News(first_us, "meter")]
    found += aggregation_of(version.meter).reach(view, version.meter, read)
    # There may be some of every series, and nobody asks for any but the earliest of a kind.
    earliest: dict[tuple[Reason, str], int] = {}
    for each in found:
        kind = each.reason, each.name
        earliest[kind] = min(each.since_us, earliest.get(kind, each.since_us))
    return [News(floor_us(version.windows, since_us), *kind) for kind, since_us in earliest.items()]


def booked(
    view: View, name: str, start_us: int, end_us: int, tenants: Collection[str] = (), *, together: bool = False
) -> Measured:
    """Sums of the entries of a meter, of the windows that begin in [start_us, end_us); see ``View.booked``."""
    return {
        (Key(row["tenant"], row["dimensions"]), row["hour_us"]): Amount(
            from_decimal(row["quantity"]), from_decimal(row["estimated"]), row["observed_us"], row["expected_us"]
        )
        for row in checked(view.booked(name, start_us, end_us, tenants, together=together).to_pylist())
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

    def __init__(self, journal: Journal, measuring: Measuring = measure) -> None:
        self._journal, self._measuring = journal, measuring
        self._running = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Let the run under way end, at its next record, and begin no other: the journal is about to close."""
        self._closed = True
        with self._running:
            pass

    def book(self, closed_us: int | None = None, until: Until | None = None) -> tuple[int, int]:
        """Book all windows that end by ``closed_us``, or all windows there are, the open one included; of these, where ``until`` is
        given, those that end by what it says of the meter.

        Gives the position of the last run and the number of entries. Raises JournalError, Overtaken and Unbookable among them.
        """
        with self._running:
            self._check_open()
            view = self._journal.view()
            catalog = catalog_of(view)
            position = entries = 0
            refused: dict[str, str] = {}
            for name in catalog.names("meter"):
                chain = runs_chain(name)
                head = self._journal.head(chain, view)
                try:
                    for run in _runs(view, catalog, name, closed_us, until, self._measuring):
                        self._check_open()
                        head = self._journal.extend(Kind.RUN, chain, head, run.SerializeToString())
                        position, entries = head.position, entries + len(run.entries)
                except Unbookable as error:
                    refused |= error.reasons
                except ClusterFailed as error:
                    refused[name] = f"meter {name}: {error}"
            if refused:
                raise Unbookable(refused)
            return position or view.position, entries

    def book_closed(self, now_us: int, lateness_us: int) -> tuple[int, int]:
        """Book the windows that are closed at ``now_us`` (see ``closing``), and give what ``book`` gives; raises what it raises."""
        return self.book(now_us, lambda view, meter: closing(view, meter, now_us, lateness_us).until_us)

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError("the ledger is stopping; book again when it runs")


def _runs(
    view: View, catalog: Catalog, name: str, closed_us: int | None, until: Until | None, measuring: Measuring
) -> Iterator[journal_pb2.RunRecord]:
    for version in meter_versions(catalog, name):
        news = unsettled(view, version)
        start_us = _first(version, news)
        windows = version.windows
        now_us = ceil_us(windows, view.time_us) if closed_us is None else floor_us(windows, closed_us)
        end_us = min(version.end_us, now_us)
        if start_us is None or start_us >= end_us:
            continue
        # Asked only here: most of the time there is no window that has ended and is not booked.
        if until is not None and (end_us := min(end_us, floor_us(windows, until(view, version.meter)))) <= start_us:
            continue
        measured = measuring(view, version.meter, start_us, end_us)
        added = difference(measured, booked(view, name, start_us, end_us))
        _check_holdable(version, added)
        causes = _causes(view, version, news, end_us)
        for low_us, high_us, cells in _portions(added, start_us, end_us):
            yield journal_pb2.RunRecord(
                meter=name,
                version=version.version,
                start_us=low_us,
                end_us=high_us,
                at_position=view.position,
                entries=[_entry(key, window_us, amount) for (key, window_us), amount in cells],
                causes=[
                    journal_pb2.Cause(
                        kind=part.reason, name=part.name, count=part.count, start_us=part.start_us, end_us=part.end_us
                    )
                    for part in (each.within(low_us, high_us) for each in causes)
                    if not part.is_empty
                ],
            )


def _check_holdable(version: MeterVersion, added: Measured) -> None:
    """What stands in the log stands for ever, and the tables could not be filled any more. Raises Unbookable."""
    for (key, window_us), amount in added.items():
        if max(abs(amount.quantity), abs(amount.estimated)) >= _NANO_END:
            reason = (
                f"meter {version.name}: {key.tenant} has {amount.quantity // NANO} {version.meter.unit} more in the window of "
                f"{instants.text(window_us)}, and the book holds no more than {DIGITS_MAX - PLACES} digits; "
                "write a version of the meter whose filter leaves out what is so large"
            )
            raise Unbookable({version.name: reason})


def _causes(view: View, version: MeterVersion, news: Sequence[News], end_us: int) -> list[Cause]:
    """Why the unsettled windows of the version before ``end_us`` are booked: for the first time, or else what came meanwhile."""
    runs = view.runs(version.name).to_pylist()
    own = [run for run in runs if run["version"] == version.version]
    again_us = max((run["end_us"] for run in own or runs), default=version.start_us)
    if own:
        # Where an earlier run went on beyond the end of the last, nobody has looked since.
        news = [replace(each, reason="late") if each.reason == "first" else each for each in news]
    else:
        news = [News(version.start_us, "meter")]
    first = Cause("first", "", 1, max(again_us, version.start_us), end_us)
    return [*causes_of(news, min(again_us, end_us)), first]


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

"""The entries of a meter: are they what its runs, each at the position that it read, must have left?"""

from __future__ import annotations

from ledger.journal.quantity import to_decimal
from ledger.journal.view import View
from ledger.metering.booking import MeterVersion, booked, difference, meter_versions
from ledger.metering.measure import Measured, measure
from ledger.query.questions import Book
from ledger.schema.decimals import plain_text
from meterbook.wire import instants


def entry_faults(book: Book, name: str) -> list[str]:
    """What is wrong with the entries of a meter, a sentence each. Raises TablesUnavailable."""
    faults: list[str] = []
    runs = book.view.runs(name).to_pylist()
    for version in meter_versions(book.catalog, name):
        start_us = version.start_us
        # The last run settled all hours before its end, the one before that what lies beyond, and so on.
        for run in reversed([run for run in runs if run["version"] == version.version]):
            end_us = min(version.end_us, run["end_us"])
            if start_us < end_us:
                faults += _run(book, version, run["at_position"], start_us, end_us)
            start_us = max(start_us, end_us)
    return faults


def _run(book: Book, version: MeterVersion, at_position: int, start_us: int, end_us: int) -> list[str]:
    try:
        then = View.at(book.view.tables, at_position)
    except LookupError as error:
        return [f"a run of meter {version.name} cannot be checked: {error}"]
    measured = measure(then, version.meter, start_us, end_us)
    return _compared(version.name, measured, booked(book.view, version.name, start_us, end_us))


def _compared(name: str, measured: Measured, standing: Measured) -> list[str]:
    faults = []
    for (key, window_us), amount in difference(measured, standing).items():
        what = f"entries of meter {name}, tenant {key.tenant}, window {instants.text(window_us)}"
        if amount.quantity:
            faults.append(f"{what} are off by {plain_text(to_decimal(amount.quantity))}")
        elif amount.estimated:
            faults.append(f"{what} are off by {plain_text(to_decimal(amount.estimated))} in what is estimated")
        else:
            faults.append(f"{what} have another coverage than was measured")
    return faults

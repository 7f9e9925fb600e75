"""A version of a bill, portion by portion, from where it was left: charges, and what comes behind them.

What a portion holds depends on the files and on where it begins, and on nothing else. A row that cannot be read refuses the whole version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from collector.datastore.bills.bill import Bill
from collector.datastore.bills.charges import Origin
from collector.datastore.bills.files import Files
from collector.datastore.bills.focus import charges_of, reading_of
from collector.datastore.bills.manifests import start_us
from collector.datastore.bills.refused import Refused
from meterbook.wire.sections import CHARGES


@dataclass(frozen=True)
class Portion:
    """Some charges (schema CHARGES), and the file and row that come next."""

    charges: pa.Table
    file: int
    row: int


class RefusedFile(Exception):
    """A file for which a version is refused, by its number, and why."""

    def __init__(self, file: int, refused: Refused) -> None:
        super().__init__(str(refused))
        self.file, self.refused = file, refused


def portions(bill: Bill, files: Files, source: str) -> Iterator[Portion]:
    """What of a version was not read yet; ``bill`` is moved on between two portions by whoever asks. Raises RefusedFile, SourceError."""
    period_us = start_us(bill.month)
    for number in range(bill.file, len(bill.files)):
        try:
            first = bill.row if number == bill.file else 0
            for row, batch in files.rows(bill.files[number], first):
                reading = reading_of(batch.schema.names)
                if batch.num_rows:
                    origin = Origin(source, bill.version, period_us, bill.line)
                    yield Portion(charges_of(batch, row, reading, origin), number, row + batch.num_rows)
        except Refused as error:
            raise RefusedFile(number, error) from error
        yield Portion(CHARGES.empty_table(), number + 1, 0)

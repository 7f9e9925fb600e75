"""A file of this machine as batches of rows: Parquet, or CSV that may be compressed. Which of them is told by its first bytes.

Rows are what errors are counted in; people look for lines. Both are the same only where no column holds a line end and no line is empty, so
the line of a row is looked up where one is wrong, and not counted before.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from collector.datastore.bills.csvtable import Cuts, batches
from collector.datastore.bills.parquetrows import MARK, parquet_rows
from collector.datastore.bills.refused import Refused
from collector.datastore.inflate import Damaged, plain
from collector.readonly import open_file

CUTS = Cuts(block_bytes=8 << 20, row_bytes_max=1 << 20, rows_max=10_000)
#: What files of Parquet are called. CSV has many names.
PARQUET = ".parquet"
_PORTION_BYTES = 1 << 20


def rows(path: Path, cuts: Cuts = CUTS) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of a file, each batch with the number of its first row; the first batch has no rows, but the columns.

    Raises Refused where it is none that can be read, OSError where it cannot be opened.
    """
    with open_file(str(path)) as file:
        head = file.read(len(MARK))
        if not head:
            raise Refused("the file is empty")
        file.seek(0)
        if head == MARK:
            yield from parquet_rows(file, str(path), 0, cuts.rows_max)
            return
        if path.suffix == PARQUET:
            raise Refused("the file is called Parquet and is none: it does not begin with PAR1")
        try:
            yield from batches(plain(_portions(file)), 0, cuts)
        except Damaged as error:
            raise Refused(str(error)) from None


def line_of(path: Path, row: int) -> int | None:
    """The line, counted from 1, on which a row of CSV begins; None where that is no CSV, or it has no such row."""
    with open_file(str(path)) as file:
        if file.read(len(MARK)) == MARK:
            return None
        file.seek(0)
        try:
            # The header is no row.
            begins, number, read = 1, -1, csv.reader(_lines(plain(_portions(file))))
            for cells in read:
                if cells:
                    if number == row:
                        return begins
                    number += 1
                begins = read.line_num + 1
        except (csv.Error, Damaged):
            return None
    return None


def _portions(file: BinaryIO) -> Iterator[bytes]:
    while portion := file.read(_PORTION_BYTES):
        yield portion


def _lines(portions: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for portion in portions:
        *whole, rest = (rest + portion).split(b"\n")
        for each in whole:
            yield each.decode("utf-8", "replace") + "\n"
    if rest:
        yield rest.decode("utf-8", "replace")

"""Parquet of a bill as batches of rows, from any row on, whoever holds the file: a bucket, or this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from collector.datastore.bills.refused import Refused
from collector.datastore.mapping.rowgroups import RowGroups
from collector.errors import PermanentError

#: What a file of Parquet begins with ("Parquet file format", section "File format").
MARK = b"PAR1"


def parquet_rows(file: BinaryIO, place: str, first: int, rows_max: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows from number ``first`` on, each batch with the number of its first row, and before them a batch without rows.

    ``place`` names the file. Raises Refused, and what the file itself raises.
    """
    try:
        groups = RowGroups(file, place)
        names = groups.schema.names
        if len(set(names)) < len(names):
            raise Refused("it has a column twice")
        yield first, pa.RecordBatch.from_pylist([], groups.schema)
        yield from groups.batches(names, rows_max=rows_max, first=first)
    except PermanentError as error:
        raise Refused(str(error).removeprefix(f"{place} ")) from error

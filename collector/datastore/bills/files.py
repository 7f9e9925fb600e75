"""A file of an export as batches of rows, from any row on: Parquet, or CSV that may be compressed. Which of them is told by its first bytes.

A file of Parquet that is small is fetched as a whole, since a bill has many columns, and each would take a request; of a larger one
the columns of a row group are fetched by ranges. CSV is inflated from its beginning, and the rows before are passed over.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from itertools import chain
from typing import BinaryIO, cast

import pyarrow as pa

from collector.datastore.bills.config import BillsConfig
from collector.datastore.bills.csvtable import Cuts, batches
from collector.datastore.bills.parquetrows import MARK, parquet_rows
from collector.datastore.bills.refused import Refused
from collector.datastore.inflate import Damaged, plain
from collector.datastore.s3.bucket import Bucket
from collector.datastore.s3.found import Found
from collector.datastore.s3.rows import ObjectFile


class Files:
    """Opens the files of an export."""

    def __init__(self, config: BillsConfig, bucket: Bucket) -> None:
        self._bucket = bucket
        self._whole_bytes_max = config.whole_bytes_max
        self._cuts = Cuts(config.block_bytes, config.row_bytes_max, config.batch_rows)

    def rows(self, found: Found, first: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The rows of a file from number ``first`` on, each batch with the number of its first row.

        The first batch has no rows, but the columns. A file without a byte has none. Raises Refused, SourceError.
        """
        if not found.bytes:
            return
        stream = self._bucket.read(found)
        head = b""
        for portion in stream:
            head += portion
            if len(head) >= len(MARK):
                break
        if head.startswith(MARK):
            if found.bytes <= self._whole_bytes_max:
                head += b"".join(stream)
            cast(Generator[bytes, None, None], stream).close()
            yield from self._parquet(found, first, head)
            return
        try:
            yield from batches(plain(chain((head,), stream)), first, self._cuts)
        except Damaged as error:
            raise Refused(str(error)) from None

    def _parquet(self, found: Found, first: int, head: bytes) -> Iterator[tuple[int, pa.RecordBatch]]:
        ranges = ObjectFile(self._bucket, found)
        is_whole = len(head) == found.bytes
        file = io.BytesIO(head) if is_whole else cast(BinaryIO, ranges)
        place = self._bucket.place(found)
        try:
            yield from parquet_rows(file, place, first, self._cuts.rows_max)
        except Refused:
            # What the bucket said is the cause of what Arrow says.
            if ranges.error is not None:
                raise ranges.error from None
            raise

"""Parquet files row group by row group, batch by batch, so that no more than a few pages of each column are in memory.

This is the home of ``pyarrow.parquet``: it is given an open file, and opens none itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from collector.errors import PermanentError, SourceError

#: Bytes of a column that are read at once.
_BUFFER_BYTES = 1 << 20
#: Bounds of the footer's texts and lists, as the library has them; what is beyond is taken for damage.
_FOOTER_TEXT_BYTES_MAX, _FOOTER_ITEMS_MAX = 100_000_000, 1_000_000


class RowGroups:
    """The rows of one file, from a binary file that can seek. ``place`` names it in errors: ``s3://usage/2026/01.parquet``.

    Raises PermanentError where it is no Parquet that can be read; what the file itself raises goes through.
    """

    def __init__(self, file: BinaryIO, place: str) -> None:
        self._place = place
        with self._read():
            self._parquet = pq.ParquetFile(
                file,
                buffer_size=_BUFFER_BYTES,
                pre_buffer=False,
                thrift_string_size_limit=_FOOTER_TEXT_BYTES_MAX,
                thrift_container_size_limit=_FOOTER_ITEMS_MAX,
            )
            #: The columns, as Arrow has them.
            self.schema: pa.Schema = self._parquet.schema_arrow
            #: How many rows there are.
            self.rows: int = self._parquet.metadata.num_rows

    def batches(
        self, columns: Sequence[str], *, rows_max: int = 65_536, first: int = 0
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The rows from number ``first`` on, in order, no more than ``rows_max`` at once, each batch with the number of its first row.

        Row groups before ``first`` are not read. Of the columns only those of these names are.
        """
        behind = 0
        for number in range(self._parquet.num_row_groups):
            start, behind = behind, behind + self._parquet.metadata.row_group(number).num_rows
            if behind <= first:
                continue
            for batch in self._group(number, columns, rows_max):
                end = start + batch.num_rows
                if end > first:
                    skipped = max(0, first - start)
                    yield start + skipped, batch.slice(skipped)
                start = end

    def _group(self, number: int, columns: Sequence[str], rows_max: int) -> Iterator[pa.RecordBatch]:
        with self._read():
            batches = self._parquet.iter_batches(
                batch_size=rows_max, row_groups=[number], columns=list(columns), use_threads=False
            )
        while True:
            with self._read():
                batch = next(batches, None)
                if batch is not None:
                    # Arrow takes texts as they stand; what is no UTF-8 would be refused by everybody after this.
                    batch = batch.select(list(columns))
                    batch.validate(full=True)
            if batch is None:
                return
            yield batch

    @contextmanager
    def _read(self) -> Iterator[None]:
        try:
            yield
        except SourceError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            cause = str(error).partition("\n")[0][:200]
            raise PermanentError(f"{self._place} is no Parquet that can be read ({cause})") from error

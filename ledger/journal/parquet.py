"""Writing many rows as one Parquet file, for tables that then only have to be told of it.

DuckDB's own writer looks for repeated values in every column and costs twice as much. Samples are sorted numbers: the
differences of neighbours are small, and doubles compress by their bytes.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

#: From so many rows on a file of its own is worth it.
ROWS_MIN = 100_000
_ROW_GROUP_ROWS = 1 << 20
_ENCODINGS = {
    pa.int64(): "DELTA_BINARY_PACKED",
    pa.timestamp("us"): "DELTA_BINARY_PACKED",
    pa.float64(): "BYTE_STREAM_SPLIT",
}


def is_numeric(schema: pa.Schema) -> bool:
    """Whether all columns are of the types that are written here."""
    return all(field.type in _ENCODINGS for field in schema)


def write(table: pa.Table, directory: Path) -> Path:
    """Write a table of numbers to a new file in a directory. Raises OSError; then no file is left."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{uuid.uuid4()}.parquet"
    try:
        pq.write_table(
            table,
            path,
            compression="lz4",
            use_dictionary=False,
            column_encoding={field.name: _ENCODINGS[field.type] for field in table.schema},
            row_group_size=_ROW_GROUP_ROWS,
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path

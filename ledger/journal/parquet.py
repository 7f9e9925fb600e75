"""Writing many rows as one Parquet file, for tables that then only have to be told of it.

DuckDB's own writer looks for repeated values in every column and costs several times as much. Samples are sorted numbers:
the same few stand next to each other, which LZ4 alone makes small, and doubles compress by their bytes. Encoding
differences, or levels for nulls that there cannot be, would double the work and gain nothing.
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
    pa.int64(): "PLAIN",
    pa.timestamp("us"): "PLAIN",
    pa.float64(): "BYTE_STREAM_SPLIT",
}


def is_numeric(schema: pa.Schema) -> bool:
    """Whether all columns are of the types that are written here."""
    return all(field.type in _ENCODINGS for field in schema)


def write(table: pa.Table, directory: Path) -> Path:
    """Write a table of numbers without nulls to a new file in a directory. Raises OSError; then no file is left."""
    schema = pa.schema([field.with_nullable(False) for field in table.schema])
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{uuid.uuid4()}.parquet"
    try:
        pq.write_table(
            table.cast(schema),
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

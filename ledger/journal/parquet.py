"""Writing many rows as one Parquet file, for tables that then only have to be told of it.

DuckDB's own writer looks for repeated values in every column and costs several times as much. Samples are sorted numbers:
the same few stand next to each other, which LZ4 alone makes small, and doubles compress by their bytes. Encoding
differences, or levels for nulls that there cannot be, would double the work and gain nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ledger.journal.errors import TablesUnavailable

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


def with_files(rows: Mapping[str, pa.Table], folder: Path | None) -> dict[str, pa.Table | Path]:
    """Rows by table, with those in a file below ``folder`` that are worth one. Raises TablesUnavailable.

    What is written and never used is removed when the tables are opened some time later.
    """
    if folder is None:
        return dict(rows)
    try:
        return {
            name: write(table, folder / "main" / name)
            if table.num_rows >= ROWS_MIN and is_numeric(table.schema)
            else table
            for name, table in rows.items()
        }
    except OSError as error:
        raise TablesUnavailable(f"{folder}: cannot be written ({error}); free space") from error


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

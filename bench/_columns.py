"""Rows of the book's tables, made by columns: a bench that measures answers has no need to send what they are of."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ledger.journal.derive import TABLES


def decimals(numbers: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Whole numbers as the unscaled values of a decimal type."""
    words = np.stack([numbers, numbers >> 63], axis=1)
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(words)])


def table(name: str, columns: dict[str, object]) -> pa.Table:
    """Rows of a table of the book."""
    schema = TABLES[name]
    arrays = [
        column.cast(field.type) if isinstance(column, pa.Array) else pa.array(column, field.type)
        for field, column in ((field, columns[field.name]) for field in schema)
    ]
    return pa.table(arrays, schema=schema)

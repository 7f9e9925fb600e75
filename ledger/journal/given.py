"""Rows that a question brings along, as a table: what Python knows, for DuckDB to join."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa


def given(rows: Sequence[Sequence[object]], schema: pa.Schema) -> pa.Table:
    """The rows, each with a value for each field of ``schema``. Raises pyarrow.ArrowInvalid for values of other types."""
    columns = list(zip(*rows, strict=True)) or [() for _ in schema]
    return pa.table([pa.array(column, each.type) for column, each in zip(columns, schema, strict=True)], schema=schema)

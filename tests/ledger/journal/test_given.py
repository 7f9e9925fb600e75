"""Rows that a question brings along are a table of the schema that it names, however few they are."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ledger.journal.given import given

SCHEMA = pa.schema([("meter", pa.utf8()), ("low_us", pa.int64())])


def test_rows_are_columns() -> None:
    table = given([("cpu", 1), ("memory", 2)], SCHEMA)
    assert table.schema == SCHEMA
    assert table.to_pydict() == {"meter": ["cpu", "memory"], "low_us": [1, 2]}


def test_no_rows_have_their_types_nonetheless() -> None:
    table = given([], SCHEMA)
    assert (table.schema, table.num_rows) == (SCHEMA, 0)


def test_what_is_of_another_type_is_refused() -> None:
    with pytest.raises(pa.ArrowInvalid):
        given([("cpu", "soon")], SCHEMA)

"""Any table a section may hold, for hypothesis."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from meterbook.wire import instants
from meterbook.wire.sections import SCHEMAS

ROWS_MAX = 100

_INT64 = st.integers(-(2**63), 2**63 - 1)
_INSTANTS = st.integers(instants.parse("0001-01-01"), instants.parse("9999-12-31"))


def _decimals(scale: int) -> st.SearchStrategy[Decimal]:
    """Decimals of 38 digits, ``scale`` of them after the point, whatever the context's precision."""

    def scaled(unscaled: int) -> Decimal:
        digits = tuple(int(digit) for digit in str(abs(unscaled)))
        return Decimal((int(unscaled < 0), digits, -scale))

    return st.integers(-(10**38) + 1, 10**38 - 1).map(scaled)


def _cells(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_string(kind):
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    if pa.types.is_timestamp(kind):
        return _INSTANTS
    if pa.types.is_decimal(kind):
        return _decimals(kind.scale)
    return st.floats() if pa.types.is_floating(kind) else _INT64


def _column(field: pa.Field, rows: int) -> st.SearchStrategy[pa.Array]:
    cells = _cells(field.type)
    if field.nullable:
        cells = st.none() | cells
    return st.lists(cells, min_size=rows, max_size=rows).map(lambda values: pa.array(values, field.type))


def section_table(name: str, min_rows: int = 0) -> st.SearchStrategy[pa.Table]:
    """Tables with the schema of a section, any value in any cell."""
    schema = SCHEMAS[name]

    def of_rows(rows: int) -> st.SearchStrategy[pa.Table]:
        columns = st.tuples(*(_column(field, rows) for field in schema))
        return columns.map(lambda arrays: pa.Table.from_arrays(arrays, schema=schema))

    return st.integers(min_rows, 6).flatmap(of_rows)


def named_tables(min_rows: int = 0) -> st.SearchStrategy[tuple[str, pa.Table]]:
    """A section's name and a table for it."""
    return st.sampled_from(sorted(SCHEMAS)).flatmap(
        lambda name: st.tuples(st.just(name), section_table(name, min_rows))
    )


def same(left: pa.Table, right: pa.Table) -> bool:
    """Equal cell by cell, where NaN equals NaN."""
    return bool(left.schema.equals(right.schema) and repr(left.to_pylist()) == repr(right.to_pylist()))


def one_of_each() -> dict[str, pa.Table]:
    """Two rows in every section, the second one with whatever may be null. Never changes: golden hashes rest on it."""
    day = instants.parse("2026-01-31T09:30:00Z")
    rows: dict[str, list[tuple[Any, ...]]] = {
        "series": [
            (
                1,
                -2,
                "prometheus/shop",
                "requests_total",
                "counter",
                "requests",
                '{"code":"200"}',
                "{}",
                day,
                "acme",
                day,
            ),
            (2, 3, "prometheus/shop", "bytes", "gauge", "bytes", "{}", '{"pod":"ü"}', None, "@shared", day + 1),
        ],
        "samples": [(1, day, 0.1), (2, day + 15_000_000, -0.0)],
        "events": [
            ("logfile", "log", "1", "sale", "shop", "acme", day, Decimal("1.500000000"), "{}"),
            ("logfile", "log", "2", "sale", "", "@unassigned", day + 1, Decimal("-0.000000001"), '{"a":"b"}'),
        ],
        "coverage": [("log", day, day + 60_000_000, "complete", ""), ("log", day, day + 1, "lost", "disk full")],
        "dead_letters": [("log", "access.log:7", "no time", "garbage"), ("log", "access.log:9", "no id", "")],
        "charges": [
            (
                "bills/focus",
                day,
                "v1",
                line,
                *(Decimal(cost) for cost in ("1.5", "-0.000000000000000001", "2", "99999999999999.9")),
                "USD",
                "Usage",
                "123456789012",
                "",
                "AmazonEC2",
                "i-1",
                day,
                day + 3_600_000_000,
                '{"team":"ü"}',
                "{}",
            )
            for line in range(2)
        ],
        "bills": [
            ("bills/focus", day, "v1", "billed", day, 2, Decimal(3)),
            ("bills/focus", day, "v2", "estimate", day + 1, 0, Decimal(0)),
        ],
    }
    return {
        name: pa.Table.from_arrays(
            [
                pa.array(column, field.type)
                for field, column in zip(SCHEMAS[name], zip(*rows[name], strict=True), strict=True)
            ],
            schema=SCHEMAS[name],
        )
        for name in SCHEMAS
    }

"""Exports as rows, and charges of somebody else's generator to export."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from focus_data_toolkit.generators import get_generator

from ledger.costing.bills import Bill
from ledger.costing.exporting import Export
from ledger.directory.catalog import Catalog
from ledger.journal.view import View
from meterbook.wire import instants
from meterbook.wire.sections import CHARGES, COSTS
from tests.ledger.batches import charge

#: The billing period of what the generator gives.
MONTH = instants.parse("2026-05-01")


def exported(view: View, catalog: Catalog, standing: Sequence[Bill]) -> tuple[pa.Table, Export]:
    """The rows of an export, and what is said of it."""
    export = Export.of(view, catalog, standing)
    return pa.Table.from_batches(list(export.batches()), export.columns.schema), export


def generated(version: str, provider: str, rows: int = 120) -> list[dict[str, str]]:
    """Rows of FOCUS, as texts by column."""
    made = get_generator(provider, version).generate_csv_bytes(rows, 7).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(made)))


def charged(line: int, row: dict[str, str]) -> tuple[Any, ...]:
    """A row of FOCUS as a charge of the book: what has no column of its own stands among the others."""
    times = {name: instants.parse(row[name]) for name in ("ChargePeriodStart", "ChargePeriodEnd")}
    texts = {name: row[name] for name in CHARGES.names if name in row and name not in times and name != "Tags"}
    held = {*CHARGES.names, "BillingPeriodStart"}
    others = {name: text for name, text in row.items() if name not in held and text}
    assert instants.parse(row["BillingPeriodStart"]) == MONTH
    return charge(
        line,
        row["BilledCost"],
        period=MONTH,
        **{**texts, **_costs(row), **times, "Tags": row["Tags"] or "{}"},
        others=json.dumps(others),
    )


def _costs(row: dict[str, str]) -> dict[str, Any]:
    return {name: Decimal(row[name]) for name in COSTS}


def texts_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Rows as a file of texts has them: nothing where there is null."""
    return [{name: _text(value) for name, value in row.items()} for row in rows]


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else str(value)

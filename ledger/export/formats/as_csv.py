"""CSV for spreadsheets: RFC 4180 in UTF-8, a row for each line and beneath it one for each piece that the line is made of.

Columns are the same for every invoice, in this order, and never change their names; what does not apply is empty:

``id``            number of the invoice; empty for a draft
``kind``          invoice, credit-note
``row``           line, piece
``line``          number of the line, from 1
``piece``         number of the piece in its line, from 1
``role``          charge, discount, minimum, maximum, commitment, overage, draw-down, credit
``product``, ``price``, ``name``, ``title``  what the line is for; ``title`` of a piece is its label
``start``, ``end``  what the line is for, RFC 3339, the end exclusive
``meter``, ``model``, ``unit``
``quantity``, ``included``, ``estimated``  in the unit
``observed_us``, ``expected_us``  microseconds
``tier``          of a piece, from 1
``unit_price``    of a piece
``exact``         before it was rounded; of a piece for a whole billing period
``invoiced``      what earlier invoices charged of the same
``amount``        what is to be paid by the line; a piece has none, so the column adds up to the total
``currency``      ISO 4217
``corrects``      id of the invoice that the line corrects
``cycle``         start of the billing period that the line belongs to, RFC 3339

Figures have a point and no grouping, whatever the language. A text that a spreadsheet would take for a formula gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ledger.export.copy import Copy
from ledger.export.format import Format

#: The columns, in order.
COLUMNS = (
    "id",
    "kind",
    "row",
    "line",
    "piece",
    "role",
    "product",
    "price",
    "name",
    "title",
    "start",
    "end",
    "meter",
    "model",
    "unit",
    "quantity",
    "included",
    "estimated",
    "observed_us",
    "expected_us",
    "tier",
    "unit_price",
    "exact",
    "invoiced",
    "amount",
    "currency",
    "corrects",
    "cycle",
)
#: Columns that hold what somebody typed.
_TEXTS = ("id", "product", "price", "name", "title", "meter", "unit", "corrects")
_SAME = ("role", "product", "price", "name", "meter", "model", "unit", "corrects", "cycle")
_OF_LINE = ("title", "quantity", "included", "estimated", "observed_us", "expected_us", "exact", "invoiced", "amount")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write(copy: Copy) -> bytes:
    """The copy as CSV with a header."""
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS, restval="", lineterminator="\r\n")
    table.writeheader()
    table.writerows(_tame(row) for row in _rows(copy.id, json.loads(copy.document)))
    return written.getvalue().encode()


def _rows(of: str, told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(told["lines"], start=1):
        same = {
            "id": of,
            "kind": told["kind"],
            "line": number,
            "start": line["period"]["start"],
            "end": line["period"]["end"],
            "currency": told["currency"],
            **{name: line[name] for name in _SAME},
        }
        yield {**same, "row": "line", **{name: line[name] for name in _OF_LINE}}
        for place, piece in enumerate(line["details"], start=1):
            yield {
                **same,
                "row": "piece",
                "piece": place,
                "title": piece["label"],
                "quantity": piece["quantity"],
                "tier": piece["tier"] or "",
                "unit_price": piece["unit_price"],
                "exact": piece["amount"],
            }


def _tame(row: dict[str, Any]) -> dict[str, Any]:
    """The row with no text that begins a formula."""
    return row | {name: f"'{row[name]}" for name in _TEXTS if row.get(name, "").startswith(_FORMULA)}


CSV = Format("csv", "text/csv; charset=utf-8", ".csv", write)

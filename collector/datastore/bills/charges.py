"""Rows of FOCUS as charges, exact, or the row for which their bill is refused.

Of a charge the wire has columns for what is asked for most; every other column of the row stands in ``others`` under its name, as text. A
bill is refused for a cost that is null or no number, for a time that is none, for a row without a currency and for one of another billing
period: left out it would be missing, and taken as nothing it would be wrong. So is one whose times or texts the ledger would not take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.bills.amounts import amounts, first_row, moments, rows_of
from collector.datastore.bills.documents import blank, flat, texts
from collector.datastore.bills.others import together
from collector.datastore.bills.refused import Refused
from collector.datastore.cloudevents import shown
from collector.datastore.mapping.cells import empty, matches
from collector.datastore.mapping.properties import repeated
from meterbook.wire import instants
from meterbook.wire.sections import CHARGES, COSTS, DOCUMENT_BYTES_MAX, TEXT_BYTES_MAX

TIMES = ("ChargePeriodStart", "ChargePeriodEnd")
#: Columns of FOCUS that stand by themselves in a charge, and that a row may have nothing in.
NAMES = ("ChargeCategory", "BillingAccountId", "SubAccountId", "ServiceName", "ResourceId")
#: Columns that a charge cannot be made without, in every version of FOCUS from 1.0 on.
MANDATORY = (
    *COSTS,
    *TIMES,
    "BillingPeriodStart",
    "BillingCurrency",
    "ChargeCategory",
    "BillingAccountId",
    "ServiceName",
)
#: Columns that hold one document (FOCUS 1.4, "JSON Object Format" and "Key-Value Format"; AWS's own begin with x_).
DOCUMENTS = frozenset(
    {
        "Tags",
        "AllocatedTags",
        "SkuPriceDetails",
        "x_CostCategories",
        "x_Discounts",
        "resource_tags",
        "cost_category",
        "product",
        "discount",
        "tags",
    }
)
_TAKEN = frozenset({*MANDATORY, *NAMES, "Tags"})
_CURRENCY = r"^[A-Z]{3}$"


@dataclass(frozen=True)
class Origin:
    """Whose charges they are, of which version, of which billing period, and how many come before.

    The period is None where it is for each row to say.
    """

    source: str
    version: str
    period_us: int | None
    line: int


def charges(rows: Mapping[str, pa.Array], origin: Origin) -> pa.Table:
    """Charges (schema CHARGES) of rows of FOCUS, by the names of their columns, all of :data:`MANDATORY` among them. Raises Refused."""
    count = len(rows["BilledCost"])
    held = {name: blank(column) for name, column in rows.items()}
    columns: dict[str, pa.Array] = {
        "source": repeated(origin.source, count),
        "version": repeated(origin.version, count),
        "line": pa.array(np.arange(origin.line, origin.line + count)),
        "period": _period(held["BillingPeriodStart"], origin.period_us),
    }
    columns |= {name: _complete(name, amounts(name, held[name])) for name in COSTS}
    columns |= {name: _time(name, held[name]) for name in TIMES}
    columns["BillingCurrency"] = _currency(held["BillingCurrency"])
    columns |= {name: _name(name, held.get(name), count) for name in NAMES}
    columns["Tags"] = _tags(held.get("Tags"), count)
    columns["others"] = _short("others", together(_others(held), count), DOCUMENT_BYTES_MAX)
    return pa.table([columns[name] for name in CHARGES.names], schema=CHARGES)


def total(table: pa.Table) -> Decimal:
    """What charges come to, exact."""
    found = pc.sum(table["BilledCost"]).as_py()
    return Decimal(0) if found is None else Decimal(found)


def _complete(name: str, column: pa.Array) -> pa.Array:
    if column.null_count:
        raise Refused(f"{name} is null", first_row(empty(column)))
    return column


def _time(name: str, column: pa.Array) -> pa.Array:
    found = _complete(name, moments(name, column))
    times_us = np.asarray(found.cast(pa.int64()))
    odd = (times_us < 0) | (times_us > instants.LATEST_US)
    if odd.any():
        raise Refused(f"{name} is not of the years 1970 to 9999", first_row(odd))
    return found


def _period(column: pa.Array, period_us: int | None) -> pa.Array:
    found = _time("BillingPeriodStart", column)
    if period_us is None:
        return found
    other = np.asarray(found.cast(pa.int64())) != period_us
    if other.any():
        row = first_row(other)
        told = instants.text(found[row].value)
        raise Refused(f"BillingPeriodStart {told} is not that of the bill, {instants.text(period_us)}", row, told)
    return found


def _currency(column: pa.Array) -> pa.Array:
    column = _complete("BillingCurrency", texts("BillingCurrency", column))
    odd = ~matches(column, _CURRENCY)
    if odd.any():
        row = first_row(odd)
        raise Refused(f"BillingCurrency {shown(column[row].as_py())} is no code of three capitals", row)
    return column


def _name(name: str, column: pa.Array | None, count: int) -> pa.Array:
    if column is None:
        return repeated("", count)
    return _short(name, pc.fill_null(texts(name, column), ""), TEXT_BYTES_MAX)


def _tags(column: pa.Array | None, count: int) -> pa.Array:
    if column is None:
        return repeated("{}", count)
    return _short("Tags", pc.fill_null(flat("Tags", column, is_strict=True), "{}"), DOCUMENT_BYTES_MAX)


def _others(held: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    found = {}
    for name, column in held.items():
        if name not in _TAKEN and column.null_count < len(column):
            found[name] = flat(name, column) if name in DOCUMENTS else texts(name, column)
    return found


def _short(name: str, column: pa.Array, bytes_max: int) -> pa.Array:
    long = rows_of(pc.greater(pc.binary_length(column), bytes_max))
    if long.any():
        row = first_row(long)
        raise Refused(f"{name} has {len(column[row].as_py().encode())} bytes, more than {bytes_max}", row)
    return column

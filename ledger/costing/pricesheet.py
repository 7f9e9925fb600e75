"""Cost to serve by price sheet: quantity x unit price, for every tenant, exactly.

The first way to know a cost is to state it: a sheet says what one unit of a meter costs, and each tenant's cost
follows from its usage. Platform workloads (``@shared``) and usage that nobody could be found for
(``@unassigned``) are tenants like any other here: they cost money, and a list that leaves them out would not
add up to what is spent.

Nothing is rounded. The product of a quantity and a price is exact, the arithmetic raises where it would not be,
and so the costs of all tenants add up to the total quantity times the price, to the last digit (conservation).
Rounding is for whoever prints a cost.

Prices change. A call prices all rows by the same sheets; whoever asks about a range in which a sheet changes
splits it there (``Catalog.changes``), prices each piece and puts the pieces together with :func:`merged`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from ledger.directory.pricesheet import PriceSheet
from ledger.metering.usage import Usage
from ledger.schema.decimals import exact


@dataclass(frozen=True)
class CostLine:
    """What one tenant's use of one meter cost by one sheet. ``cost`` is exact and may be below a coin."""

    tenant: str
    price_sheet: str
    meter: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    cost: Decimal
    currency: str


def costs(usage: Iterable[Usage], sheets: Mapping[str, PriceSheet]) -> tuple[CostLine, ...]:
    """One line per tenant, sheet, meter and unit, sorted by these; windows and dimensions are added up.

    A meter on several sheets gives a line for each. Usage of a meter on no sheet gives none: see
    :func:`unpriced`. Raises ``decimal.Inexact`` where a number would not fit 100 digits.
    """
    lines: list[CostLine] = []
    with exact():
        quantities: dict[tuple[str, str, str], Decimal] = {}
        for row in usage:
            key = (row.tenant, row.meter, row.unit)
            quantities[key] = quantities.get(key, Decimal(0)) + row.quantity
        for (tenant, meter, unit), quantity in quantities.items():
            for name, sheet in sheets.items():
                price = sheet.prices.get(meter)
                if price is not None:
                    cost = quantity * price
                    lines.append(CostLine(tenant, name, meter, quantity, unit, price, cost, sheet.currency))
    return tuple(sorted(lines, key=_order))


def merged(*pieces: Iterable[CostLine]) -> tuple[CostLine, ...]:
    """Lines of several pieces of a range put together: those that differ in nothing but amounts are added up."""
    sums: dict[CostLine, CostLine] = {}
    with exact():
        for line in (line for piece in pieces for line in piece):
            key = replace(line, quantity=Decimal(0), cost=Decimal(0))
            held = sums.get(key, key)
            sums[key] = replace(held, quantity=held.quantity + line.quantity, cost=held.cost + line.cost)
    return tuple(sorted(sums.values(), key=_order))


def totals(lines: Iterable[CostLine]) -> dict[str, Decimal]:
    """The exact sum of the costs in each currency, by currency code in order."""
    sums: dict[str, Decimal] = {}
    with exact():
        for line in lines:
            sums[line.currency] = sums.get(line.currency, Decimal(0)) + line.cost
    return dict(sorted(sums.items()))


def unpriced(usage: Iterable[Usage], sheets: Mapping[str, PriceSheet]) -> tuple[str, ...]:
    """The meters that have usage and no price on any sheet, sorted: their cost is unknown, not zero."""
    priced = {meter for sheet in sheets.values() for meter in sheet.prices}
    return tuple(sorted({row.meter for row in usage} - priced))


def _order(line: CostLine) -> tuple[str, str, str, str, Decimal, str]:
    return line.tenant, line.price_sheet, line.meter, line.unit, line.unit_price, line.currency

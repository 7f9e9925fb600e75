"""Margins: what a tenant is charged, less what serving it cost.

Revenue is what the invoices say, rounded as invoiced; cost is exact. The two are subtracted only where a tenant
has a single currency. Where it is invoiced in one and costs in another, each currency gets its own row and the
margin is left empty in all of them: without an exchange rate there is no number to give, and a margin on part of
the costs would look better than the truth. An amount of zero is zero in every currency and keeps nothing apart.

The book's own tenants are in the list with their cost: ``@shared`` has no revenue, and what it costs has to be
earned by the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ledger.billing.invoice import Invoice
from ledger.costing.pricesheet import CostLine
from ledger.directory.decimals import exact


@dataclass(frozen=True)
class MarginRow:
    """One tenant in one currency. ``percent`` is margin / revenue, two digits, half-even; None of no revenue."""

    tenant: str
    currency: str
    revenue: Decimal
    cost: Decimal
    margin: Decimal | None
    percent: Decimal | None


def margins(invoices: Iterable[Invoice], costs: Iterable[CostLine]) -> tuple[MarginRow, ...]:
    """A row for each tenant with an invoice or a cost, and for each of its currencies, sorted by both."""
    revenues: dict[tuple[str, str], Decimal] = {}
    spent: dict[tuple[str, str], Decimal] = {}
    with exact():
        for invoice in invoices:
            key = (invoice.tenant, invoice.currency)
            revenues[key] = revenues.get(key, Decimal(0)) + invoice.total
        for line in costs:
            key = (line.tenant, line.currency)
            spent[key] = spent.get(key, Decimal(0)) + line.cost
    currencies: dict[str, set[str]] = {}
    for tenant, currency in revenues.keys() | spent.keys():
        currencies.setdefault(tenant, set()).add(currency)
    rows: list[MarginRow] = []
    for tenant, held in sorted(currencies.items()):
        sums = {
            currency: (revenues.get((tenant, currency), Decimal(0)), spent.get((tenant, currency), Decimal(0)))
            for currency in sorted(held)
        }
        rows += _rows(tenant, sums)
    return tuple(rows)


def _rows(tenant: str, sums: dict[str, tuple[Decimal, Decimal]]) -> list[MarginRow]:
    moved = {currency: pair for currency, pair in sums.items() if any(pair)}
    if len(moved) > 1:
        return [MarginRow(tenant, currency, *pair, None, None) for currency, pair in moved.items()]
    rows: list[MarginRow] = []
    for currency, (revenue, cost) in (moved or sums).items():
        with exact():
            margin = revenue - cost
        rows.append(MarginRow(tenant, currency, revenue, cost, margin, _percent(margin, revenue)))
    return rows


def _percent(margin: Decimal, revenue: Decimal) -> Decimal | None:
    if not revenue:
        return None
    # A fraction is exact, so the number is rounded once; a long decimal quotient would be rounded twice.
    hundredths = round(Fraction(margin) * 10_000 / Fraction(revenue))
    with exact():
        return Decimal(hundredths).scaleb(-2)

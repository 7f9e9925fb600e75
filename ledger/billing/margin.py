"""Margins: what tenants are charged, less what serving them cost, by tenant, plan and product.

Revenue is what the invoices say, rounded as invoiced; cost is exact. The two are subtracted only where there is a single
currency. Where there are several, each gets its own row and the margin is left empty in all of them: without an
exchange rate there is no number to give, and a margin on part of the costs would look better than the truth. An amount of
zero is zero in every currency and keeps nothing apart.

A product is a meter that the plan charges. What a tenant costs is split by product as far as something says for what it was; the flat fee, and cost of
which nothing says it, are together in the product "". What is no tenant's has rows of its own, such as ``@shared``: it has no revenue, and what it costs
has to be earned by the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal, get_args

from ledger.billing.invoice import Invoice
from ledger.costing.amounts import exact_total
from ledger.costing.serving import Basis
from ledger.schema.decimals import exact, portion

#: By what margins can be told.
Dimension = Literal["tenant", "plan", "product"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
#: What was charged, or what it cost, that is no product's.
NO_PRODUCT = ""


@dataclass(frozen=True)
class Observed:
    """How well a tenant's usage of a meter was observed in a range that begins at ``start_us``."""

    tenant: str
    meter: str
    start_us: int
    observed_us: int
    expected_us: int


@dataclass(frozen=True)
class Entry:
    """Revenue, or cost, of one tenant, plan and product, and the usage that it goes by."""

    tenant: str
    plan: str
    product: str
    currency: str
    amount: Decimal
    behind: frozenset[Observed] = frozenset()


@dataclass(frozen=True)
class MarginRow:
    """The margin of a group in one currency. ``percent`` is margin / revenue, two digits, half-even; None of no revenue.

    The coverages are the observed part of the expected time of the usage behind each side, None where nothing is expected.
    """

    group: Mapping[Dimension, str]
    currency: str
    revenue: Decimal
    cost: Decimal
    margin: Decimal | None
    percent: Decimal | None
    revenue_coverage: Decimal | None
    cost_coverage: Decimal | None


@dataclass
class _Group:
    """Both sides of a group, by currency."""

    revenue: dict[str, list[Decimal]] = field(default_factory=dict)
    cost: dict[str, list[Decimal]] = field(default_factory=dict)
    charged: set[Observed] = field(default_factory=set)
    served: set[Observed] = field(default_factory=set)


def revenues(invoice: Invoice, behind: Iterable[Observed]) -> list[Entry]:
    """What an invoice charges, by product; ``behind`` is the usage that it was drafted on."""
    by_meter: dict[str, list[Observed]] = {}
    for watched in behind:
        by_meter.setdefault(watched.meter, []).append(watched)
    products: dict[str, list[Decimal]] = {NO_PRODUCT: []} if not invoice.lines else {}
    # A discount, or a minimum, of a price is for what the price is for.
    meters = {(each.line.product, each.line.price): each.line.meter for each in invoice.lines if each.line.meter}
    for each in invoice.lines:
        meter = meters.get((each.line.product, each.line.price), NO_PRODUCT)
        products.setdefault(meter, []).append(each.amount)
    return [
        Entry(
            invoice.tenant,
            invoice.plan,
            product,
            invoice.currency,
            exact_total(amounts),
            frozenset(by_meter.get(product, ())),
        )
        for product, amounts in products.items()
    ]


def product_of(basis: Basis, charged: Collection[str]) -> str:
    """The product that cost was for, by what it was divided: the one meter that the plan charges, or else the pool that bears the name of one."""
    meters = set(basis.meters).intersection(charged)
    if len(meters) == 1:
        return meters.pop()
    return basis.pool if basis.pool in charged else NO_PRODUCT


def margins(
    revenue: Iterable[Entry], cost: Iterable[Entry], by: Sequence[Dimension] = ("tenant",)
) -> tuple[MarginRow, ...]:
    """A row for each group with revenue or cost, and for each of its currencies, sorted by both. Without ``by`` all is one group."""
    groups: dict[tuple[str, ...], _Group] = {}
    for entry in revenue:
        group = groups.setdefault(_key(entry, by), _Group())
        group.revenue.setdefault(entry.currency, []).append(entry.amount)
        group.charged |= entry.behind
    for entry in cost:
        group = groups.setdefault(_key(entry, by), _Group())
        group.cost.setdefault(entry.currency, []).append(entry.amount)
        group.served |= entry.behind
    return tuple(row for key in sorted(groups) for row in _rows(dict(zip(by, key, strict=True)), groups[key]))


def _key(entry: Entry, by: Sequence[Dimension]) -> tuple[str, ...]:
    return tuple(getattr(entry, name) for name in by)


def _rows(names: Mapping[Dimension, str], group: _Group) -> list[MarginRow]:
    sums = {
        currency: (exact_total(group.revenue.get(currency, ())), exact_total(group.cost.get(currency, ())))
        for currency in sorted(group.revenue.keys() | group.cost.keys())
    }
    moved = {currency: pair for currency, pair in sums.items() if any(pair)}
    coverages = _coverage(group.charged), _coverage(group.served)
    rows: list[MarginRow] = []
    for currency, (revenue, cost) in (moved or sums).items():
        margin = exact_total([revenue, cost.copy_negate()]) if len(moved) <= 1 else None
        rows.append(MarginRow(names, currency, revenue, cost, margin, _percent(margin, revenue), *coverages))
    return rows


def _coverage(behind: Iterable[Observed]) -> Decimal | None:
    rows = list(behind)
    return portion(sum(row.observed_us for row in rows), sum(row.expected_us for row in rows))


def _percent(margin: Decimal | None, revenue: Decimal) -> Decimal | None:
    if margin is None or not revenue:
        return None
    # A fraction is exact, so the number is rounded once; a long decimal quotient would be rounded twice.
    hundredths = round(Fraction(margin) * 10_000 / Fraction(revenue))
    with exact():
        return Decimal(hundredths).scaleb(-2)

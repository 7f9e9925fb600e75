"""Both sides of a margin: what the invoices of some tenants charge, and what it cost to serve them.

Cost is by the bills of a month, allocated, or by price sheets: a quantity of the tenant's own billing period x price. A bill is of a month in UTC and counts for the
billing periods of that name. What is the book's own, and whoever has no subscription, is seen by the month in UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np

from ledger.billing.margin import NO_PRODUCT, Entry, Observed, product_of, revenues
from ledger.billing.tenancy import PlanSpan, Tenancy, nobodys, tenancies
from ledger.costing.allocating import Allocated, allocate
from ledger.costing.apportioning import apportioned
from ledger.costing.converted import days_of, denominated, served_in
from ledger.costing.exchanging import Exchange, turned
from ledger.costing.serving import Served
from ledger.costing.targets import is_own
from ledger.metering.usage import Usage
from ledger.query.allocated import Asked
from ledger.query.desks import UNDRAFTABLE, Desks, said
from ledger.query.pieces import Pieces
from ledger.query.questions import Book
from meterbook.ledger.v1 import query_pb2

SHEET = "sheet"


@dataclass(frozen=True)
class MonthOfBills:
    """The allocation of the bills of a month, and which of their costs."""

    name: str
    asked: Asked
    allocated: Allocated


@dataclass
class Sides:
    """What is put together of both sides; entries with the day by which they are turned into another currency."""

    book: Book
    chosen: Collection[str]
    tenancies: Mapping[str, Tenancy]
    nobodys: Tenancy
    pieces: Pieces
    revenue: list[tuple[Entry, date]] = field(default_factory=list)
    cost: list[tuple[Entry, date]] = field(default_factory=list)
    allocated: list[MonthOfBills] = field(default_factory=list)
    costs: list[query_pb2.MarginCost] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, book: Book, at_us: int, chosen: Collection[str]) -> Sides:
        """The revenue of the tenants chosen (empty for all), and no cost yet."""
        subscribed = {each.tenant for each in book.catalog.subscriptions().values()}
        asked = subscribed.intersection(chosen) if chosen else subscribed
        found = cls(book, chosen, tenancies(book.catalog, asked, at_us), nobodys(at_us), Pieces(book, chosen))
        desks = Desks(book, chosen, found.pieces)
        for tenancy in found.tenancies.values():
            for terms in tenancy.terms:
                billed = terms.cycle.period
                charged = frozenset().union(*(part.plan.meters for part in terms.parts))
                rows = [row for row in found.pieces.of_tenant(terms.tenant, billed) if row.meter in charged]
                behind = _observed(rows, billed.start_us).values()
                try:
                    due = desks.desk(terms.account).due(terms.cycle)
                except UNDRAFTABLE as error:
                    found.problems.append(f"{terms.account.name} of {terms.tenant} cannot be charged: {said(error)}")
                    continue
                found.revenue += [(each, tenancy.day) for each in revenues(due, behind)]
        return found

    def tenancy(self, tenant: str) -> Tenancy:
        """That of a tenant, or of the book's own."""
        return self.tenancies.get(tenant, self.nobodys)

    def add_priced(self, month: str) -> None:
        """The cost of a month by price sheets: quantity x price."""
        spans = {
            span.period
            for each in (self.nobodys, *self.tenancies.values())
            if each.month == month
            for span in each.spans
        }
        without_price = set[str]()
        for period in sorted(spans, key=str):
            lines, unknown = self.pieces.costs(period)
            without_price.update(unknown)
            for line in lines:
                tenancy = self.tenancy(line.tenant)
                span = next((span for span in tenancy.spans if span.period == period), None)
                if span is not None:
                    rows = [row for row in self.pieces.of_tenant(line.tenant, period) if row.meter == line.meter]
                    behind = frozenset(_observed(rows, period.start_us).values())
                    product = line.meter if line.meter in span.charged else NO_PRODUCT
                    entry = _entry(line.tenant, span, product)
                    self.cost.append(
                        (replace(entry, currency=line.currency, amount=line.cost, behind=behind), tenancy.day)
                    )
        self.costs.append(query_pb2.MarginCost(month=month, cost=SHEET))
        self.notes += [
            f"{month}: no sheet has a price for {meter}: its cost is unknown" for meter in sorted(without_price)
        ]

    def add_allocated(self, month: str, asked: Asked, cost: str) -> None:
        """The cost of a month by its bills."""
        allocated = allocate(self.book.view, self.book.catalog, asked.standing)
        self.allocated.append(MonthOfBills(month, asked, allocated))
        names = sorted(f"{bill.source} {bill.version}" for bill in asked.standing)
        self.costs.append(query_pb2.MarginCost(month=month, cost=cost, bills=names))
        self.problems += [f"{month}: {each}" for each in (*asked.problems(), *allocated.problems)]
        self.notes += [f"{month}: {each}" for each in asked.notes()]

    def wanted(self) -> set[tuple[str, date]]:
        """Every currency and day of which there is an amount."""
        found = {(entry.currency, day) for entry, day in (*self.revenue, *self.cost)}
        return found.union(*(days_of(each.allocated.profiles) for each in self.allocated))

    def borne(self, month: MonthOfBills, exchange: Exchange) -> Iterator[Entry]:
        """What everybody bears of a month's bills; of the book's own, and of whoever has no subscription, if it is the month in UTC."""
        starts = sorted(
            {
                span.period.start_us
                for each in self.tenancies.values()
                if each.month == month.name
                for span in each.spans[1:]
            }
        )
        numbers = np.searchsorted(np.array(starts, np.int64), month.allocated.profiles.start_us, "right")
        rows = [
            row
            for row in served_in(denominated(month.allocated, exchange), month.asked.cost, numbers)
            if self.tenancy(row.target).month == month.name and (is_own(row.target) or self._is_chosen(row.target))
        ]
        observed = self._observed_in(month, rows)
        for row in rows:
            tenancy = self.tenancy(row.target)
            span = tenancy.span_at(starts[row.span - 1]) if row.span else tenancy.spans[0]
            entry = _entry(row.target, span, product_of(row.basis, span.charged))
            behind = frozenset(
                each for meter in row.basis.meters if (each := observed.get((row.target, meter))) is not None
            )
            yield replace(entry, currency=row.currency, amount=row.cost, behind=behind)

    def _is_chosen(self, tenant: str) -> bool:
        return not self.chosen or tenant in self.chosen

    def _observed_in(self, month: MonthOfBills, rows: Iterable[Served]) -> Mapping[tuple[str, str], Observed]:
        """How well the usage was observed that the bills were divided by."""
        meters = {meter for row in rows for meter in row.basis.meters}
        period = nobodys(self.book.month(f"{month.name}-01")).period
        found = self.pieces.usage(period.start_us, period.end_us) if meters else []
        return _observed((row for row in found if row.meter in meters), period.start_us)


def _entry(target: str, span: PlanSpan, product: str) -> Entry:
    """An entry of nothing yet; the book's own have no plan and no product."""
    names = (target, target, target) if is_own(target) else (target, span.plan, product)
    return Entry(*names, "", Decimal(0))


def turned_entries(entries: Iterable[tuple[Entry, date]], exchange: Exchange) -> list[Entry]:
    """Entries of some days in the currency that is asked for, so that those of a tenant, and all, add up."""
    groups: dict[str, dict[str, list[tuple[Entry, Fraction]]]] = {}
    for entry, day in entries:
        rate = exchange.rate(entry.currency, day)
        of_currency = groups.setdefault(rate.into, {})
        of_currency.setdefault(entry.tenant, []).append(
            (replace(entry, currency=rate.into), turned(entry.amount, rate))
        )
    return [
        replace(entry, amount=amount)
        for tenants in groups.values()
        for group, amounts in zip(
            tenants.values(), apportioned([[each for _, each in group] for group in tenants.values()]), strict=True
        )
        for (entry, _), amount in zip(group, amounts, strict=True)
    ]


def _observed(rows: Iterable[Usage], start_us: int) -> dict[tuple[str, str], Observed]:
    """How well usage was observed, by tenant and meter."""
    found: dict[tuple[str, str], Observed] = {}
    for row in rows:
        held = found.get((row.tenant, row.meter), Observed(row.tenant, row.meter, start_us, 0, 0))
        found[row.tenant, row.meter] = replace(
            held,
            observed_us=held.observed_us + row.observed_us,
            expected_us=held.expected_us + row.expected_us,
        )
    return found

"""Revenue against cost, as the wire gives it: by the bills of the month, allocated, or by price sheets."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ledger.billing.margin import DIMENSIONS, NO_PRODUCT, Dimension, Entry, MarginRow, margins
from ledger.journal.journal import Journal
from ledger.query.allocated import Asked
from ledger.query.exchanged import asked_currency, exchange_of, rate_rows
from ledger.query.questions import BadQuestion, Book
from ledger.query.sides import SHEET, Sides, turned_entries
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import costing_pb2, query_pb2

_BILLED = "billed"
_COSTS = (_BILLED, "effective", SHEET)


def answer_margin(journal: Journal, request: query_pb2.MarginRequest) -> query_pb2.MarginResponse:
    """Revenue less cost in the billing period of each tenant. Raises BadQuestion, JournalError."""
    into, by = asked_currency(request.currency), _dimensions(request.by)
    if request.cost and request.cost not in _COSTS:
        raise BadQuestion(f"cost: {request.cost!r} is not one of {', '.join(_COSTS)}")
    if request.cost == SHEET and request.nature:
        raise BadQuestion(
            f"nature: {request.nature!r} is of bills, and cost {SHEET!r} goes by none; leave one of the two out"
        )
    book = Book.at(journal, request.as_of)
    sides = Sides.of(book, book.month(request.at), book.tenants(request.tenants))
    for month in sorted({sides.nobodys.month, *(each.month for each in sides.tenancies.values())}):
        _add_cost(sides, request, month)
    exchange = exchange_of(book, into, sides.wanted())
    revenue, cost = turned_entries(sides.revenue, exchange), turned_entries(sides.cost, exchange)
    cost += [entry for each in sides.allocated for entry in sides.borne(each, exchange)]
    return query_pb2.MarginResponse(
        as_of=book.view.position,
        rows=[_row(row) for row in margins(revenue, cost, by)],
        totals=[] if request.tenants else [_row(row) for row in margins(revenue, cost, ())],
        costs=sides.costs,
        rates=rate_rows(exchange),
        problems=[*sides.problems, *exchange.missing()],
        notes=[*sides.notes, *_of_no_product(by, cost)],
    )


def _dimensions(asked: Iterable[str]) -> list[Dimension]:
    unknown = [name for name in asked if name not in DIMENSIONS]
    if unknown:
        raise BadQuestion(f"by: {unknown[0]!r} is not one of {', '.join(DIMENSIONS)}")
    return [name for name in DIMENSIONS if name in asked] or ["tenant"]


def _add_cost(sides: Sides, request: query_pb2.MarginRequest, month: str) -> None:
    """Add the cost of a month as it is asked for: that of its bills if any stands, or else by price sheets. Raises BadQuestion."""
    if request.cost == SHEET:
        sides.add_priced(month)
        return
    asked = Asked.of(sides.book, costing_pb2.Billing(period=month, nature=request.nature, cost=request.cost))
    if asked.standing:
        sides.add_allocated(month, asked, request.cost or _BILLED)
        return
    if request.cost or request.nature:
        raise BadQuestion(
            f"cost: no bill of {month} stands that could be allocated; leave cost and nature out, or ask for {SHEET!r}"
        )
    sides.notes += [f"{month}: {each}" for each in asked.problems()]
    sides.add_priced(month)


def _of_no_product(by: Collection[Dimension], cost: Iterable[Entry]) -> list[str]:
    """That some cost is told per tenant only."""
    if "product" not in by or not any(each.product == NO_PRODUCT and each.amount for each in cost):
        return []
    return [
        "cost of no product is told per tenant only: what it went by is no meter, and no pool of the name of a meter, that the tenant's plan charges"
    ]


def _row(row: MarginRow) -> query_pb2.MarginRow:
    return query_pb2.MarginRow(
        tenant=row.group.get("tenant", ""),
        plan=row.group.get("plan", ""),
        product=row.group.get("product", ""),
        currency=row.currency,
        revenue=plain_text(row.revenue),
        cost=plain_text(row.cost),
        margin="" if row.margin is None else plain_text(row.margin),
        margin_percent="" if row.percent is None else str(row.percent),
        revenue_coverage="" if row.revenue_coverage is None else plain_text(row.revenue_coverage),
        cost_coverage="" if row.cost_coverage is None else plain_text(row.cost_coverage),
    )

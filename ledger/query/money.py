"""Cost by price sheets and draft invoices, as the wire gives them."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

from ledger.billing.invoice import Invoice, InvoiceLine, draft
from ledger.billing.period import Period
from ledger.billing.terms import NotSubscribed, Terms, terms_of
from ledger.costing.pricesheet import CostLine, costs, merged, totals, unpriced
from ledger.directory.decimals import plain_text
from ledger.journal.journal import Journal
from ledger.metering.answer import TooLarge, usage
from ledger.metering.usage import Usage
from ledger.query.questions import BadQuestion, Book
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants


def answer_cost(journal: Journal, request: query_pb2.CostRequest) -> query_pb2.CostResponse:
    """Cost per tenant, sheet and meter, and the exact total per currency. Raises BadQuestion, JournalError."""
    book = Book.at(journal, request.as_of)
    pieces = Pieces(book, book.tenants(request.tenants))
    lines, without_price = pieces.costs(Period(*book.hours(request.range)))
    return query_pb2.CostResponse(
        as_of=book.view.position,
        rows=[_cost_row(line) for line in lines],
        totals={currency: plain_text(amount) for currency, amount in totals(lines).items()},
        unpriced=without_price,
    )


def answer_invoice(journal: Journal, request: query_pb2.InvoiceRequest) -> query_pb2.InvoiceResponse:
    """The drafts of one tenant for one billing period. Raises BadQuestion, JournalError."""
    if not request.tenant:
        raise BadQuestion("tenant: name the tenant whose invoice is to be drafted")
    book = Book.at(journal, request.as_of)
    try:
        terms = terms_of(book.catalog, request.tenant, book.month(request.at))
    except NotSubscribed as error:
        raise BadQuestion(f"tenant: {error}") from error
    pieces = Pieces(book, {request.tenant})
    return query_pb2.InvoiceResponse(
        as_of=book.view.position, invoices=[_draft(pieces.invoice(each)) for each in terms]
    )


class Pieces:
    """Usage of one book by range, each range read once, and what follows from it."""

    def __init__(self, book: Book, tenants: Collection[str]) -> None:
        self._book = book
        self._tenants = tenants
        self._usage: dict[tuple[int, int], list[Usage]] = {}
        self._by_tenant: dict[Period, dict[str, list[Usage]]] = {}

    def usage(self, start_us: int, end_us: int) -> list[Usage]:
        """What the tenants used in a range. Raises BadQuestion where a quantity has no room."""
        if (start_us, end_us) not in self._usage:
            try:
                self._usage[start_us, end_us] = usage(
                    self._book.view, self._book.catalog, start_us, end_us, tenants=self._tenants
                )
            except TooLarge as error:
                raise BadQuestion(f"{error}; measure it by a meter of a larger unit") from error
        return self._usage[start_us, end_us]

    def costs(self, period: Period) -> tuple[tuple[CostLine, ...], list[str]]:
        """Cost lines of a period, and the meters that no sheet had a price for; sheets may change in between."""
        changes = self._book.catalog.changes("price-sheet", period.start_us, period.end_us)
        pieces, without_price = [], set[str]()
        for start_us, end_us in pairwise((period.start_us, *changes, period.end_us)):
            rows, sheets = self.usage(start_us, end_us), self._book.catalog.price_sheets(start_us)
            pieces.append(costs(rows, sheets))
            without_price.update(unpriced(rows, sheets))
        return merged(*pieces), sorted(without_price)

    def of_tenant(self, tenant: str, period: Period) -> list[Usage]:
        """What one tenant used in a period."""
        if period not in self._by_tenant:
            found: dict[str, list[Usage]] = {}
            for row in self.usage(period.start_us, period.end_us):
                found.setdefault(row.tenant, []).append(row)
            self._by_tenant[period] = found
        return self._by_tenant[period].get(tenant, [])

    def invoice(self, terms: Terms) -> Invoice:
        """The draft on these terms."""
        return draft(terms, self.of_tenant(terms.tenant, terms.billed), self._book.view.position)


def _cost_row(line: CostLine) -> query_pb2.CostRow:
    return query_pb2.CostRow(
        tenant=line.tenant,
        price_sheet=line.price_sheet,
        meter=line.meter,
        quantity=plain_text(line.quantity),
        unit_price=plain_text(line.unit_price),
        cost=plain_text(line.cost),
        currency=line.currency,
    )


def _range(period: Period) -> query_pb2.Range:
    return query_pb2.Range(start=instants.text(period.start_us), end=instants.text(period.end_us))


def _draft(invoice: Invoice) -> query_pb2.InvoiceDraft:
    return query_pb2.InvoiceDraft(
        tenant=invoice.tenant,
        subscription=invoice.subscription,
        plan=invoice.plan,
        plan_version=invoice.plan_version,
        period=_range(invoice.period),
        billed=_range(invoice.billed),
        currency=invoice.currency,
        lines=[_line(line) for line in invoice.lines],
        # Money keeps the digits of its currency: 12.50 and not 12.5.
        total=str(invoice.total),
        coverage="" if invoice.coverage is None else plain_text(invoice.coverage),
    )


def _line(line: InvoiceLine) -> query_pb2.InvoiceLine:
    return query_pb2.InvoiceLine(
        description=line.description,
        meter=line.meter,
        quantity=plain_text(line.quantity),
        unit=line.unit,
        unit_price=plain_text(line.unit_price),
        amount=str(line.amount),
    )

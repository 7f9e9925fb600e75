"""Cost by price sheets and draft invoices, as the wire gives them."""

from __future__ import annotations

from ledger.billing.document import document_of
from ledger.billing.invoice import Invoice, InvoiceLine
from ledger.billing.period import Period
from ledger.billing.terms import NotSubscribed, terms_of
from ledger.costing.pricesheet import CostLine, totals
from ledger.journal.journal import Journal
from ledger.query.desks import UNDRAFTABLE, Desks, said
from ledger.query.pieces import Pieces
from ledger.query.questions import BadQuestion, Book
from ledger.schema.decimals import plain_text
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
    desks = Desks(book, {request.tenant})
    try:
        drafts = [desks.desk(each.account).draft(each.cycle) for each in terms]
    except UNDRAFTABLE as error:
        raise BadQuestion(f"tenant: {request.tenant!r} cannot be charged: {said(error)}") from error
    return query_pb2.InvoiceResponse(as_of=book.view.position, invoices=[_draft(each) for each in drafts])


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
        lines=[_line(each) for each in invoice.lines],
        # Money keeps the digits of its currency: 12.50 and not 12.5.
        total=str(invoice.total),
        coverage="" if invoice.coverage is None else plain_text(invoice.coverage),
        document=document_of(invoice),
    )


def _line(each: InvoiceLine) -> query_pb2.InvoiceLine:
    line = each.line
    prices = {piece.unit_price for piece in line.details}
    price = prices.pop() if len(prices) == 1 else None
    return query_pb2.InvoiceLine(
        description=line.title,
        meter=line.meter,
        quantity="" if line.quantity is None else plain_text(line.quantity),
        unit=line.unit,
        # Where the pieces of a line have several prices, each has its own in the document.
        unit_price="" if price is None else plain_text(price),
        amount=str(each.amount),
        role=line.role,
        product=line.product,
        price=line.price,
    )

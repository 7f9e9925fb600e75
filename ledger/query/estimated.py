"""What price books estimate for a month against what was billed for it, as the wire gives it."""

from __future__ import annotations

from decimal import Decimal

from ledger.costing.columns import NoSuchColumn
from ledger.costing.comparing import Compared, TooManyGroups, compared
from ledger.costing.estimating import SOURCE
from ledger.costing.unpriced import Unpriced
from ledger.journal.journal import Journal
from ledger.query.allocated import Asked, asked_columns, asked_limit
from ledger.query.questions import BadQuestion, Book
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import costing_pb2
from meterbook.wire import instants

_ROWS_DEFAULT, _ROWS_MAX = 1_000, 100_000


def answer_estimate(journal: Journal, request: costing_pb2.EstimateRequest) -> costing_pb2.EstimateResponse:
    """Estimates against bills, and the usage that has no price. Raises BadQuestion, JournalError."""
    limit, by = asked_limit(request.limit, _ROWS_DEFAULT, _ROWS_MAX), asked_columns(request.by)
    book = Book.at(journal, request.as_of)
    billed, estimated = _side(book, request, "billed"), _side(book, request, "estimate")
    view, sides = book.view, (billed.standing, estimated.standing)
    try:
        rows = compared(view, *sides, billed.cost, by)
    except (NoSuchColumn, TooManyGroups) as error:
        raise BadQuestion(f"by: {error}") from error
    unpriced = estimated.expected.estimate.unpriced
    problems = [*billed.problems(), *(each for each in estimated.problems() if each not in estimated.expected.lacking)]
    notes = [] if book.catalog.names("price-book") else ["there are no price books: write some with 'meterbook apply'"]
    notes += [] if billed.standing else ["no bill of that month stands"]
    return costing_pb2.EstimateResponse(
        as_of=view.position,
        rows=[_row(row) for row in rows[:limit]],
        rows_total=len(rows),
        totals=[_row(row) for row in (compared(view, *sides, billed.cost, ()) if by else rows)],
        unpriced=[_unpriced(row) for row in unpriced[:limit]],
        unpriced_total=len(unpriced),
        problems=problems,
        notes=notes,
    )


def _side(book: Book, request: costing_pb2.EstimateRequest, nature: str) -> Asked:
    """What was asked about on one side; sources of price books are those of estimates."""
    sources = [each for each in request.sources if each.startswith(SOURCE) == (nature == "estimate")]
    billing = costing_pb2.Billing(period=request.period, sources=sources, nature=nature, cost=request.cost)
    return Asked.of(book, billing)


def _row(row: Compared) -> costing_pb2.EstimatedRow:
    return costing_pb2.EstimatedRow(
        group=row.group,
        currency=row.currency,
        estimated_charges=row.estimated_charges,
        estimated=_text(row.estimated),
        billed_charges=row.billed_charges,
        billed=_text(row.billed),
        difference=plain_text(row.difference),
        error_percent=_text(row.error_percent),
    )


def _unpriced(row: Unpriced) -> costing_pb2.UnpricedRow:
    return costing_pb2.UnpricedRow(
        meter=row.meter,
        tenant=row.tenant,
        dimensions=row.dimensions,
        start=instants.text(row.start_us),
        end=instants.text(row.end_us),
        hours=row.hours,
        quantity=plain_text(row.quantity),
        unit=row.unit,
        reason=row.reason,
    )


def _text(amount: Decimal | None) -> str:
    return "" if amount is None else plain_text(amount)

"""What providers billed, as the wire gives it."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.costing.bills import NOT_WHOLE, Bill, bills, why_not
from ledger.costing.charges import ChargeSum, charge_sums
from ledger.costing.columns import NoSuchColumn
from ledger.journal.journal import Journal
from ledger.query.questions import BadQuestion, Book, instant, suggestion
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import query_pb2
from meterbook.wire import instants
from meterbook.wire.sections import COSTS, NATURES

_ROWS_DEFAULT, _ROWS_MAX = 1_000, 100_000
_COLUMNS_MAX = 20


def answer_bills(journal: Journal, request: query_pb2.BillsRequest) -> query_pb2.BillsResponse:
    """Every version of every bill. Raises BadQuestion, JournalError."""
    book = Book.at(journal, request.as_of)
    rows = [
        query_pb2.BillRow(
            source=bill.source,
            period=instants.text(bill.period_us),
            version=bill.version,
            nature=bill.nature,
            issued=instants.text(bill.issued_us),
            charges=bill.charges,
            billed=plain_text(bill.billed),
            state=bill.state,
            received=bill.lines or 0,
            position=bill.position,
        )
        for bill in _asked(book, request.sources)
    ]
    return query_pb2.BillsResponse(as_of=book.view.position, rows=rows)


def answer_charges(journal: Journal, request: query_pb2.ChargesRequest) -> query_pb2.ChargesResponse:
    """Sums of the charges of standing bills. Raises BadQuestion, JournalError."""
    limit, nature = request.limit or _ROWS_DEFAULT, request.nature or NATURES[0]
    if not 0 < limit <= _ROWS_MAX:
        raise BadQuestion(f"limit: {limit} is not between 1 and {_ROWS_MAX}")
    if nature not in NATURES:
        raise BadQuestion(f"nature: {nature!r} is not one of {', '.join(NATURES)}")
    by = list(dict.fromkeys(request.by))
    if len(by) > _COLUMNS_MAX:
        raise BadQuestion(f"by: {len(by)} columns are more than {_COLUMNS_MAX}")
    start_us = instant(request.range.start, "range.start") if request.range.start else 0
    # A charge may begin with the last second that there is.
    end_us = instant(request.range.end, "range.end") if request.range.end else instants.LATEST_US + 1
    book = Book.at(journal, request.as_of)
    asked_for = [bill for bill in _asked(book, request.sources) if bill.nature == nature]
    standing = [bill for bill in asked_for if bill.state == "stands"]
    try:
        asked = charge_sums(book.view, standing, by, start_us, end_us, limit)
    except NoSuchColumn as error:
        raise BadQuestion(f"by: {error}") from error
    is_told = not by and asked.count <= limit
    totals = asked if is_told else charge_sums(book.view, standing, (), start_us, end_us, _ROWS_MAX)
    return query_pb2.ChargesResponse(
        as_of=book.view.position,
        rows=_rows(asked.first),
        rows_total=asked.count,
        totals=_rows(totals.first),
        notes=[*_notes(asked_for), *_elsewhere(book, nature)],
    )


def _asked(book: Book, sources: Iterable[str]) -> list[Bill]:
    wanted = set(sources)
    found = bills(book.view, wanted)
    if unknown := sorted(wanted.difference(bill.source for bill in found)):
        known = sorted({bill.source for bill in bills(book.view)})
        raise BadQuestion(f"sources: no bill is of {unknown[0]!r}; {suggestion(unknown[0], known)}")
    return found


def _notes(asked_for: Iterable[Bill]) -> list[str]:
    """Of which bills a newer version is known, and is not whole."""
    return [
        f"{bill.source} {instants.text(bill.period_us)[:7]}: a newer version {why_not(bill)}"
        for bill in asked_for
        if bill.state in NOT_WHOLE
    ]


def _elsewhere(book: Book, nature: str) -> list[str]:
    """Where what price books estimate is shown: it is of a month, and of no bill that came."""
    has_books = nature == "estimate" and book.catalog.names("price-book")
    return ["what price books estimate is shown by 'meterbook cost estimate'"] if has_books else []


def _rows(sums: Iterable[ChargeSum]) -> list[query_pb2.ChargeRow]:
    return [
        query_pb2.ChargeRow(
            group=each.group,
            currency=each.currency,
            charges=each.charges,
            **dict(zip(_FIELDS, (plain_text(each.costs[name]) for name in COSTS), strict=True)),
        )
        for each in sums
    ]


_FIELDS = ("billed_cost", "effective_cost", "list_cost", "contracted_cost")

"""Finalized invoices as the wire gives them: which there are, what stands in them, whether they hold, and what a line stands on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ledger.billing.document import as_then, document_of, invoice_of
from ledger.billing.drafting import Desk
from ledger.billing.invoice import Invoice
from ledger.billing.period import Period
from ledger.billing.terms import accounts, zone_of
from ledger.journal.journal import Journal
from ledger.query.allocated import asked_limit
from ledger.query.desks import UNDRAFTABLE, Desks, said
from ledger.query.questions import BadQuestion, Book
from ledger.schema.decimals import plain_text, total
from meterbook.ledger.v1 import invoicing_pb2, journal_pb2
from meterbook.wire import instants

_ROWS_DEFAULT, _ROWS_MAX = 1_000, 100_000
_NUMBER_DIGITS = 6


def identity(series: str, number: int) -> str:
    """The id of an invoice, such as INV-000042."""
    return f"{series}-{number:0{_NUMBER_DIGITS}d}"


def answer_invoices(
    journal: Journal, request: invoicing_pb2.InvoicesRequest, seen: frozenset[str] | None = None
) -> invoicing_pb2.InvoicesResponse:
    """Finalized invoices of the tenants ``seen`` (None for all), oldest first. Raises BadQuestion, JournalError."""
    limit = asked_limit(request.limit, _ROWS_DEFAULT, _ROWS_MAX)
    if request.offset < 0:
        raise BadQuestion(f"offset: {request.offset} is less than 0")
    book = Book.at(journal, request.as_of)
    tenants = book.tenants(request.tenants, seen)
    rows = book.view.invoices(tenants=tenants, subscriptions=set(request.subscriptions), documents=False).to_pylist()
    return invoicing_pb2.InvoicesResponse(
        as_of=book.view.position,
        invoices=[head_of_row(row) for row in rows[request.offset : request.offset + limit]],
        invoices_total=len(rows),
    )


def answer_final_invoice(
    journal: Journal, request: invoicing_pb2.FinalInvoiceRequest, seen: frozenset[str] | None = None
) -> invoicing_pb2.FinalInvoiceResponse:
    """One finalized invoice. Raises BadQuestion, JournalError."""
    book = Book.at(journal, request.as_of)
    row = _row(book, request.id, seen)
    zone = zone_of(book.catalog, row["tenant"])
    hashes = book.view.rows("records", row["position"], row["position"])["hash"].to_pylist()
    return invoicing_pb2.FinalInvoiceResponse(
        invoice=head_of_row(row), document=row["document"], hash=hashes[0], zone="UTC" if zone is None else zone.key
    )


def answer_verify_invoice(
    journal: Journal, request: invoicing_pb2.VerifyInvoiceRequest, seen: frozenset[str] | None = None
) -> invoicing_pb2.VerifyInvoiceResponse:
    """A finalized invoice, computed again. Raises BadQuestion, JournalError."""
    row = _row(Book.at(journal, 0), request.id, seen)
    finalized = str(row["document"])
    computed, trouble = "", ""
    try:
        computed = document_of(_again(Book.at(journal, row["at_position"]), invoice_of(finalized)))
        computed = computed if computed == finalized else as_then(computed, finalized)
    except UNDRAFTABLE as error:
        trouble = f"it cannot be computed again: {said(error)}"
    return invoicing_pb2.VerifyInvoiceResponse(
        invoice=head_of_row(row),
        holds=computed == finalized,
        finalized_sha256=_sha256(finalized),
        computed_sha256=_sha256(computed) if computed else "",
        differences=[trouble] if trouble else list(_differences(json.loads(finalized), json.loads(computed))),
    )


def answer_explain_line(
    journal: Journal, request: invoicing_pb2.ExplainLineRequest, seen: frozenset[str] | None = None
) -> invoicing_pb2.ExplainLineResponse:
    """The entries behind one line. Raises BadQuestion, JournalError."""
    limit = asked_limit(request.limit, _ROWS_DEFAULT, _ROWS_MAX)
    row = _row(Book.at(journal, 0), request.id, seen)
    lines = json.loads(row["document"])["lines"]
    if not 1 <= request.line <= len(lines):
        raise BadQuestion(f"line: {request.line} is not a line of {request.id}, which has {len(lines)}")
    line = lines[request.line - 1]
    entries = _entries(Book.at(journal, row["at_position"]), row, line) if line["meter"] else []
    return invoicing_pb2.ExplainLineResponse(
        invoice=head_of_row(row),
        line=json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        entries=[_entry(each) for each in entries[request.offset : request.offset + limit]],
        entries_total=len(entries),
        quantity=plain_text(total(each["quantity"] for each in entries)),
    )


def head_of(record: journal_pb2.InvoiceRecord, position: int) -> invoicing_pb2.InvoiceHead:
    """The head of an invoice that was written just now."""
    told = {field.name: getattr(record, field.name) for field in record.DESCRIPTOR.fields}
    return head_of_row({**told, "position": position})


def head_of_row(row: Mapping[str, Any]) -> invoicing_pb2.InvoiceHead:
    """The head of an invoice; a row as ``View.invoices`` gives it."""
    same = ("id", "kind", "series", "number", "tenant", "subscription", "currency", "total", "corrects")
    return invoicing_pb2.InvoiceHead(
        **{name: row[name] for name in (*same, "author", "caller", "at_position", "position")},
        start=instants.text(row["start_us"]),
        end=instants.text(row["end_us"]),
        finalized=instants.text(row["finalized_us"]),
    )


def _row(book: Book, id: str, seen: frozenset[str] | None) -> dict[str, Any]:
    rows: list[dict[str, Any]] = book.view.invoices(ids={id}).to_pylist() if id else []
    if not rows or (seen is not None and rows[0]["tenant"] not in seen):
        raise BadQuestion(f"id: there is no finalized invoice {id!r}; 'meterbook invoice list' has all")
    return rows[0]


def _again(book: Book, finalized: Invoice) -> Invoice:
    """The invoice, computed from the book as it stood. Raises ValueError, LookupError."""
    desks = Desks(book, {finalized.tenant})
    account = next(
        (each for each in accounts(book.catalog, finalized.tenant) if each.name == finalized.subscription), None
    )
    if account is None:
        raise LookupError(f"there was no subscription {finalized.subscription!r}")
    made = _made(desks.desk(account), finalized)
    if made is None:
        raise LookupError("nothing was to be charged")
    return made


def _made(desk: Desk, finalized: Invoice) -> Invoice | None:
    if finalized.basis == "opening":
        return desk.opening()
    if finalized.basis == "correction":
        return desk.corrections()
    cycle = desk.account.cycle_at(finalized.billed.start_us)
    return None if cycle is None else desk.draft(cycle)


def _differences(one: Any, two: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted(one.keys() | two.keys()):
            yield from _differences(one.get(key), two.get(key), f"{path}.{key}".removeprefix("."))
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for place, (left, right) in enumerate(zip(one, two, strict=True)):
            yield from _differences(left, right, f"{path}[{place}]")
    elif one != two:
        yield f"{path}: {one!r} was finalized, {two!r} was computed"


def _entries(book: Book, of: Mapping[str, Any], line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries that a line's quantity is the sum of: of its dimensions, and of the time that was charged."""
    period = line["period"]
    rows: list[dict[str, Any]] = book.view.tables.query(
        "SELECT epoch_us(hour) AS hour_us, dimensions, quantity, estimated, version, position FROM entries"
        " WHERE tenant = ? AND meter = ? AND position <= ? AND hour >= make_timestamp(?) AND hour < make_timestamp(?)"
        " ORDER BY hour, dimensions, position",
        [
            of["tenant"],
            line["meter"],
            book.view.position,
            instants.parse(period["start"]),
            instants.parse(period["end"]),
        ],
    ).to_pylist()
    where: Mapping[str, list[str]] = line.get("where", {})
    told = [json.loads(row["dimensions"]) for row in rows] if where else []
    is_of = [all(each.get(name) in values for name, values in where.items()) for each in told]
    found = [row for row, is_wanted in zip(rows, is_of, strict=True) if is_wanted] if where else rows
    free = _free(book, of, instants.parse(line["cycle"]))
    return [row for row in found if not any(period.holds(row["hour_us"]) for period in free)]


def _free(book: Book, of: Mapping[str, Any], cycle_us: int) -> list[Period]:
    """The times of a cycle in which nothing was charged."""
    account = next((each for each in accounts(book.catalog, of["tenant"]) if each.name == of["subscription"]), None)
    cycle = None if account is None else account.cycle_at(cycle_us)
    return [] if account is None or cycle is None else [part.period for part in account.parts(cycle) if part.free]


def _entry(row: Mapping[str, Any]) -> invoicing_pb2.LineEntry:
    return invoicing_pb2.LineEntry(
        window=instants.text(row["hour_us"]),
        dimensions=json.loads(row["dimensions"]),
        quantity=plain_text(row["quantity"]),
        estimated=plain_text(row["estimated"]),
        position=row["position"],
        version=row["version"],
    )


def _sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()

"""Setting: from a copy to the sheet that is printed of it."""

from __future__ import annotations

from ledger.billing.invoice import Invoice
from ledger.billing.parties import Party
from ledger.billing.period import Period
from ledger.directory.seller import ACCENT, is_colour
from ledger.export.copy import Copy
from ledger.export.sections import sections_of
from ledger.export.sheet import Address, Columns, Fact, Sheet
from ledger.export.wording import Wording, printable


def sheet_of(copy: Copy) -> Sheet:
    """Everything that stands on the invoice."""
    invoice, wording = copy.invoice, copy.wording
    labels = wording.labels
    is_credit = invoice.kind == "credit-note"
    sections = tuple(sections_of(invoice, wording))
    payment = _printable(invoice.paper.payment_details) if invoice.total > 0 else ()
    contact = _contact(invoice, wording)
    return Sheet(
        language=wording.locale.language,
        region=wording.locale.territory or "",
        # The document may be anybody's, and this goes into style sheets.
        accent=invoice.paper.accent if is_colour(invoice.paper.accent) else ACCENT,
        title=labels.credit_note if is_credit else labels.invoice,
        number=printable(copy.id),
        draft=labels.draft if copy.is_draft else "",
        draft_note=labels.draft_note if copy.is_draft else "",
        seller=_address(labels.seller, invoice.seller, wording) if invoice.seller.title else None,
        customer=_address(labels.customer, invoice.customer, wording),
        facts=_facts(copy),
        total=Fact(labels.total_credit if is_credit else labels.total_due, wording.money(invoice.total)),
        due=Fact(labels.due, copy.due) if copy.due else None,
        columns=Columns(
            labels.description,
            labels.quantity,
            labels.unit,
            labels.unit_price,
            labels.amount.format(currency=invoice.currency),
        ),
        sections=sections,
        nothing="" if sections else labels.nothing,
        statements=_statements(invoice, wording),
        notes_label=labels.notes,
        notes=(*_printable(invoice.notes), *(() if payment else contact)),
        payment_label=labels.payment,
        payment=(*payment, *contact) if payment else (),
        proof=_proof(copy),
        attached=labels.attached,
        footer=_printable(invoice.paper.footer),
        page=labels.page,
    )


def _printable(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(printable(line) for line in lines)


def _address(heading: str, party: Party, wording: Wording) -> Address:
    tax = (f"{wording.labels.tax_id}: {printable(party.tax_id)}",) if party.tax_id else ()
    email = (printable(party.email),) if party.email else ()
    return Address(heading, printable(party.title), (*_printable(party.address), *tax, *email))


def _facts(copy: Copy) -> tuple[Fact, ...]:
    """What is to be known at a glance, in order."""
    invoice, wording, labels = copy.invoice, copy.wording, copy.wording.labels
    found = [] if copy.issued_us is None else [Fact(labels.issued, wording.day(copy.issued_us))]
    if copy.due:
        found.append(Fact(labels.due, copy.due))
    elif invoice.paper.payment_days is not None and copy.is_draft and invoice.total > 0:
        found.append(Fact(labels.payment_term, wording.days(invoice.paper.payment_days)))
    found.append(Fact(labels.period, wording.span(_billed(invoice))))
    found.append(Fact(labels.plan, printable(invoice.plan)))
    return tuple(found)


def _billed(invoice: Invoice) -> Period:
    """What is billed; of an invoice that only bills in advance, what its lines are for."""
    if invoice.billed.start_us < invoice.billed.end_us or not invoice.lines:
        return invoice.billed
    periods = [each.line.period for each in invoice.lines]
    return Period(min(each.start_us for each in periods), max(each.end_us for each in periods))


def _statements(invoice: Invoice, wording: Wording) -> tuple[str, ...]:
    """How well usage was observed."""
    labels = wording.labels
    covered = () if invoice.coverage is None else (labels.coverage.format(percent=wording.percent(invoice.coverage)),)
    is_estimated = any(each.line.estimated and not each.corrects for each in invoice.lines)
    return (*covered, labels.estimates) if is_estimated else covered


def _contact(invoice: Invoice, wording: Wording) -> tuple[str, ...]:
    """Whom to ask: with how to pay, and with the notes where nothing is to be paid."""
    email = printable(invoice.seller.email)
    return (wording.labels.contact.format(email=email),) if email else ()


def _proof(copy: Copy) -> tuple[str, ...]:
    labels = copy.wording.labels
    found = [labels.position.format(position=copy.invoice.as_of)]
    if copy.record_hash:
        found.append(labels.record_hash.format(hash=printable(copy.record_hash)))
    if copy.verify:
        found.append(labels.verify.format(command=printable(copy.verify)))
    return tuple(found)

"""The document of an invoice: the text that is finalized, and that is computed again to prove it.

It is JSON with sorted keys and no spaces; numbers are text, instants RFC 3339. Every amount that follows from others is there as well, so that a reader
needs no program: exact amounts to twelve digits, the coverage, the total. Reading one back gives all that later invoices need of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ledger.billing.allowance import Carried, Lot
from ledger.billing.charging import Line
from ledger.billing.drawn import Entries
from ledger.billing.invoice import Invoice, InvoiceLine
from ledger.billing.parties import Paper, Party
from ledger.billing.period import Period
from ledger.rating.model import RatedLine
from ledger.rating.rounding import Amount, round_digits
from ledger.schema.decimals import plain_text
from meterbook.wire import instants

#: What a document says it is; a reader refuses another.
FORMAT = "meterbook.invoice.v1"
_EXACT_DIGITS = 12


class UnreadableInvoice(ValueError):
    """A document that this release cannot read."""


def document_of(invoice: Invoice) -> str:
    """The canonical text."""
    told = {
        "format": FORMAT,
        "kind": invoice.kind,
        "basis": invoice.basis,
        "as_of": invoice.as_of,
        "tenant": invoice.tenant,
        "subscription": invoice.subscription,
        "plan": invoice.plan,
        "plan_version": invoice.plan_version,
        "period": _period(invoice.period),
        "billed": _period(invoice.billed),
        "currency": invoice.currency,
        "lines": [_line(each) for each in invoice.lines],
        "total": str(invoice.total),
        "coverage": "" if invoice.coverage is None else plain_text(invoice.coverage),
        "carried": {price: [_lot(lot) for lot in each.lots] for price, each in invoice.carried.items()},
        "notes": list(invoice.notes),
        "seller": vars(invoice.seller),
        "customer": vars(invoice.customer),
        "paper": vars(invoice.paper),
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def invoice_of(document: str) -> Invoice:
    """What a document says. Raises UnreadableInvoice."""
    try:
        told = json.loads(document)
        if told["format"] != FORMAT:
            raise UnreadableInvoice(f"format {told['format']!r} is not {FORMAT!r}")
        return Invoice(
            as_of=told["as_of"],
            tenant=told["tenant"],
            subscription=told["subscription"],
            plan=told["plan"],
            plan_version=told["plan_version"],
            period=_period_of(told["period"]),
            billed=_period_of(told["billed"]),
            currency=told["currency"],
            lines=tuple(_line_of(each) for each in told["lines"]),
            carried={price: Carried(tuple(_lot_of(lot) for lot in lots)) for price, lots in told["carried"].items()},
            notes=tuple(told["notes"]),
            seller=_party_of(told["seller"]),
            customer=_party_of(told["customer"]),
            paper=_paper_of(told["paper"]),
            basis=told["basis"],
        )
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise UnreadableInvoice(f"the document cannot be read: {error!r}") from error


def _period(period: Period) -> dict[str, str]:
    return {"start": instants.text(period.start_us), "end": instants.text(period.end_us)}


def _period_of(told: Mapping[str, str]) -> Period:
    return Period(instants.parse(told["start"]), instants.parse(told["end"]))


def _party_of(told: Mapping[str, Any]) -> Party:
    return Party(told["title"], tuple(told["address"]), told["tax_id"], told["email"])


def _paper_of(told: Mapping[str, Any]) -> Paper:
    return Paper(
        timezone=told["timezone"],
        language=told["language"],
        payment_days=told["payment_days"],
        payment_details=tuple(told["payment_details"]),
        footer=tuple(told["footer"]),
        accent=told["accent"],
    )


def _exact(amount: Amount) -> str:
    """Decimals as they are; what is no decimal number, to twelve digits."""
    return plain_text(amount if isinstance(amount, Decimal) else round_digits(amount, _EXACT_DIGITS))


def _line(each: InvoiceLine) -> dict[str, Any]:
    line = each.line
    return {
        "role": line.role,
        "product": line.product,
        "price": line.price,
        "name": line.name,
        "title": line.title,
        "period": _period(line.period),
        "cycle": instants.text(each.cycle_us),
        "meter": line.meter,
        "model": line.model,
        "unit": line.unit,
        "quantity": "" if line.quantity is None else plain_text(line.quantity),
        "included": plain_text(line.included),
        "estimated": plain_text(line.estimated),
        "observed_us": line.observed_us,
        "expected_us": line.expected_us,
        "details": [_detail(piece) for piece in line.details],
        "exact": _exact(line.exact),
        "charged": str(line.amount),
        "invoiced": str(each.invoiced),
        "amount": str(each.amount),
        "corrects": each.corrects,
        "entries": None if line.entries is None else _entries(line.entries),
        "where": {name: list(values) for name, values in line.where.items()},
    }


def _line_of(told: Mapping[str, Any]) -> InvoiceLine:
    line = Line(
        role=told["role"],
        product=told["product"],
        price=told["price"],
        name=told["name"],
        title=told["title"],
        period=_period_of(told["period"]),
        amount=Decimal(told["charged"]),
        exact=Decimal(told["exact"]),
        meter=told["meter"],
        model=told["model"],
        unit=told["unit"],
        quantity=Decimal(told["quantity"]) if told["quantity"] else None,
        included=Decimal(told["included"]),
        details=tuple(_detail_of(piece) for piece in told["details"]),
        observed_us=told["observed_us"],
        expected_us=told["expected_us"],
        estimated=Decimal(told["estimated"]),
        entries=None if told["entries"] is None else Entries(**told["entries"]),
        where={name: tuple(values) for name, values in told["where"].items()},
    )
    cycle_us = instants.parse(told["cycle"])
    return InvoiceLine(line, cycle_us, Decimal(told["amount"]), Decimal(told["invoiced"]), told["corrects"])


def _entries(entries: Entries) -> dict[str, int]:
    return {"count": entries.count, "first": entries.first, "last": entries.last}


def _detail(piece: RatedLine) -> dict[str, Any]:
    return {
        "quantity": plain_text(piece.quantity),
        "unit_price": "" if piece.unit_price is None else plain_text(piece.unit_price),
        "amount": plain_text(piece.amount),
        "tier": piece.tier,
        "label": piece.label,
    }


def _detail_of(told: Mapping[str, Any]) -> RatedLine:
    price = Decimal(told["unit_price"]) if told["unit_price"] else None
    return RatedLine(Decimal(told["quantity"]), price, Decimal(told["amount"]), told["tier"], told["label"])


def _lot(lot: Lot) -> dict[str, Any]:
    return {
        "start": instants.text(lot.start_us),
        "quantity": plain_text(lot.quantity),
        "cycles_left": lot.cycles_left,
    }


def _lot_of(told: Mapping[str, Any]) -> Lot:
    return Lot(instants.parse(told["start"]), Decimal(told["quantity"]), told["cycles_left"])

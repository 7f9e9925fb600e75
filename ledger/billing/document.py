"""The document of an invoice: the text that is finalized, and that is computed again to prove it.

It is JSON with sorted keys and no spaces; numbers are text, instants RFC 3339. Every amount that follows from others is there as well, so that a reader
needs no program: exact amounts to twelve digits, the coverage, the total. Reading one back gives all that later invoices need of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic_core import to_json

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
#: What lines have been given since the format was made, each with the value that says nothing. Documents from before have none of it.
_LATER: Mapping[str, Any] = {"where": {}}


class UnreadableInvoice(ValueError):
    """A document that this release cannot read."""


def document_of(invoice: Invoice) -> str:
    """The canonical text. Keys stand here in their order: sorting those of thousands of invoices takes longer than writing them."""
    coverage = invoice.coverage
    told = {
        "as_of": invoice.as_of,
        "basis": invoice.basis,
        "billed": _period(invoice.billed),
        "carried": {price: [_lot(lot) for lot in each.lots] for price, each in sorted(invoice.carried.items())},
        "coverage": "" if coverage is None else plain_text(coverage),
        "currency": invoice.currency,
        "customer": _sorted(vars(invoice.customer)),
        "format": FORMAT,
        "kind": invoice.kind,
        "lines": [_line(each) for each in invoice.lines],
        "notes": invoice.notes,
        "paper": _sorted(vars(invoice.paper)),
        "period": _period(invoice.period),
        "plan": invoice.plan,
        "plan_version": invoice.plan_version,
        "seller": _sorted(vars(invoice.seller)),
        "subscription": invoice.subscription,
        "tenant": invoice.tenant,
        "total": str(invoice.total),
    }
    return to_json(told).decode()


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


def as_then(computed: str, finalized: str) -> str:
    """The computed document as it would have been written when the other one was: without what came later and says nothing."""
    told, lines = json.loads(computed), json.loads(finalized)["lines"]
    for new, old in zip(told["lines"], lines, strict=False):
        for name, nothing in _LATER.items():
            if name not in old and new.get(name) == nothing:
                del new[name]
    return to_json(told).decode()


def _sorted(told: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(told.items()))


def _period(period: Period) -> dict[str, str]:
    return {"end": instants.text(period.end_us), "start": instants.text(period.start_us)}


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
        "amount": str(each.amount),
        "charged": str(line.amount),
        "corrects": each.corrects,
        "cycle": instants.text(each.cycle_us),
        "details": [_detail(piece) for piece in line.details],
        "entries": line.entries and _entries(line.entries),
        "estimated": plain_text(line.estimated),
        "exact": _exact(line.exact),
        "expected_us": line.expected_us,
        "included": plain_text(line.included),
        "invoiced": str(each.invoiced),
        "meter": line.meter,
        "model": line.model,
        "name": line.name,
        "observed_us": line.observed_us,
        "period": _period(line.period),
        "price": line.price,
        "product": line.product,
        "quantity": "" if line.quantity is None else plain_text(line.quantity),
        "role": line.role,
        "title": line.title,
        "unit": line.unit,
        "where": _sorted(line.where) if line.where else {},
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
        where={name: tuple(values) for name, values in told.get("where", {}).items()},
    )
    cycle_us = instants.parse(told["cycle"])
    return InvoiceLine(line, cycle_us, Decimal(told["amount"]), Decimal(told["invoiced"]), told["corrects"])


def _entries(entries: Entries) -> dict[str, int]:
    return {"count": entries.count, "first": entries.first, "last": entries.last}


def _detail(piece: RatedLine) -> dict[str, Any]:
    return {
        "amount": plain_text(piece.amount),
        "label": piece.label,
        "quantity": plain_text(piece.quantity),
        "tier": piece.tier,
        "unit_price": "" if piece.unit_price is None else plain_text(piece.unit_price),
    }


def _detail_of(told: Mapping[str, Any]) -> RatedLine:
    price = Decimal(told["unit_price"]) if told["unit_price"] else None
    return RatedLine(Decimal(told["quantity"]), price, Decimal(told["amount"]), told["tier"], told["label"])


def _lot(lot: Lot) -> dict[str, Any]:
    return {
        "cycles_left": lot.cycles_left,
        "quantity": plain_text(lot.quantity),
        "start": instants.text(lot.start_us),
    }


def _lot_of(told: Mapping[str, Any]) -> Lot:
    return Lot(instants.parse(told["start"]), Decimal(told["quantity"]), told["cycles_left"])

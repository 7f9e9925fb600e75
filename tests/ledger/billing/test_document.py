"""The document of an invoice is canonical, whatever was typed into what it is made of."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from ledger.billing.allowance import Carried, Lot
from ledger.billing.charging import Line
from ledger.billing.document import as_then, document_of, invoice_of
from ledger.billing.drawn import Entries
from ledger.billing.invoice import Invoice, InvoiceLine
from ledger.billing.parties import Paper, Party
from ledger.billing.period import Period
from ledger.rating.model import RatedLine

MARCH = Period(1_772_323_200_000_000, 1_775_001_600_000_000)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def typed(text: str, exact: Decimal | Fraction) -> Invoice:
    """An invoice with all that there may be, in which everything that anybody can type is this text."""
    amount, where = Decimal("12.50"), {f"{text}z": (text,), f"{text}a": (text, "")}
    pieces = (RatedLine(Decimal("1E+2"), None, amount, 1, text), RatedLine(Decimal("1E-9"), amount, amount))
    line = Line("charge", text, text, text, text, MARCH, amount, exact, text, "matrix", text, Decimal(3), where=where)
    booked = line._replace(details=pieces, entries=Entries(31, 4, 9), observed_us=5, expected_us=7)
    party = Party(text, (text, text), text, text)
    return Invoice(
        as_of=9,
        tenant=text,
        subscription=text,
        plan=text,
        plan_version=2,
        period=MARCH,
        billed=MARCH,
        currency="EUR",
        lines=(InvoiceLine(line, MARCH.start_us, amount), InvoiceLine(booked, MARCH.start_us, -amount, amount, text)),
        carried={f"{text}z": Carried((Lot(MARCH.start_us, Decimal("0.5"), 2),)), f"{text}a": Carried()},
        notes=(text, text),
        seller=party,
        customer=party,
        paper=Paper("Europe/Berlin", text, 14, (text,), (text,), text),
    )


@given(TEXTS, st.one_of(st.decimals(-1000, 1000, places=6), st.fractions(-1000, 1000)))
@example('\x00\x08\t\n\x0c\r\x1f"\\/\x7f\x85\u2028<é😀', Fraction(1, 3))
def test_a_document_is_the_canonical_json_of_what_it_says(text: str, exact: Decimal | Fraction) -> None:
    document = document_of(typed(text, exact))
    assert document == json.dumps(json.loads(document), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@given(TEXTS)
def test_a_document_is_read_as_what_was_written(text: str) -> None:
    invoice = typed(text, Decimal("12.5"))
    assert document_of(invoice_of(document_of(invoice))) == document_of(invoice)


def test_a_document_from_before_lines_had_dimensions_is_read_and_computed_as_it_was() -> None:
    now = json.loads(document_of(typed("a", Decimal("12.5"))))
    now["lines"][0]["where"] = {}
    old = json.loads(json.dumps(now))
    del old["lines"][0]["where"]
    finalized = json.dumps(old, separators=(",", ":"))
    assert not invoice_of(finalized).lines[0].line.where
    assert as_then(json.dumps(now), finalized) == finalized
    # What says something is never left out, and what an older document says is never hidden.
    now["lines"][0]["where"] = {"region": ["eu"]}
    assert as_then(json.dumps(now), finalized) != finalized
    old["lines"][0]["amount"] = "0.00"
    assert as_then(finalized, json.dumps(old, separators=(",", ":"))) != json.dumps(old, separators=(",", ":"))

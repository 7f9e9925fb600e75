"""Amounts in the currency that a question asks for: which rates there are, and which were used."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.costing.apportioning import apportioned
from ledger.costing.exchanging import Exchange
from ledger.directory.quotations import Quotations
from ledger.query.questions import BadQuestion, Book, suggestion
from ledger.schema.currency import EXPONENTS
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import exchange_pb2


def asked_currency(code: str) -> str:
    """The currency that is asked for, empty for none. Raises BadQuestion for what is none."""
    if code and code not in EXPONENTS:
        raise BadQuestion(
            f"currency: {code!r} is no ISO 4217 code of a currency that can be paid in; {suggestion(code.upper(), sorted(EXPONENTS))}"
        )
    return code


def exchange_of(book: Book, into: str, wanted: Iterable[tuple[str, date]]) -> Exchange:
    """The rates into a currency (empty for none), as the book states them, of these currencies and days."""
    return Exchange.of(Quotations(book.catalog), into, wanted)


def rate_rows(exchange: Exchange) -> list[exchange_pb2.ExchangeRate]:
    """The rates that were used, as the wire gives them."""
    return [
        exchange_pb2.ExchangeRate(
            currency=used.rate.currency,
            into=used.rate.into,
            rate=plain_text(apportioned([[used.rate.value]])[0][0]),
            first_day=used.first.isoformat(),
            last_day=used.last.isoformat(),
            quotations=[
                exchange_pb2.Quotation(
                    definition=each.definition,
                    version=each.version,
                    base=each.base,
                    quote=each.quote,
                    when=each.when,
                    rate=plain_text(each.rate),
                )
                for each in used.rate.quotations
            ],
        )
        for used in exchange.used()
    ]

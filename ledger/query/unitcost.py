"""What one unit of what a meter measures cost, month by month, as the wire gives it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from zoneinfo import ZoneInfo

import numpy as np

from ledger.billing.period import billing_period
from ledger.costing.allocating import allocate
from ledger.costing.converted import days_of, denominated, served_in
from ledger.costing.exchanging import Exchange
from ledger.costing.serving import meters_gone_by
from ledger.costing.taking import rules_of
from ledger.costing.unitcost import Borne, Measured, borne, change_percent, measured, shown_unit_cost, unit_cost
from ledger.directory.meter import Meter
from ledger.journal.journal import Journal
from ledger.metering.answer import TooLarge, usage
from ledger.query.allocated import Asked
from ledger.query.exchanged import asked_currency, exchange_of, rate_rows
from ledger.query.questions import BadQuestion, Book, suggestion
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import costing_pb2
from meterbook.wire import instants

_MONTHS_MAX = 36
_MONTHS_OF_YEAR = 12


def answer_unit_cost(journal: Journal, request: costing_pb2.UnitCostRequest) -> costing_pb2.UnitCostResponse:
    """The unit cost of a meter, the earliest month first. Raises BadQuestion, JournalError."""
    into = asked_currency(request.currency)
    if not 0 <= request.months <= _MONTHS_MAX:
        raise BadQuestion(f"months: {request.months} is not between 1 and {_MONTHS_MAX}")
    book = Book.at(journal, request.as_of)
    last = Asked.of(book, request.billing)
    notes = _gone_by(book, request.meter)
    months = [
        _month(last if name == request.billing.period else _of(book, request.billing, name), name, request.meter, into)
        for name in _months(request.billing.period, request.months or 1)
    ]
    exchange = Exchange(into, {each: rate for month in months for each, rate in month.exchange.rates.items()})
    return costing_pb2.UnitCostResponse(
        as_of=book.view.position,
        rows=_rows(months),
        rates=rate_rows(exchange),
        problems=[*chain.from_iterable(month.problems for month in months), *exchange.missing()],
        notes=[*notes, *chain.from_iterable(month.notes for month in months)],
    )


@dataclass(frozen=True)
class _Month:
    """What is known of a month; ``borne`` is empty where no tenant bears anything by the meter."""

    name: str
    measured: Measured
    unit: str
    borne: list[Borne]
    exchange: Exchange
    problems: list[str]
    notes: list[str]


def _gone_by(book: Book, meter: str) -> list[str]:
    """What is worth knowing of the rules that go by a meter. Raises BadQuestion where none does."""
    gone_by = meters_gone_by([rule.spec for rule in rules_of(book.catalog)])
    if meter not in gone_by:
        raise BadQuestion(
            f"meter: no allocation rule divides in proportion to {meter!r}; {suggestion(meter, sorted(gone_by))}"
        )
    return [
        f"a rule goes by the greatest of {' and '.join(meters)}; the quantity is that of {meter} alone"
        for meters in sorted(gone_by[meter])
        if len(meters) > 1
    ]


def _months(last: str, count: int) -> Iterator[str]:
    """The names of some months up to the last one, in order."""
    number = int(last[:4]) * _MONTHS_OF_YEAR + int(last[5:]) - 1
    for each in range(number - count + 1, number + 1):
        yield f"{each // _MONTHS_OF_YEAR:04}-{each % _MONTHS_OF_YEAR + 1:02}"


def _of(book: Book, billing: costing_pb2.Billing, month: str) -> Asked:
    """The same bills of another month."""
    other = costing_pb2.Billing()
    other.CopyFrom(billing)
    other.period = month
    return Asked.of(book, other)


def _month(asked: Asked, name: str, meter: str, into: str) -> _Month:
    book = asked.book
    try:
        period = billing_period(instants.parse(f"{name}-01"), ZoneInfo("UTC"))
    except ValueError as error:
        raise BadQuestion(
            f"period: {name!r} is in no year of which there is usage; give a month of the years 2 to 9998"
        ) from error
    try:
        rows = usage(book.view, book.catalog, period.start_us, period.end_us, meters=[meter])
    except TooLarge as error:
        raise BadQuestion(f"meter: {error}; measure it by a meter of a larger unit") from error
    newest = book.catalog.versions("meter", meter)[-1].spec
    assert isinstance(newest, Meter)
    allocated = allocate(book.view, book.catalog, asked.standing)
    exchange = exchange_of(book, into, days_of(allocated.profiles))
    told = denominated(allocated, exchange)
    found = borne(served_in(told, asked.cost, np.zeros(len(allocated.profiles), np.int64)), meter)
    notes = asked.notes()
    if not found and asked.standing:
        notes.append(f"no tenant bears anything by a rule that divides in proportion to {meter}")
    return _Month(
        name,
        measured(rows),
        newest.unit,
        found,
        exchange,
        [f"{name}: {each}" for each in (*asked.problems(), *allocated.problems)],
        [f"{name}: {each}" for each in notes],
    )


def _rows(months: Iterable[_Month]) -> Iterator[costing_pb2.UnitCostRow]:
    before: dict[str, Fraction | None] = {}
    for month in months:
        known = costing_pb2.UnitCostRow(
            month=month.name,
            quantity=plain_text(month.measured.quantity),
            unit=month.unit,
            coverage=_text(month.measured.coverage),
        )
        now = {each.currency: unit_cost(each.cost, month.measured.quantity) for each in month.borne}
        for each in month.borne:
            change = change_percent(before.get(each.currency), now[each.currency])
            row = costing_pb2.UnitCostRow(
                currency=each.currency,
                cost=plain_text(each.cost),
                unit_cost="" if (cost := now[each.currency]) is None else plain_text(shown_unit_cost(cost)),
                change_percent="" if change is None else str(change),
            )
            row.MergeFrom(known)
            yield row
        if not month.borne:
            yield known
        before = now


def _text(number: Decimal | None) -> str:
    return "" if number is None else plain_text(number)

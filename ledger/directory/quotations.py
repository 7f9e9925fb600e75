"""Quotations: every exchange rate of a catalog, found by two currencies and a day.

Rates of two currencies may stand in several definitions, either way round. They are put in one row by time, so of two currencies at most one quotation
holds on a day; definitions that would make it two are refused when they are written.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document, Fault
from ledger.directory.exchange import ExchangeRates, first_day, is_month
from ledger.directory.versions import Definition

KIND = "exchange-rates"
_DAYS_OF_LONGEST_MONTH = 31
#: Two currencies, whichever way round.
Pair: TypeAlias = frozenset[str]


@dataclass(frozen=True)
class Quotation:
    """What one unit of ``base`` was worth in ``quote`` from ``first`` on until ``end`` (exclusive; None for no end), as a definition says of ``when``."""

    definition: str
    version: int
    base: str
    quote: str
    when: str
    rate: Decimal
    first: date
    end: date | None


class Quotations:
    """All quotations that there are, by the two currencies and in order of time."""

    def __init__(self, catalog: Catalog) -> None:
        told: dict[Pair, list[Quotation]] = {}
        for definition, spec in _newest(catalog):
            for when, rate in spec.rates.items():
                told.setdefault(frozenset({spec.base, spec.quote}), []).append(_quotation(definition, spec, when, rate))
        self._by_pair: Mapping[Pair, Sequence[Quotation]] = {
            pair: sorted(each, key=lambda quotation: (quotation.first, quotation.definition))
            for pair, each in told.items()
        }

    def held(self, one: str, other: str, day: date) -> Quotation | None:
        """The quotation of two currencies, whichever way round, that holds on a day."""
        quotations = self._by_pair.get(frozenset({one, other}), ())
        place = bisect_right(quotations, day, key=lambda each: each.first) - 1
        if place < 0:
            return None
        found = quotations[place]
        return found if found.end is None or day < found.end else None

    def partners(self, currency: str) -> set[str]:
        """The currencies that it has quotations with."""
        return {other for pair in self._by_pair if currency in pair for other in pair if other != currency}


def quotation_faults(after: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    """Documents that tell of two currencies and a date of which another definition tells, too, or by months where that does by dates."""
    mine = [(each, each.spec) for each in documents if isinstance(each.spec, ExchangeRates)]
    if not mine:
        return
    standing = list(_newest(after))
    for document, spec in mine:
        pair = {spec.base, spec.quote}
        for other, told in standing:
            if other.name != document.name and {told.base, told.quote} == pair:
                yield from _contradicting(document, spec, other.name, told)


def _contradicting(document: Document, spec: ExchangeRates, other: str, told: ExchangeRates) -> Iterator[Fault]:
    currencies = " and ".join(sorted({spec.base, spec.quote}))
    one, two = next(iter(spec.rates)), next(iter(told.rates))
    if is_month(one) != is_month(two):
        yield document.fault(
            ("spec", "rates", one),
            f"{one!r} and {two!r} of exchange-rates {other!r} tell of {currencies} by months and by dates: one day would have two rates; keep to one",
        )
    for when in sorted(spec.rates.keys() & told.rates.keys())[:1]:
        yield document.fault(
            ("spec", "rates", when),
            f"exchange-rates {other!r} has a rate of {currencies} for {when} already: leave one of the two out",
        )


def _newest(catalog: Catalog) -> Iterator[tuple[Definition, ExchangeRates]]:
    for name in catalog.names(KIND):
        newest = catalog.versions(KIND, name)[-1]
        if isinstance(newest.spec, ExchangeRates):
            yield newest, newest.spec


def _quotation(definition: Definition, spec: ExchangeRates, when: str, rate: Decimal) -> Quotation:
    first, end = first_day(when), _day(None)
    if is_month(when):
        later = _day(first.toordinal() + _DAYS_OF_LONGEST_MONTH)
        end = None if later is None else later.replace(day=1)
    elif spec.days_max is not None:
        end = _day(first.toordinal() + spec.days_max)
    return Quotation(definition.name, definition.version, spec.base, spec.quote, when, rate, first, end)


def _day(ordinal: int | None) -> date | None:
    """A day by its number; None for none, and after the last day that there is."""
    return None if ordinal is None or ordinal > date.max.toordinal() else date.fromordinal(ordinal)

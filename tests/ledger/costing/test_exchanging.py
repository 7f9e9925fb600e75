"""Amounts in another currency: which rate it is, that nothing is lost, and what has none."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.apportioning import SHOWN_DIGITS, apportioned
from ledger.costing.exchanging import Exchange, rate_of, turned
from ledger.directory.quotations import Quotations
from tests.ledger.costing.memory import catalog

FIRST = date(2026, 1, 1)


def rates(name: str, base: str, quote: str, told: str) -> str:
    return f"{{kind: exchange-rates, name: {name}, spec: {{base: {base}, quote: {quote}, rates: {{{told}}}}}}}"


QUOTATIONS = Quotations(
    catalog(
        rates("usd", "EUR", "USD", "2026-01-01: 1.25, 2026-01-03: 1.0832"),
        rates("jpy", "EUR", "JPY", "2026-01-02: 160"),
        rates("chf", "CHF", "EUR", "2026-01: '0.99'"),
        rates("gbp", "GBP", "SEK", "2026-01: 13"),
    )
)


@pytest.mark.parametrize(
    ("currency", "into", "day", "number", "names"),
    [
        ("EUR", "EUR", 1, "1", []),
        ("EUR", "USD", 1, "1.25", ["usd"]),
        ("EUR", "USD", 3, "1.0832", ["usd"]),
        ("USD", "EUR", 2, "0.8", ["usd"]),
        ("USD", "EUR", 3, "10000/10832", ["usd"]),
        # 160 / 1.25
        ("USD", "JPY", 2, "128", ["usd", "jpy"]),
        ("CHF", "JPY", 2, "158.4", ["chf", "jpy"]),
        # 1 / 1.25 / 0.99
        ("USD", "CHF", 1, "80/99", ["usd", "chf"]),
        # Neither before the first, nor after the month, nor where nothing leads from the one to the other.
        ("JPY", "EUR", 1, None, []),
        ("USD", "JPY", 1, None, []),
        ("CHF", "EUR", 32, None, []),
        ("GBP", "EUR", 1, None, []),
        ("", "EUR", 1, None, []),
    ],
)
def test_which_rate_it_is(currency: str, into: str, day: int, number: str | None, names: list[str]) -> None:
    found = rate_of(QUOTATIONS, currency, into, FIRST + timedelta(days=day - 1))
    assert (None if found is None else found.value) == (None if number is None else Fraction(number))
    assert ([] if found is None else [each.definition for each in found.quotations]) == names


POSITIVE = st.decimals("0.000000000000000001", 10**19, places=18, allow_nan=False, allow_infinity=False)
AMOUNTS = st.lists(st.decimals(-(10**19), 10**19, places=18, allow_nan=False, allow_infinity=False))


@given(POSITIVE, AMOUNTS, st.booleans())
def test_turning_and_adding_up_is_adding_up_and_turning(
    stated: Decimal, amounts: list[Decimal], is_stated: bool
) -> None:
    quotations = Quotations(catalog(rates("usd", "EUR", "USD", f"2026-01-01: '{stated:f}'")))
    one, other = ("EUR", "USD") if is_stated else ("USD", "EUR")
    rate = rate_of(quotations, one, other, FIRST)
    assert rate is not None
    assert rate.value == (Fraction(stated) if is_stated else 1 / Fraction(stated))
    whole = sum(map(Fraction, amounts), Fraction(0)) * rate.value
    parts = [turned(amount, rate) for amount in amounts]
    assert sum(parts, Fraction(0)) == whole
    shown = [Fraction(each) for group in apportioned([parts[:2], parts[2:]]) for each in group]
    assert abs(sum(shown, Fraction(0)) - whole) <= Fraction(1, 2 * 10**SHOWN_DIGITS)
    assert not is_stated or shown == parts


def test_rates_are_told_with_the_days_that_they_were_used_for_and_what_has_none_by_name() -> None:
    days = [FIRST + timedelta(days=each) for each in range(6)]
    wanted = [(currency, day) for day in days for currency in ("USD", "EUR", "GBP", "JPY")]
    exchange = Exchange.of(QUOTATIONS, "EUR", wanted)
    assert [(used.rate.currency, used.rate.value, used.first.day, used.last.day) for used in exchange.used()] == [
        ("JPY", Fraction(1, 160), 2, 6),
        ("USD", Fraction(4, 5), 1, 2),
        ("USD", Fraction(10000, 10832), 3, 6),
    ]  # fmt: skip
    later = "apply exchange-rates that hold then"
    assert exchange.missing() == [
        f"there is no exchange rate of GBP into EUR on 2026-01-01, 2026-01-02, 2026-01-03 and 3 more days: these amounts stay in GBP; {later}",
        f"there is no exchange rate of JPY into EUR on 2026-01-01: these amounts stay in JPY; {later}",
    ]
    kept = exchange.rate("GBP", FIRST)
    assert (kept.into, turned(Decimal("1.5"), kept)) == ("GBP", Fraction(3, 2))


def test_without_a_currency_everything_keeps_its_own() -> None:
    exchange = Exchange.of(QUOTATIONS, "", [("USD", FIRST)])
    assert (exchange.used(), exchange.missing(), exchange.rate("USD", FIRST).into) == ([], [], "USD")

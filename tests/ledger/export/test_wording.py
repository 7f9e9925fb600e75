"""Figures and days: exact, in the coins of the book, and by the customer's calendar."""

from __future__ import annotations

import dataclasses
import string
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.export.languages import LANGUAGES, language_of
from ledger.export.languages.labels import Labels
from ledger.export.wording import Wording, printable
from ledger.schema.currency import EXPONENTS
from tests.ledger.export.invoices import period


def wording(tag: str, currency: str = "EUR", zone: str = "UTC") -> Wording:
    """The wording of a language."""
    locale, labels = language_of(tag)
    return Wording(labels, locale, currency, ZoneInfo(zone))


def test_languages_are_complete_and_fill_in_the_same() -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    for field in dataclasses.fields(Labels):
        expected = names(getattr(LANGUAGES["en"], field.name))
        for code, labels in LANGUAGES.items():
            text = getattr(labels, field.name)
            assert text.strip() == text, (code, field.name)
            assert text, (code, field.name)
            assert names(text) == expected, (code, field.name)


@pytest.mark.parametrize(
    ("tag", "currency", "amount", "written"),
    [
        ("en", "EUR", "1234.50", "€1,234.50"),
        ("de", "EUR", "1234.50", "1.234,50\xa0€"),
        ("de-CH", "CHF", "1234.50", "CHF\xa01’234.50"),  # noqa: RUF001
        ("fr", "EUR", "-1234.50", "-1\u202f234,50\xa0€"),
        ("en", "JPY", "1234", "¥1,234"),
        ("ja", "JPY", "1234", "￥1,234"),
        ("en", "KWD", "1234.567", "KWD\xa01,234.567"),
        ("en", "IQD", "1.500", "IQD\xa01.500"),
        ("en", "CLF", "1.5000", "CLF\xa01.5000"),
        ("es", "USD", "0.00", "0,00\xa0US$"),
    ],
)
def test_amounts_have_the_coins_of_the_book(tag: str, currency: str, amount: str, written: str) -> None:
    assert wording(tag, currency).money(Decimal(amount)) == written


@given(
    tag=st.sampled_from(["en", "de", "fr", "es", "ja", "de-CH"]),
    currency=st.sampled_from(sorted(EXPONENTS)),
    number=st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28),
)
def test_no_digit_of_a_quantity_is_lost(tag: str, currency: str, number: Decimal) -> None:
    figure = wording(tag, currency).number(number)
    digits = "".join(each for each in figure.whole if each.isdecimal())
    after = "".join(each for each in figure.fraction if each.isdecimal())
    assert Decimal(f"{digits}.{after or 0}") == number.copy_abs()


def test_pieces_and_prices_show_what_they_need() -> None:
    english = wording("en")
    assert str(english.piece(Decimal("104.032258100"))) == "104.032258"
    assert str(english.piece(Decimal("2"))) == "2.00"
    assert str(english.price(Decimal("0.000001"))) == "0.000001"
    assert str(english.price(Decimal("40"))) == "40.00"
    assert english.percent(Decimal("0.9998")) == "99.98%"
    assert english.days(14) == "14 days"


def test_periods_end_with_their_last_day() -> None:
    march = period("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")
    assert wording("en", zone="Europe/Berlin").span(march) == "Mar 1\u2009–\u200931, 2026"  # noqa: RUF001
    assert wording("de", zone="Europe/Berlin").span(march) == "1.–31. März 2026"  # noqa: RUF001
    assert wording("ja", zone="Europe/Berlin").span(march).startswith("2026年3月1日")
    assert "11:00:00" in wording("en").span(march), "what does not end with a day says when it ends"
    assert wording("en").span(period("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z")) == "March 1, 2026"


@given(st.text())
def test_what_is_printed_can_be_printed(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= len(text)
    assert all(each.isprintable() or each == "\u00ad" or not each.isascii() for each in shown)
    assert not {"\u202e", "\x00", "\n"} & set(shown)

"""The currency table holds each code once, with the exponents of ISO 4217."""

from __future__ import annotations

import pytest

from ledger.schema import currency


def test_every_code_is_three_capital_letters_and_stands_once() -> None:
    written = currency._TWO_DIGITS.split() + [code for codes in currency._OTHERS.values() for code in codes.split()]
    assert len(written) == len(set(written)) == len(currency.EXPONENTS)
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in written)


@pytest.mark.parametrize(
    ("code", "unit"),
    [("EUR", "0.01"), ("USD", "0.01"), ("JPY", "1"), ("ISK", "1"), ("KWD", "0.001"), ("CLF", "0.0001")],
)
def test_minor_unit(code: str, unit: str) -> None:
    assert str(currency.minor_unit(code)) == unit


@pytest.mark.parametrize("code", ["DEM", "HRK", "XAU", "XXX", "eur", "BTC", ""])
def test_what_cannot_be_paid_in_is_not_in_the_table(code: str) -> None:
    assert code not in currency.EXPONENTS

"""Flat: the amount, whatever was used."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.rating.model import RatedLine, Used
from ledger.rating.models.flat import Flat


@pytest.mark.parametrize("quantity", ["-1", "0", "5"])
def test_the_amount_is_charged_whatever_was_used(quantity: str) -> None:
    fee = Decimal("49.9")
    assert Flat(model="flat", amount="49.90").rate(Used(Decimal(quantity))) == (RatedLine(Decimal(1), fee, fee),)


def test_an_amount_of_zero_has_no_line() -> None:
    assert Flat(model="flat", amount=0).rate(Used(Decimal(5))) == ()

"""Stairstep: one amount for any total inside a step."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.rating.model import RatedLine, Used
from ledger.rating.models.stairstep import Stairstep

STAIRSTEP = Stairstep(
    model="stairstep", tiers=[{"up_to": 100, "amount": 50}, {"up_to": 500, "amount": 200}, {"amount": 350}]
)


@pytest.mark.parametrize(
    ("quantity", "amount", "tier"),
    [
        ("0.000000001", "50", 1),
        ("100", "50", 1),
        ("100.000000001", "200", 2),
        ("500", "200", 2),
        ("501", "350", 3),
        ("99999999999999999999", "350", 3),
    ],
)
def test_boundaries(quantity: str, amount: str, tier: int) -> None:
    assert STAIRSTEP.rate(Used(Decimal(quantity))) == (RatedLine(Decimal(quantity), None, Decimal(amount), tier),)


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_nothing_is_on_no_step(quantity: str) -> None:
    assert STAIRSTEP.rate(Used(Decimal(quantity))) == ()


def test_a_step_of_zero_is_shown_all_the_same() -> None:
    free = Stairstep(model="stairstep", tiers=[{"up_to": 5, "amount": 0}, {"amount": 10}])
    assert free.rate(Used(Decimal(5))) == (RatedLine(Decimal(5), None, Decimal(0), 1),)


def test_a_step_without_an_amount_is_refused() -> None:
    with pytest.raises(ValueError, match="Field required"):
        Stairstep(model="stairstep", tiers=[{"up_to": None}])


def test_a_step_has_no_price_per_unit() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        Stairstep(model="stairstep", tiers=[{"amount": 1, "unit_price": 1}])

"""Cost plus: a markup on the cost, exact however small."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given

from ledger.rating.model import RatedLine, Used
from ledger.rating.models.cost_plus import CostPlus
from tests.ledger.rating.documents import PERCENTS, QUANTITIES


@pytest.mark.parametrize(
    ("cost", "percent", "factor", "amount"),
    [
        ("80", "25", "1.25", "100"),
        ("80", "0", "1", "80"),
        ("0.000000001", "0.5", "1.005", "0.000000001005"),
        ("10", "250", "3.5", "35"),
    ],
)
def test_a_markup(cost: str, percent: str, factor: str, amount: str) -> None:
    lines = CostPlus(model="cost_plus", markup_percent=percent).rate(Used(Decimal(cost)))
    assert lines == (RatedLine(Decimal(cost), Decimal(factor), Decimal(amount)),)


@given(QUANTITIES.filter(bool), PERCENTS)
def test_against_fractions(cost: Decimal, percent: Decimal) -> None:
    (line,) = CostPlus(model="cost_plus", markup_percent=percent).rate(Used(cost))
    assert Fraction(line.amount) == Fraction(cost) * (100 + Fraction(percent)) / 100


@pytest.mark.parametrize("cost", ["0", "-3"])
def test_no_cost_has_no_markup(cost: str) -> None:
    assert CostPlus(model="cost_plus", markup_percent=25).rate(Used(Decimal(cost))) == ()


def test_it_goes_by_cost_and_says_the_markup() -> None:
    assert CostPlus.of == "cost"
    with pytest.raises(ValueError, match="Field required"):
        CostPlus.model_validate({"model": "cost_plus"})

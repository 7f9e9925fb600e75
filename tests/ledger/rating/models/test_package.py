"""Package: the least number of packages that hold a quantity."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given

from ledger.rating.model import Used
from ledger.rating.models.package import Package
from tests.ledger.rating.documents import NUMBERS, QUANTITIES, SIZES


@pytest.mark.parametrize(
    ("quantity", "size", "amount", "label"),
    [
        ("0.000000001", "1000", "5", "1 x 1000"),
        ("1000", "1000", "5", "1 x 1000"),
        ("1000.000000001", "1000", "10", "2 x 1000"),
        ("3001", "1000", "20", "4 x 1000"),
        ("3", "0.1", "150", "30 x 0.1"),
        ("0.3", "0.1", "15", "3 x 0.1"),
        ("99999999999999999999999999999", "1", "499999999999999999999999999995", "99999999999999999999999999999 x 1"),
    ],
)
def test_boundaries(quantity: str, size: str, amount: str, label: str) -> None:
    (line,) = Package(model="package", size=size, amount=5).rate(Used(Decimal(quantity)))
    assert (line.quantity, line.unit_price, line.amount, line.label) == (
        Decimal(quantity),
        None,
        Decimal(amount),
        label,
    )


@given(QUANTITIES.filter(bool), SIZES, NUMBERS)
def test_against_fractions(quantity: Decimal, size: Decimal, amount: Decimal) -> None:
    (line,) = Package(model="package", size=size, amount=amount).rate(Used(quantity))
    assert Fraction(line.amount) == ceil(Fraction(quantity) / Fraction(size)) * Fraction(amount)


@pytest.mark.parametrize("quantity", ["0", "-1", "-1000"])
def test_nothing_is_no_package(quantity: str) -> None:
    assert Package(model="package", size=1000, amount=5).rate(Used(Decimal(quantity))) == ()


def test_a_package_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a package of 0 would hold nothing"):
        Package(model="package", size=0, amount=5)

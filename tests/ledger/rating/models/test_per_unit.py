"""Per unit: a product, and nothing of nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.rating.model import Used
from ledger.rating.models.per_unit import PerUnit


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("0.000000001", "0.000000000002"),
        ("1", "0.002"),
        ("99999999999999999999999999999", "199999999999999999999999999.998"),
    ],
)
def test_every_unit_has_the_same_price(quantity: str, amount: str) -> None:
    (line,) = PerUnit(model="per_unit", unit_price="0.002").rate(Used(Decimal(quantity)))
    assert (line.quantity, line.unit_price, line.amount) == (Decimal(quantity), Decimal("0.002"), Decimal(amount))


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_nothing_has_no_line(quantity: str) -> None:
    assert PerUnit(model="per_unit", unit_price=2).rate(Used(Decimal(quantity))) == ()


def test_a_free_unit_is_shown() -> None:
    assert len(PerUnit(model="per_unit", unit_price=0).rate(Used(Decimal(1)))) == 1

"""Burstable: the commitment is always paid, and what is above it besides."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.rating.model import Used
from ledger.rating.models.burstable import Burstable


def lines(quantity: str, **fields: object) -> list[tuple[str, str, str, str]]:
    burstable = Burstable.model_validate({"model": "burstable", "committed": 100, "unit_price": 2, **fields})
    rated = burstable.rate(Used(Decimal(quantity)))
    return [(str(line.quantity), str(line.unit_price), str(line.amount), line.label) for line in rated]


COMMITTED = ("100", "2", "200", "committed")


@pytest.mark.parametrize("quantity", ["-20", "0", "99.9", "100"])
def test_the_commitment_is_paid_whatever_was_used(quantity: str) -> None:
    assert lines(quantity, overage_price=3) == [COMMITTED]


def test_what_is_above_has_its_own_price() -> None:
    assert lines("100.5", overage_price=3) == [COMMITTED, ("0.5", "3", "1.5", "overage")]
    assert lines("130", overage_price=0) == [COMMITTED, ("30", "0", "0", "overage")]


def test_what_is_above_has_the_same_price_by_default() -> None:
    assert lines("130") == [COMMITTED, ("30", "2", "60", "overage")]


def test_without_a_commitment_everything_is_above_it() -> None:
    assert lines("0", committed=0) == []
    assert lines("-1", committed=0) == []
    assert lines("5", committed=0, overage_price=3) == [("5", "3", "15", "overage")]

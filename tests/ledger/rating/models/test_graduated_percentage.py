"""Graduated percentage: tiers of money, each part at its own percentage."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.rating.model import Used
from ledger.rating.models.graduated_percentage import GraduatedPercentage

TIERS = [{"up_to": 1000, "percent": 10}, {"up_to": 5000, "percent": "2.5", "amount": 20}, {"amount": 7}]


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("-5", []),
        ("0", []),
        ("0.01", [("0.01", "0.10", "0.0010", 1)]),
        ("1000", [("1000", "0.10", "100.00", 1)]),
        ("1000.01", [("1000", "0.10", "100.00", 1), ("0.01", "0.025", "20.00025", 2)]),
        ("5000", [("1000", "0.10", "100.00", 1), ("4000", "0.025", "120.000", 2)]),
        ("5001", [("1000", "0.10", "100.00", 1), ("4000", "0.025", "120.000", 2), ("1", "0.00", "7.00", 3)]),
    ],
)
def test_boundaries(quantity: str, expected: list[tuple[str, str, str, int]]) -> None:
    lines = GraduatedPercentage(model="graduated_percentage", tiers=TIERS).rate(Used(Decimal(quantity)))
    assert [(str(line.quantity), str(line.unit_price), str(line.amount), line.tier) for line in lines] == expected


def test_the_last_tier_has_no_end() -> None:
    with pytest.raises(ValueError, match="must be open-ended"):
        GraduatedPercentage(model="graduated_percentage", tiers=[{"up_to": 5, "percent": 1}])

"""Volume: the tier of the total has the price of every unit, with all that follows from it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given

from ledger.rating.model import Used
from ledger.rating.models.volume import Volume
from tests.ledger.rating.documents import DOCUMENTS, QUANTITIES, amount, model

TIERS = [
    {"up_to": 1000, "unit_price": "0.002"},
    {"up_to": 2000, "unit_price": "0.001", "amount": "0.5"},
    {"unit_price": "0"},
]


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("-5", []),
        ("0", []),
        ("0.000000001", [("1E-9", "0.002", "2E-12", 1)]),
        ("1000", [("1000", "0.002", "2.000", 1)]),
        ("1000.5", [("1000.5", "0.001", "1.5005", 2)]),
        ("2000", [("2000", "0.001", "2.500", 2)]),
        ("2000.000000001", [("2000.000000001", "0", "0E-9", 3)]),
    ],
)
def test_boundaries(quantity: str, expected: list[tuple[str, str, str, int]]) -> None:
    lines = Volume(model="volume", tiers=TIERS).rate(Used(Decimal(quantity)))
    assert [(str(line.quantity), str(line.unit_price), str(line.amount), line.tier) for line in lines] == expected


def test_one_unit_more_can_cost_less() -> None:
    """The dip that volume prices are known for: it begins at each end, and is made up for only where the cheaper price catches up."""
    volume = Volume(model="volume", tiers=[{"up_to": 1000, "unit_price": "0.002"}, {"unit_price": "0.001"}])

    def cost(quantity: int) -> Decimal:
        return amount(volume.rate(Used(Decimal(quantity))))

    assert (cost(999), cost(1000), cost(1001)) == (Decimal("1.998"), Decimal("2"), Decimal("1.001"))
    assert [quantity for quantity in range(990, 2100) if cost(quantity) < cost(1000)] == [
        *range(990, 1000),
        *range(1001, 2000),
    ]
    assert cost(2000) == cost(1000)


@given(DOCUMENTS["volume"], QUANTITIES, QUANTITIES)
def test_inside_a_tier_more_never_costs_less(document: dict[str, object], one: Decimal, two: Decimal) -> None:
    volume = model(document)
    less, more = (volume.rate(Used(quantity)) for quantity in sorted([one, two]))
    if less and less[0].tier == more[0].tier:
        assert amount(less) <= amount(more)

"""Graduated tiers cut a quantity exactly, with nothing left over."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rating.model import RatedLine, Used
from ledger.rating.models.graduated import Graduated
from ledger.rating.tiers import Tier
from ledger.schema.decimals import exact, total

PRICES = st.decimals(min_value=0, max_value=10**12, places=18)
ENDS = st.sets(st.decimals(min_value="0.000000000000000001", max_value=10**19, places=18), max_size=6).map(sorted)
QUANTITIES = st.decimals(min_value=0, max_value=10**28, places=9)


def rate(quantity: Decimal, tiers: tuple[Tier, ...]) -> tuple[RatedLine, ...]:
    return Graduated(model="graduated", tiers=tiers).rate(Used(quantity))


def tiers(*steps: tuple[str | None, str]) -> tuple[Tier, ...]:
    return tuple(Tier.model_validate({"up_to": up_to, "unit_price": price}) for up_to, price in steps)


@given(ENDS, st.data(), QUANTITIES)
def test_tiers_tile_the_quantity(ends: list[Decimal], data: st.DataObject, quantity: Decimal) -> None:
    held = tuple(Tier(up_to=end, unit_price=data.draw(PRICES)) for end in [*ends, None])
    lines = rate(quantity, held)
    assert total(line.quantity for line in lines) == quantity
    assert all(line.quantity > 0 for line in lines)
    with exact():
        assert all(line.unit_price is not None and line.amount == line.quantity * line.unit_price for line in lines)
    # Against the definition: what lies in a tier is the quantity clipped to it.
    lower, expected = Decimal(0), []
    for number, tier in enumerate(held, 1):
        upper = quantity if tier.up_to is None else tier.up_to
        clipped = max(Decimal(0), total([min(quantity, upper), lower.copy_negate()]))
        expected += [(clipped, tier.unit_price, number)] if clipped else []
        lower = upper
    assert [(line.quantity, line.unit_price, line.tier) for line in lines] == expected


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("-5", []),
        ("0", []),
        ("0.000000001", [("1E-9", "0.002", "2E-12", 1)]),
        ("1000", [("1000", "0.002", "2.000", 1)]),
        ("1000.5", [("1000", "0.002", "2.000", 1), ("0.5", "0.001", "0.0005", 2)]),
        ("2500", [("1000", "0.002", "2.000", 1), ("1000", "0.001", "1.000", 2), ("500", "0", "0", 3)]),
    ],
)
def test_boundaries(quantity: str, expected: list[tuple[str, str, str, int]]) -> None:
    lines = rate(Decimal(quantity), tiers(("1000", "0.002"), ("2000", "0.001"), (None, "0")))
    assert [(str(line.quantity), str(line.unit_price), str(line.amount), line.tier) for line in lines] == expected


@pytest.mark.parametrize(("quantity", "amount"), [("0", "0"), ("10", "30"), ("10.1", "45.1"), ("20", "55")])
def test_a_tier_charges_its_amount_once_when_it_is_reached(quantity: str, amount: str) -> None:
    reached = (
        Tier.model_validate({"up_to": 10, "unit_price": 2, "amount": 10}),
        Tier.model_validate({"unit_price": 1, "amount": 15}),
    )
    assert total(line.amount for line in rate(Decimal(quantity), reached)) == Decimal(amount)

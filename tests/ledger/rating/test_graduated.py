"""Graduated tiers cut a quantity exactly, with nothing left over."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.decimals import exact, total
from ledger.directory.plan import Charge, Tier
from ledger.rating.graduated import rate
from ledger.rating.models import MODELS
from ledger.rating.models import rate as rate_by_model

PRICES = st.decimals(min_value=0, max_value=10**12, places=18)
ENDS = st.sets(st.decimals(min_value="0.000000000000000001", max_value=10**19, places=18), max_size=6).map(sorted)
QUANTITIES = st.decimals(min_value=0, max_value=10**28, places=9)


def tiers(*steps: tuple[str | None, str]) -> tuple[Tier, ...]:
    return tuple(Tier.model_validate({"up_to": up_to, "unit_price": price}) for up_to, price in steps)


@given(ENDS, st.data(), QUANTITIES)
def test_tiers_tile_the_quantity(ends: list[Decimal], data: st.DataObject, quantity: Decimal) -> None:
    held = tuple(Tier(up_to=end, unit_price=data.draw(PRICES)) for end in [*ends, None])
    lines = rate(quantity, held)
    assert total(line.quantity for line in lines) == quantity
    assert all(line.quantity > 0 for line in lines)
    with exact():
        assert all(line.amount == line.quantity * line.unit_price for line in lines)
    # Against the definition: what lies in a tier is the quantity clipped to it.
    lower, expected = Decimal(0), []
    for tier in held:
        upper = quantity if tier.up_to is None else tier.up_to
        clipped = max(Decimal(0), total([min(quantity, upper), lower.copy_negate()]))
        expected += [(clipped, tier.unit_price)] if clipped else []
        lower = upper
    assert [(line.quantity, line.unit_price) for line in lines] == expected


@given(ENDS, PRICES, QUANTITIES, QUANTITIES)
def test_more_never_costs_less(ends: list[Decimal], price: Decimal, one: Decimal, two: Decimal) -> None:
    held = tuple(Tier(up_to=end, unit_price=price) for end in [*ends, None])
    less, more = sorted([one, two])
    assert total(line.amount for line in rate(less, held)) <= total(line.amount for line in rate(more, held))


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("-5", []),
        ("0", []),
        ("0.000000001", [("1E-9", "0.002", "2E-12")]),
        ("1000", [("1000", "0.002", "2.000")]),
        ("1000.5", [("1000", "0.002", "2.000"), ("0.5", "0.001", "0.0005")]),
        ("2500", [("1000", "0.002", "2.000"), ("1000", "0.001", "1.000"), ("500", "0", "0")]),
    ],
)
def test_boundaries(quantity: str, expected: list[tuple[str, str, str]]) -> None:
    lines = rate(Decimal(quantity), tiers(("1000", "0.002"), ("2000", "0.001"), (None, "0")))
    assert [(str(line.quantity), str(line.unit_price), str(line.amount)) for line in lines] == expected


def test_every_model_that_a_plan_may_name_is_registered() -> None:
    assert set(get_args(Charge.model_fields["model"].annotation)) == set(MODELS)
    charge = Charge(meter="m", model="graduated", tiers=tiers((None, "2")))
    assert rate_by_model(Decimal(3), charge) == rate(Decimal(3), charge.tiers)

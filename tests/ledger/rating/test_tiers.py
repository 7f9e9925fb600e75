"""Tiers cover every quantity exactly once; an end belongs to the tier that it ends."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rating.tiers import Tier, held, reached, tiled
from ledger.schema.decimals import total

ENDS = st.sets(st.decimals(min_value="0.1", max_value=30, places=1), max_size=5).map(sorted)
QUANTITIES = st.decimals(min_value=-10, max_value=40, places=1)


def tiers(*ends: object) -> tuple[Tier, ...]:
    return tuple(Tier.model_validate({"up_to": end}) for end in ends)


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ((), "at least one tier"),
        (("5",), "the last tier ends at 5: it must be open-ended"),
        ((None, "5", None), "tier 1 has no up_to"),
        (("0", None), "the first tier ends at 0"),
        (("5", "5", None), "up_to 5 does not rise above 5"),
        (("5", "4.50", None), "up_to 4.5 does not rise above 5"),
    ],
)
def test_tiers_with_a_gap_or_an_overlap_are_refused(ends: tuple[str | None, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        tiled(tiers(*ends))


@given(ENDS, QUANTITIES)
def test_a_quantity_reaches_the_last_tier_that_holds_any_of_it(ends: list[Decimal], quantity: Decimal) -> None:
    tiled_tiers = tiled(tiers(*ends, None))
    parts = list(held(quantity, tiled_tiers))
    assert total(part for _, _, part in parts) == max(quantity, Decimal(0))
    assert [number for number, _, _ in parts] == list(range(1, len(parts) + 1))
    assert reached(quantity, tiled_tiers) == (parts[-1][:2] if parts else None)

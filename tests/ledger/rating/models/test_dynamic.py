"""Dynamic: the amount is what the meter sums, whatever is shown beside it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.rating.model import RatedLine, Used
from ledger.rating.models.dynamic import Dynamic


def test_the_quantity_is_the_amount() -> None:
    owed = Decimal("81.3700001")
    assert Dynamic(model="dynamic").rate(Used(owed)) == (RatedLine(owed, None, owed),)
    assert Dynamic(model="dynamic").meters() == ()


@pytest.mark.parametrize("units", ["1204", "0", "-3"])
def test_the_units_are_shown_and_change_nothing(units: str) -> None:
    dynamic = Dynamic(model="dynamic", units="kilometres")
    assert dynamic.meters() == ("kilometres",)
    used = Used(Decimal(81), others={"kilometres": Decimal(units)})
    assert dynamic.rate(used) == (RatedLine(Decimal(units), None, Decimal(81)),)


@pytest.mark.parametrize("owed", ["0", "-4"])
def test_units_for_nothing_are_not_shown(owed: str) -> None:
    assert Dynamic(model="dynamic", units="km").rate(Used(Decimal(owed), others={"km": Decimal(5)})) == ()


def test_units_that_were_not_measured_are_missed() -> None:
    with pytest.raises(KeyError, match="km"):
        Dynamic(model="dynamic", units="km").rate(Used(Decimal(1)))

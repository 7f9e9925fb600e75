"""Attribute: an amount by what is known of the tenant, and another by what is not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.rating.model import RatedLine, Used
from ledger.rating.models.attribute import Attribute

AMOUNTS = {"gold": "100", "silver": "25.5", "free": "0"}


def lines(attributes: dict[str, str], **more: str) -> tuple[RatedLine, ...]:
    support = Attribute.model_validate({"model": "attribute", "attribute": "client_type", "amounts": AMOUNTS, **more})
    return support.rate(Used(Decimal(0), attributes=attributes))


@pytest.mark.parametrize(("value", "amount"), [("gold", "100"), ("silver", "25.5")])
def test_the_amount_of_the_value(value: str, amount: str) -> None:
    expected = RatedLine(Decimal(1), Decimal(amount), Decimal(amount), label=value)
    assert lines({"client_type": value, "region": "eu"}) == (expected,)


@pytest.mark.parametrize("attributes", [{}, {"client_type": "bronze"}, {"client_type": "Gold"}, {"region": "gold"}])
def test_any_other_value_has_the_other_amount(attributes: dict[str, str]) -> None:
    assert lines(attributes) == ()
    label = attributes.get("client_type", "")
    assert lines(attributes, otherwise="7") == (RatedLine(Decimal(1), Decimal(7), Decimal(7), label=label),)


def test_an_amount_of_zero_is_not_the_other_amount() -> None:
    assert lines({"client_type": "free"}, otherwise="7") == ()


def test_amounts_for_no_value_are_refused() -> None:
    with pytest.raises(ValueError, match="amounts"):
        Attribute(model="attribute", attribute="client_type", amounts={})

"""Percentage: a part of the money, the events each, and what is owed at least."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.rating.model import Used
from ledger.rating.models.percentage import Percentage


def lines(percentage: Percentage, quantity: str, events: str = "0") -> list[tuple[str, str, str]]:
    rated = percentage.rate(Used(Decimal(quantity), others={"payments": Decimal(events)}))
    return [(str(line.quantity), str(line.amount), line.label) for line in rated]


WITH_EVENTS = Percentage(model="percentage", percent="2.9", fixed="0.30", count="payments")
AT_LEAST = Percentage(model="percentage", percent="2.9", fixed="0.30", count="payments", minimum=5)


@pytest.mark.parametrize(
    ("quantity", "events", "expected"),
    [
        ("0", "0", []),
        ("1000", "40", [("1000", "29.000", "2.9 %"), ("40", "12.0", "payments")]),
        ("0.01", "1", [("0.01", "0.00029", "2.9 %"), ("1", "0.3", "payments")]),
        ("0", "3", [("3", "0.9", "payments")]),
        ("1000", "0", [("1000", "29.000", "2.9 %")]),
        ("-1000", "0", []),
        ("0", "-3", []),
    ],
)
def test_the_money_and_the_events(quantity: str, events: str, expected: list[tuple[str, str, str]]) -> None:
    assert lines(WITH_EVENTS, quantity, events) == expected


def test_more_paid_back_than_paid_leaves_the_events_to_pay() -> None:
    assert lines(WITH_EVENTS, "-1000", "3") == [("3", "0.9", "payments")]


@pytest.mark.parametrize(
    ("quantity", "events", "missing"),
    [
        ("0", "0", None),
        ("0", "1", "4.7"),
        ("100", "1", "1.800"),
        ("100", "7", None),
        ("1000", "7", None),
        ("-1", "0", None),
    ],
)
def test_what_is_missing_to_the_minimum(quantity: str, events: str, missing: str | None) -> None:
    found = lines(AT_LEAST, quantity, events)
    assert [line for line in found if line[2] == "minimum"] == ([("0", missing, "minimum")] if missing else [])


def test_the_unit_price_is_what_one_of_the_money_costs() -> None:
    (line,) = Percentage(model="percentage", percent="0.5").rate(Used(Decimal(200)))
    assert (line.unit_price, line.amount) == (Decimal("0.005"), Decimal(1))


def test_events_that_were_not_measured_are_not_taken_for_none() -> None:
    with pytest.raises(KeyError, match="payments"):
        WITH_EVENTS.rate(Used(Decimal(1000)))


def test_it_goes_by_the_meter_of_the_events() -> None:
    assert WITH_EVENTS.meters() == ("payments",)
    assert Percentage(model="percentage", percent="2.9").meters() == ()


@pytest.mark.parametrize("given", [{"fixed": "0.3"}, {"count": "payments"}, {"count": "payments", "fixed": 0}])
def test_what_goes_together_is_given_together(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="'count'"):
        Percentage.model_validate({"model": "percentage", "percent": 1, **given})

"""What a price is given of the usage in the book: 'where' holds for all that its model goes by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from ledger.metering.usage import Usage
from tests.ledger.billing.test_drafting import Book, account, draft, plan, told

PAID = [("eu", "1000", "40"), ("us", "500", "7")]


class Payments(Book):
    """What was paid, and how often, by region."""

    def __init__(self) -> None:
        super().__init__({})

    def used(self, start_us: int, end_us: int) -> Mapping[str, Sequence[Usage]]:
        return {
            meter: [
                Usage(meter, "acme", json.dumps({"region": row[0]}), None, Decimal(row[place]), "u", Decimal(0), 1, 1)
                for row in PAID
            ]
            for place, meter in enumerate(("paid", "payments"), start=1)
        }


@pytest.mark.parametrize(
    ("where", "amount"),
    # 2.9 percent of 1500, 1000 or 500, and 0.30 for each of 47, 40 or 7.
    [({}, "57.60"), ({"region": ["eu"]}, "41.00"), ({"region": ["us"]}, "16.60")],
)
def test_the_events_of_a_percentage_are_those_of_its_amounts(where: Mapping[str, Sequence[str]], amount: str) -> None:
    charge = {"model": "percentage", "percent": "2.9", "fixed": "0.30", "count": "payments"}
    price = {"name": "fees", "meter": "paid", "charge": charge, "where": where}
    assert told(draft(account({"a": plan(price)}), "2026-04-01", Payments())) == [("charge", "fees", amount)]


def test_regions_apart_are_charged_what_all_are_together() -> None:
    charge = {"model": "percentage", "percent": "2.9", "fixed": "0.30", "count": "payments"}
    prices = [
        {"name": region, "meter": "paid", "charge": charge, "where": {"region": [region]}} for region in ("eu", "us")
    ]
    assert str(draft(account({"a": plan(*prices)}), "2026-04-01", Payments()).total) == "57.60"

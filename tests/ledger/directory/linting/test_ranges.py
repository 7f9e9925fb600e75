"""Tiers and steps that go the wrong way are found, and those that go the right way are not."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given

from ledger.rating.models.volume import Volume
from ledger.schema.decimals import exact, plain_text
from tests.ledger.directory.linting.linted import found, plan, subscription, tiers
from tests.ledger.rating.documents import DOCUMENTS

LOW, HIGH = "up_to: 10, unit_price: 1", "up_to: 20, unit_price: 2"


@pytest.mark.parametrize(
    ("rule", "text", "sentence"),
    [
        (
            "rising-tier-price",
            tiers("graduated", LOW, "unit_price: 2"),
            "price 'a': a unit of tier 2 costs 2, more than the 1 of tier 1",
        ),
        (
            "rising-tier-price",
            tiers("graduated_percentage", "up_to: 10, percent: 1", "percent: 1.5"),
            "price 'a': a unit of tier 2 costs 1.5, more than the 1 of tier 1",
        ),
        (
            "volume-dip",
            tiers("volume", "up_to: 1000, unit_price: 0.002", "unit_price: 0.001"),
            "price 'a': 1000 units cost 2, a little more costs 1, and only from 2000 on as much again",
        ),
        (
            "volume-dip",
            tiers("volume", "up_to: 9, unit_price: 2", "up_to: 10, unit_price: 1", "unit_price: 0.7"),
            "price 'a': 9 units cost 18, a little more costs 9, and only from 25.714285715 on as much again",
        ),
        (
            "volume-dip",
            tiers("volume", "up_to: 10, unit_price: 1", "amount: 3"),
            "price 'a': 10 units cost 10, a little more costs 3, and no larger quantity ever costs that again",
        ),
        (
            "stairstep-hole",
            tiers("stairstep", "up_to: 100, amount: 50", "up_to: 500, amount: 0", "amount: 350"),
            "price 'a': more than 100 cost 0, less than the 50 of step 1",
        ),
        ("equal-tiers", tiers("graduated", LOW, "unit_price: 1"), "price 'a': tier 2 charges what tier 1 charges"),
        (
            "equal-tiers",
            tiers("stairstep", "up_to: 1, amount: 5", "amount: 5"),
            "price 'a': tier 2 charges what tier 1 charges",
        ),
        (
            "free-after-paid",
            tiers("graduated", LOW, "up_to: null"),
            "price 'a': whatever is beyond 10 is free, since tier 2 has no price",
        ),
        (
            "unreachable-tier",
            tiers("graduated", LOW, "up_to: 1000000000000000, unit_price: 0.5", "unit_price: 0.1"),
            "price 'a': nobody uses more than 1000000000000000, so the tiers beyond are never reached",
        ),
    ],
)
def test_it_is_found(rule: str, text: str, sentence: str) -> None:
    assert found(rule, text)[0] == sentence


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("rising-tier-price", tiers("graduated", "up_to: 10, unit_price: 0", "unit_price: 2")),
        ("rising-tier-price", tiers("graduated", LOW, "unit_price: 0.5")),
        ("volume-dip", tiers("volume", "up_to: 1000, unit_price: 0.002", "unit_price: 0.001, amount: 1")),
        ("volume-dip", tiers("graduated", "up_to: 1000, unit_price: 0.002", "unit_price: 0.001")),
        ("stairstep-hole", tiers("stairstep", "up_to: 100, amount: 0", "up_to: 500, amount: 20", "amount: 350")),
        ("equal-tiers", tiers("graduated", "up_to: 5, unit_price: 1, amount: 2", "unit_price: 1, amount: 2")),
        ("free-after-paid", tiers("graduated", "up_to: 10", "unit_price: 1")),
        ("free-after-paid", tiers("graduated", LOW, "amount: 3")),
        ("unreachable-tier", tiers("graduated", "up_to: 999999999999999, unit_price: 1", "unit_price: 0.5")),
    ],
)
def test_what_is_right_is_left_alone(rule: str, text: str) -> None:
    assert found(rule, text) == []


def test_the_short_form_and_promises_have_tiers_too() -> None:
    short = plan(f"charges: [{{meter: m, tiers: [{{{LOW}}}, {{unit_price: 2}}]}}]")
    promised = subscription(
        "overrides: [{name: o, approved: ada, price: m, charge: "
        f"{{model: graduated, tiers: [{{{HIGH}}}, {{unit_price: 3}}]}}}}]"
    )
    assert found("rising-tier-price", short + promised) == [
        "price 'm': a unit of tier 2 costs 2, more than the 1 of tier 1",
        "promise 'o': a unit of tier 2 costs 3, more than the 2 of tier 1",
    ]


def test_numbers_of_any_size_are_told() -> None:
    large = tiers(
        "volume", "up_to: 99999999999999999999, unit_price: 99999999999.5", "unit_price: 0.000000000000000003"
    )
    (sentence,) = found("volume-dip", large)
    assert sentence.startswith(
        "price 'a': 99999999999999999999 units cost 9999999999949999999900000000000.5, a little more costs 299.999999999999999997, "
    )


@given(DOCUMENTS["volume"])
def test_a_dip_is_found_exactly_where_a_little_more_costs_less(document: dict[str, Any]) -> None:
    model = Volume.model_validate(document)
    with exact():
        dips = sum(
            lower.up_to * upper.unit_price + upper.amount < lower.up_to * lower.unit_price + lower.amount
            for lower, upper in pairwise(model.tiers)
            if lower.up_to is not None
        )
    written = json.dumps(document, default=plain_text)
    priced = f'{{"name": "a", "meter": "m", "charge": {written}}}'
    text = f"kind: plan\nname: p\nspec: {{currency: EUR, products: [{{name: p, prices: [{priced}]}}]}}"
    assert len(found("volume-dip", text)) == dips

"""When something is charged, and what is left of it once it is rounded."""

from __future__ import annotations

import pytest

from tests.ledger.directory.linting.linted import found, plan, price, subscription

SEATS = "products: [{name: p, prices: [{name: a, quantity: seats, billed: BILLED, charge: {model: per_unit, unit_price: 5}}]}]"


def promised(what: str) -> str:
    return price("model: flat, amount: 5", "billed: arrears") + subscription(
        f"overrides: [{{name: o, approved: ada, {what}}}]"
    )


@pytest.mark.parametrize(
    ("rule", "text", "sentence"),
    [
        ("endless-full-discount", promised("percent: 100"), "promise 'o' makes it free for ever"),
        (
            "advance-once",
            price("model: flat, amount: 5", "billed: advance, times: once"),
            "price 'a' is charged once and billed in advance: it is invoiced before the first billing period begins",
        ),
        (
            "unprorated-seats",
            plan(SEATS.replace("BILLED", "advance")),
            (
                "price 'a': 'seats' is billed in advance as it stands when a billing period begins, and nothing is prorated: "
                "what is added in the middle is free until the next one"
            ),
        ),
        (
            "rounds-to-nothing",
            price("model: per_unit, unit_price: 0.004", "quantity: seats"),
            "price 'a': a line of 1 at 0.004 is 0.004 EUR and is rounded to 0",
        ),
        (
            "rounds-to-nothing",
            price("model: graduated, tiers: [{up_to: 4, unit_price: 0.001}, {unit_price: 1}]"),
            "price 'a': a line of 4 at 0.001 is 0.004 EUR and is rounded to 0",
        ),
        (
            "finer-than-a-coin",
            price("model: flat, amount: 9.999", "billed: arrears"),
            "price 'a': 9.999 EUR cannot be paid: it is rounded to 10.00",
        ),
        (
            "finer-than-a-coin",
            plan("flat_fee: 9.99", "JPY"),
            "price 'flat fee': 9.99 JPY cannot be paid: it is rounded to 10",
        ),
        (
            "finer-than-a-coin",
            price("model: stairstep, tiers: [{up_to: 5, amount: 0.125}, {amount: 1}]"),
            "price 'a': 0.125 EUR cannot be paid: it is rounded to 0.12",
        ),
    ],
)
def test_it_is_found(rule: str, text: str, sentence: str) -> None:
    assert found(rule, text) == [sentence]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("endless-full-discount", promised("percent: 100, until: 2026-06-01")),
        ("endless-full-discount", promised("percent: 99")),
        ("advance-once", price("model: flat, amount: 5", "times: once")),
        ("unprorated-seats", plan("proration: day, " + SEATS.replace("BILLED", "advance"))),
        ("rounds-to-nothing", price("model: per_unit, unit_price: 0.01", "quantity: seats")),
        ("rounds-to-nothing", price("model: per_unit, unit_price: 0.00001")),
        ("rounds-to-nothing", price("model: graduated, tiers: [{up_to: 1000, unit_price: 0.001}, {unit_price: 1}]")),
        ("finer-than-a-coin", price("model: flat, amount: 9.99", "billed: arrears")),
        ("finer-than-a-coin", price("model: matrix, otherwise: 0.001, cells: [{where: {a: b}, unit_price: 0.001}]")),
    ],
)
def test_what_is_right_is_left_alone(rule: str, text: str) -> None:
    assert found(rule, text) == []

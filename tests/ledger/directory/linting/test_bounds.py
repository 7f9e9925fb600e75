"""Bounds that never do anything, or always, are found at each level."""

from __future__ import annotations

import pytest

from tests.ledger.directory.linting.linted import found, plan, price

FLAT = "model: flat, amount: 10"
STEPS = "model: stairstep, tiers: [{up_to: 10, amount: 20}, {amount: 50}]"
PACKAGES = "model: package, size: 100, amount: 5"


def priced(*prices: str, bounds: str = "", plan_bounds: str = "") -> str:
    rows = ", ".join(f"{{name: a{number}, {each}}}" for number, each in enumerate(prices))
    return plan(f"{plan_bounds}products: [{{name: p, {bounds}prices: [{rows}]}}]")


@pytest.mark.parametrize(
    ("rule", "text", "sentence"),
    [
        (
            "minimum-without-effect",
            price(FLAT, "minimum: 5"),
            "price 'a': the minimum 5 never does anything: 10 is charged in any case",
        ),
        (
            "minimum-without-effect",
            priced(
                f"charge: {{{FLAT}}}",
                "meter: m, minimum: 5, charge: {model: per_unit, unit_price: 1}",
                bounds="minimum: 15, ",
            ),
            "product 'p': the minimum 15 never does anything: 15 is charged in any case",
        ),
        (
            "minimum-always",
            price(STEPS, "meter: m, minimum: 60"),
            "price 'a': the minimum 60 is always charged: there is never more than 50",
        ),
        (
            "minimum-hides-step",
            price(STEPS, "meter: m, minimum: 30"),
            "price 'a': nobody ever pays the 20 of the smallest paying customer, since the minimum is 30",
        ),
        (
            "maximum-without-effect",
            priced(f"charge: {{{FLAT}}}", f"meter: m, charge: {{{STEPS}}}", plan_bounds="maximum: 100, "),
            "the plan: the maximum 100 never does anything: there is never more than 60",
        ),
        (
            "maximum-always",
            priced(
                "meter: m, minimum: 30, charge: {model: per_unit, unit_price: 1}",
                "meter: n, minimum: 40, charge: {model: per_unit, unit_price: 1}",
                bounds="maximum: 50, ",
            ),
            "product 'p': the maximum 50 always holds: 70 would be charged in any case",
        ),
        (
            "maximum-always",
            price("model: burstable, committed: 10, unit_price: 2", "meter: m, maximum: 19"),
            "price 'a': the maximum 19 always holds: 20 would be charged in any case",
        ),
        (
            "bounds-equal",
            price("model: per_unit, unit_price: 1", "meter: m, minimum: 5, maximum: 5"),
            "price 'a': minimum and maximum are both 5, so usage changes nothing",
        ),
        (
            "included-splits-package",
            price(PACKAGES, "meter: m, included: {quantity: 150}"),
            "price 'a': 150 included is not a number of packages of 100, and packages are counted of what is left",
        ),
        (
            "included-twice",
            price("model: graduated, tiers: [{up_to: 10}, {unit_price: 1}]", "meter: m, included: {quantity: 5}"),
            "price 'a': 5 are included and the first tier is free, too, so 15 cost nothing",
        ),
    ],
)
def test_it_is_found(rule: str, text: str, sentence: str) -> None:
    assert found(rule, text) == [sentence]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("minimum-without-effect", price("model: per_unit, unit_price: 1", "meter: m, minimum: 5")),
        ("minimum-without-effect", price(FLAT, "times: once, minimum: 5")),
        ("minimum-always", price("model: per_unit, unit_price: 1", "meter: m, minimum: 60")),
        ("minimum-hides-step", price(STEPS, "meter: m, minimum: 20")),
        ("minimum-hides-step", price(STEPS, "meter: m, minimum: 60")),
        ("maximum-without-effect", price(STEPS, "meter: m, maximum: 40")),
        ("maximum-without-effect", price("model: per_unit, unit_price: 1", "meter: m, maximum: 40")),
        ("maximum-always", price(STEPS, "meter: m, maximum: 10")),
        ("bounds-equal", price("model: per_unit, unit_price: 1", "meter: m, minimum: 5, maximum: 6")),
        ("included-splits-package", price(PACKAGES, "meter: m, included: {quantity: 200}")),
        (
            "included-twice",
            price(
                "model: graduated, tiers: [{up_to: 10, unit_price: 2}, {unit_price: 1}]",
                "meter: m, included: {quantity: 5}",
            ),
        ),
    ],
)
def test_what_is_right_is_left_alone(rule: str, text: str) -> None:
    assert found(rule, text) == []

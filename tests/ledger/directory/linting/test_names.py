"""Names behind which there is nothing, and things that are called alike."""

from __future__ import annotations

import pytest

from tests.ledger.directory.linting.linted import found, plan, price, subscription

METER = "---\nkind: meter\nname: calls\nspec: {source: {event: e}, aggregation: sum, unit: u, group_by: [region]}\n"
TENANT = "---\nkind: tenant\nname: t\nspec: {attributes: {client_type: gold}}\n"
UNIT = "model: per_unit, unit_price: 1"
TIERED = price("model: graduated, tiers: [{up_to: 5, unit_price: 2}, {unit_price: 1}]")


def promised(what: str) -> str:
    return subscription(f"overrides: [{{name: o, approved: ada, percent: 10, {what}}}]")


def attribute(name: str) -> str:
    return price(f"model: attribute, attribute: {name}, amounts: {{gold: 5}}", "billed: arrears")


def titled(one: str, two: str) -> str:
    return plan(
        "products: [{name: p, prices: ["
        f"{{name: a, title: {one}, meter: m, charge: {{{UNIT}}}}}, {{name: b, title: {two}, meter: n, charge: {{{UNIT}}}}}]}}]"
    )


@pytest.mark.parametrize(
    ("rule", "text", "sentence"),
    [
        ("unknown-meter", price(UNIT, "meter: cals") + METER, "no meter 'cals' is defined in these files"),
        (
            "unknown-dimension",
            price(UNIT, "meter: calls, where: {zone: [eu]}") + METER,
            "price 'a': usage of meter 'calls' has no dimension 'zone'",
        ),
        (
            "unknown-dimension",
            price("model: matrix, cells: [{where: {zone: eu}, unit_price: 1}]", "meter: calls") + METER,
            "price 'a': usage of meter 'calls' has no dimension 'zone'",
        ),
        (
            "unknown-dimension",
            price("model: percentage, percent: 3, fixed: 1, count: calls", "meter: paid, where: {zone: [eu]}")
            + METER
            + METER.replace("calls", "paid").replace("[region]", "[zone]"),
            "price 'a': usage of meter 'calls' has no dimension 'zone'",
        ),
        (
            "unknown-attribute",
            attribute("client") + TENANT,
            "price 'a': no tenant in these files has the attribute 'client', so all pay 'otherwise'",
        ),
        (
            "unknown-price",
            price(UNIT) + promised("price: b"),
            "no plan of the subscription has a price 'b', so this changes nothing",
        ),
        (
            "unknown-price",
            price(UNIT) + subscription("commitments: [{name: c, amount: 5, products: [p, q]}]"),
            "no plan of the subscription has a product 'q', so this changes nothing",
        ),
        ("unknown-tier", TIERED + promised("price: a, tier: 3"), "promise 'o': price 'a' has no tier 3, it has 2"),
        ("same-title", titled("Calls", "' calls'"), "prices 'a' and 'b' are both shown as ' calls'"),
        (
            "same-title",
            plan(
                f"products: [{{name: p, title: API, prices: [{{name: a, meter: m, charge: {{{UNIT}}}}}]}}, "
                f"{{name: API, prices: [{{name: b, meter: n, charge: {{{UNIT}}}}}]}}]"
            ),
            "products 'p' and 'API' are both shown as 'API'",
        ),
    ],
)
def test_it_is_found(rule: str, text: str, sentence: str) -> None:
    assert found(rule, text) == [sentence]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("unknown-meter", price(UNIT, "meter: calls") + METER),
        ("unknown-meter", price(UNIT, "meter: anything")),
        ("unknown-dimension", price(UNIT, "meter: calls, where: {region: [eu]}") + METER),
        ("unknown-dimension", price(UNIT, "meter: other, where: {zone: [eu]}") + METER),
        ("unknown-attribute", attribute("client_type") + TENANT),
        ("unknown-attribute", attribute("client")),
        ("unknown-price", price(UNIT) + promised("price: a")),
        ("unknown-price", price(UNIT) + promised("product: p")),
        ("unknown-price", promised("price: b").removeprefix("---\n")),
        ("unknown-tier", TIERED + promised("price: a, tier: 2")),
        ("same-title", titled("Calls", "Seats")),
        ("same-title", plan("flat_fee: 5, charges: [{meter: flat fee, tiers: [{unit_price: 1}]}]")),
    ],
)
def test_what_is_right_is_left_alone(rule: str, text: str) -> None:
    assert found(rule, text) == []

"""What one plan says differently from another: nothing is left out, and nothing is told that is the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.differing import differences
from ledger.directory.plan import Plan
from tests.ledger.rating.documents import DOCUMENTS

CALLS = "calls"
FLAT = {"name": "fee", "charge": {"model": "flat", "amount": "5"}}


def priced(**changes: object) -> dict[str, object]:
    return {"name": CALLS, "meter": CALLS, "charge": {"model": "per_unit", "unit_price": "0.01"}} | changes


def plan(*prices: object, **changes: object) -> Plan:
    written = {"currency": "EUR", "products": [{"name": "api", "prices": list(prices)}] if prices else []} | changes
    return Plan.model_validate(written)


def said(before: Plan | None, after: Plan) -> list[str]:
    return [each.sentence for each in differences(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "sentences"),
    [
        (plan(priced()), plan(priced()), []),
        (plan(minimum="5"), plan(minimum="7.50"), ["the plan: the minimum goes from 5 to 7.5"]),
        (plan(), plan(maximum="5"), ["the plan: the maximum is added, 5"]),
        (plan(maximum="5"), plan(), ["the plan: the maximum is removed, it was 5"]),
        (plan(), plan(proration="day"), ["the plan: the proration goes from none to day"]),
        (
            plan(priced()),
            plan(priced(charge={"model": "per_unit", "unit_price": "0.02"}, title="Calls")),
            ["price 'calls': the title is added, Calls", "price 'calls': the unit price goes from 0.01 to 0.02"],
        ),
        (
            plan(priced()),
            plan(priced(charge={"model": "package", "size": 100, "amount": 2})),
            ["price 'calls': the price model goes from per_unit, unit_price 0.01 to package, size 100, amount 2"],
        ),
        (
            plan(priced(included={"quantity": 100})),
            plan(priced(included={"quantity": 100, "rollover_periods": 1})),
            ["price 'calls': the rollover periods of what is included goes from 0 to 1"],
        ),
        (plan(priced()), plan(priced(), FLAT), ["price 'fee' is added: flat, amount 5"]),
        (
            plan(priced(), FLAT),
            plan(FLAT),
            ["price 'calls' is removed: per_unit of meter 'calls', unit_price 0.01"],
        ),
        (
            plan(priced(where={"region": ["eu"]})),
            plan(priced(where={"region": ["eu", "us"]})),
            ["price 'calls': the usage it is for goes from region [eu] to region [eu; us]"],
        ),
    ],
)
def test_sentences(before: Plan, after: Plan, sentences: list[str]) -> None:
    assert said(before, after) == sentences


def test_a_price_that_moves_to_another_product() -> None:
    after = plan(products=[{"name": "web", "prices": [priced()]}])
    assert said(plan(priced()), after) == [
        "product 'web' is added: it has 'calls'",
        "product 'api' is removed: it has 'calls'",
        "price 'calls': the product goes from api to web",
    ]


def test_products_have_titles_and_bounds() -> None:
    after = plan(products=[{"name": "api", "title": "API", "minimum": "3", "prices": [priced()]}])
    assert said(plan(priced()), after) == [
        "product 'api': the title is added, API",
        "product 'api': the minimum is added, 3",
    ]


def test_a_new_plan_is_told_as_a_whole() -> None:
    assert said(None, plan(priced())) == [
        "product 'api' is added: it has 'calls'",
        "price 'calls' is added: per_unit of meter 'calls', unit_price 0.01",
    ]


def test_the_short_form_is_compared_by_what_it_offers() -> None:
    tiers = [{"up_to": "10", "unit_price": "1"}, {"unit_price": "0.5"}]
    short = plan(flat_fee="5", charges=[{"meter": "flat fee", "tiers": tiers}])
    full = plan(
        products=[
            {"name": "flat fee", "prices": [{"name": "flat fee", "charge": {"model": "flat", "amount": "5"}}]},
        ]
    )
    assert said(short, short) == []
    assert said(plan(flat_fee="5"), full) == []
    assert said(short, plan(flat_fee="5")) == [
        "price 'flat fee' is removed: graduated of meter 'flat fee', tiers [up_to 10, unit_price 1, amount 0; unit_price 0.5, amount 0]"
    ]


@given(st.data())
def test_two_models_differ_in_something_or_are_the_same(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(set(DOCUMENTS) - {"flat", "attribute", "cost_plus"})))
    one, two = (plan(priced(charge=data.draw(DOCUMENTS[name]))) for _ in range(2))
    found = differences(one, two)
    assert bool(found) == (one != two)
    assert all(each.price == CALLS and each.was != each.becomes for each in found)

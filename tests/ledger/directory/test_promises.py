"""What a subscription says is checked against its tenant's zone and its plans when any of the three is written."""

from __future__ import annotations

import pytest

from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.versions import Definition

PLANS = """\
kind: meter
name: calls
spec: {source: {event: call}, aggregation: count, unit: calls}
---
kind: plan
name: small
spec:
  currency: EUR
  products:
    - name: platform
      prices: [{name: fee, charge: {model: flat, amount: 10}}]
    - name: usage
      prices: [{name: calls, meter: calls, charge: {model: per_unit, unit_price: 1}}]
---
kind: plan
name: large
spec: {currency: EUR, flat_fee: 20}
---
kind: plan
name: dollars
spec: {currency: USD, flat_fee: 20}
---
kind: tenant
name: acme
spec: {timezone: Europe/Berlin}
"""


def subscription(rest: str) -> str:
    return f"kind: subscription\nname: s\nspec: {{tenant: acme, plan: small, start: 2026-03-01, {rest}}}\n"


def applied(catalog: Catalog, *texts: str) -> tuple[Catalog, list[str]]:
    manifest = parse_manifests([("a.yaml", "---\n".join(texts))])
    faults = [str(fault) for fault in manifest.faults or plan_changes(catalog, manifest.documents).faults]
    written = [Definition(each.kind, each.name, 9, 0, each.spec, "ada", 1) for each in manifest.documents]
    return catalog.extended(written), faults


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("moves: [{since: 2026-04-01, plan: dollars}]", "spec.moves[0].plan: plan 'dollars' is in USD, and plan 'small' in EUR"),
        ("moves: [{since: '2026-02-28T22:30:00Z', plan: large}]", "moves[0].since '2026-02-28T22:30:00Z' is not after start '2026-03-01'"),
        ("end: 2026-05-01, moves: [{since: '2026-04-30T22:00:00Z', plan: large}]", "end '2026-05-01' is not after moves[0].since '2026-04-30T22:00:00Z'"),
        ("end: 2026-05-01, moves: [{since: 2026-05-01, plan: large}]", "end '2026-05-01' is not after moves[0].since '2026-05-01'"),
        ("trial_until: 2026-02-01", "trial_until '2026-02-01' is not after start '2026-03-01'"),
        ("pauses: [{since: 2026-04-02, until: '2026-04-01T22:00:00Z'}]", "pauses[0].until '2026-04-01T22:00:00Z' is not after pauses[0].since '2026-04-02'"),
        ("overrides: [{name: o, approved: ada, price: feee, percent: 5}]", "spec.overrides[0].price: no plan of the subscription has a price 'feee'; did you mean 'fee'?"),
        ("overrides: [{name: o, approved: ada, product: disks, percent: 5}]", "spec.overrides[0].product: no plan of the subscription has a product 'disks'"),
        ("overrides: [{name: o, approved: ada, price: calls, charge: {model: flat, amount: 1}}]", "spec.overrides[0].charge: it goes by nothing, and the price 'calls' by quantity"),
        ("overrides: [{name: o, approved: ada, price: fee, percent: 5, since: 2026-04-01, until: 2026-04-01}]", "until '2026-04-01' is not after since '2026-04-01'"),
        ("commitments: [{name: c, amount: 100, products: [usages]}]", "spec.commitments[0].products: no plan of the subscription has a product 'usages'; did you mean 'usage'?"),
    ],
)  # fmt: skip
def test_what_does_not_agree_is_told_of(rest: str, message: str) -> None:
    faults = applied(Catalog.of([]), PLANS, subscription(rest))[1]
    assert any(message in fault for fault in faults), faults


def test_what_agrees_is_applied_and_checked_again_with_its_plans_and_tenant() -> None:
    rest = "moves: [{since: '2026-04-01T12:00:00Z', plan: large}, {since: 2026-04-02, plan: small}], overrides: [{name: o, approved: ada, price: fee, percent: 5}]"
    catalog, faults = applied(Catalog.of([]), PLANS, subscription(rest))
    assert faults == []
    dollars = "kind: plan\nname: large\nspec: {currency: USD, flat_fee: 20}\n"
    assert applied(catalog, dollars)[1] == [
        "a.yaml:3: spec: subscription 's': plan 'large' is in USD, and plan 'small' in EUR: end this subscription and begin another one"
    ]
    # Far enough in the east the one comes before the other no more.
    moved = "kind: tenant\nname: acme\nspec: {timezone: Pacific/Kiritimati}\n"
    assert applied(catalog, moved)[1] == [
        "a.yaml:3: spec: subscription 's': moves[1].since '2026-04-02' is not after moves[0].since '2026-04-01T12:00:00Z'"
    ]


def test_the_currency_of_a_plan_is_the_same_for_all_dates() -> None:
    later = "kind: plan\nname: large\neffective_from: 2026-07-01\nspec: {currency: USD, flat_fee: 20}\n"
    assert "the currency must be the same for all dates" in applied(Catalog.of([]), PLANS, later)[1][0]

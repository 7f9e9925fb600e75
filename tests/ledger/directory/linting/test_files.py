"""Every price and every model is found once, at the place where it is written, whichever form it is written in."""

from __future__ import annotations

from ledger.directory.linting.files import Files, Remark
from ledger.directory.manifest import parse_manifests

TEXT = """\
kind: plan
name: short
spec:
  currency: EUR
  flat_fee: 5
  charges:
    - {meter: calls, tiers: [{unit_price: 1}]}
---
kind: plan
name: full
spec:
  currency: USD
  products:
    - name: seats
      prices:
        - {name: seat, quantity: seats, charge: {model: per_unit, unit_price: 3}}
        - {name: setup, times: once, charge: {model: flat, amount: 50}}
---
kind: subscription
name: s
spec:
  tenant: t
  plan: full
  start: 2026-01-01
  overrides:
    - {name: less, approved: ada, price: seat, percent: 5}
    - name: other
      approved: ada
      price: seat
      charge: {model: per_unit, unit_price: 2}
"""


def files(text: str = TEXT) -> Files:
    manifest = parse_manifests([("f.yaml", text)])
    assert not manifest.faults
    return Files(manifest.documents)


def test_prices_have_the_paths_at_which_they_are_written() -> None:
    found = [(each.price.name, each.path, each.model_path[-1]) for each in files().prices()]
    assert found == [
        ("flat fee", ("spec", "flat_fee"), "flat_fee"),
        ("calls", ("spec", "charges", 0), 0),
        ("seat", ("spec", "products", 0, "prices", 0), "charge"),
        ("setup", ("spec", "products", 0, "prices", 1), "charge"),
    ]


def test_models_know_their_currency_and_what_they_charge() -> None:
    found = [(each.label, each.currency, each.is_held) for each in files().models()]
    assert found == [
        ("price 'flat fee'", "EUR", False),
        ("price 'calls'", "EUR", False),
        ("price 'seat'", "USD", True),
        ("price 'setup'", "USD", False),
        ("promise 'other'", "USD", True),
    ]


def test_a_promise_on_a_plan_that_is_not_there_has_no_currency() -> None:
    alone = files(TEXT.split("---\n")[2])
    assert [(each.label, each.currency) for each in alone.models()] == [("promise 'other'", None)]


def test_a_remark_has_the_nearest_line_that_was_written() -> None:
    document = files().documents[2]
    for path, line in ((("spec", "overrides", 1, "charge", "unit_price"), 30), (("spec", "overrides", 1, "until"), 27)):
        found = Remark(document, path, "s", "a").finding("rule")
        assert found.place == f"f.yaml:{line}"
    assert found.field == "spec.overrides[1].until"

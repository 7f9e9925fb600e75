"""The rules together: every one is tested both ways, and findings come in the order in which a person reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.linting.rules import RULES, lint
from ledger.directory.manifest import parse_manifests
from ledger.rating.models import MODELS, name_of
from ledger.schema.decimals import plain_text
from tests.ledger.rating.documents import DOCUMENTS

HERE = Path(__file__).parent
BAD = """\
kind: plan
name: team
spec:
  currency: EUR
  products:
    - name: p
      prices:
        - name: late
          meter: m
          charge:
            model: volume
            tiers:
              - {up_to: 10, unit_price: 2}
              - {unit_price: 1}
        - {name: early, times: once, billed: advance, charge: {model: flat, amount: 1}}
"""


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_tested_both_ways(rule: str) -> None:
    tests = [each.read_text() for each in HERE.glob("test_*.py") if each != Path(__file__)]
    assert sum(text.count(f'"{rule}"') for text in tests) >= 2, "once where it finds something, and once where not"


@pytest.mark.parametrize("rule", RULES.values())
def test_every_rule_says_what_it_looks_for(rule: object) -> None:
    assert rule.__doc__


@given(st.sampled_from(sorted(DOCUMENTS)).flatmap(lambda name: DOCUMENTS[name]), st.integers(1, 10**19))
def test_no_document_is_too_odd_for_the_rules(document: dict[str, Any], included: int) -> None:
    model = json.dumps(document, default=plain_text)
    of = {"quantity": f', "meter": "m", "included": {{"quantity": {included}}}'}
    more = of.get(next(each for each in MODELS if name_of(each) == document["model"]).of, "")
    price = f'{{"name": "a", "minimum": 5, "maximum": 9{more}, "charge": {model}}}'
    text = f"kind: plan\nname: p\nspec: {{currency: EUR, products: [{{name: p, prices: [{price}]}}]}}"
    manifest = parse_manifests([("f.yaml", text)])
    assert not manifest.faults, manifest.faults
    assert all(each.place.startswith("f.yaml:") for each in lint(manifest.documents))


def test_findings_have_places_in_order() -> None:
    manifest = parse_manifests([("b.yaml", BAD), ("a.yaml", BAD.replace("team", "other"))])
    found = lint(manifest.documents)
    assert [(each.place, each.rule, each.field) for each in found] == [
        ("b.yaml:14", "volume-dip", "spec.products[0].prices[0].charge.tiers[1]"),
        ("b.yaml:15", "advance-once", "spec.products[0].prices[1].billed"),
        ("a.yaml:14", "volume-dip", "spec.products[0].prices[0].charge.tiers[1]"),
        ("a.yaml:15", "advance-once", "spec.products[0].prices[1].billed"),
    ]
    assert all(each.sentence and each.advice for each in found)


def test_a_rule_can_be_left_out() -> None:
    manifest = parse_manifests([("b.yaml", BAD)])
    assert [each.rule for each in lint(manifest.documents, without=["volume-dip"])] == ["advance-once"]


def test_what_the_demo_applies_is_clean() -> None:
    folder = Path(__file__).parents[4] / "examples" / "demo" / "definitions"
    manifest = parse_manifests((str(each), each.read_text()) for each in sorted(folder.glob("*.yaml")))
    assert manifest.documents and lint(manifest.documents) == ()

"""The schemas accept every definition that is shown anywhere, as an editor reads it, and refuse what is misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from ledger.directory.documents import KINDS
from ledger.directory.jsonschema import schema_of
from ledger.directory.manifest import parse_manifests
from ledger.schema.yamltext import read
from tests.ledger.rating.documents import DOCUMENTS

ROOT = Path(__file__).parents[3]


class Editor(yaml.SafeLoader):
    """YAML as editors and validators read it: numbers are numbers, and dates are text."""


Editor.yaml_implicit_resolvers = {
    first: [(tag, found) for tag, found in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _texts() -> Iterator[str]:
    """Everything that is shown: examples, and what stands in the documentation between fences."""
    yield from (each.read_text() for each in sorted(ROOT.glob("examples/**/*.yaml")))
    yield from re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def _definitions() -> list[str]:
    found = []
    for text in _texts():
        for document in re.split(r"^---$", text, flags=re.MULTILINE):
            manifest = parse_manifests([("f", document)])
            if manifest.documents and not manifest.faults:
                found.append(document)
    return found


def _faults(kind: str, text: str) -> list[str]:
    validator = Draft202012Validator(schema_of([kind]))
    (as_typed,) = [each for each in yaml.load_all(text, Editor) if each is not None]
    (as_text,) = [each.value for each in read(text) if each.value is not None]
    return [error.message for read_as in (as_typed, as_text) for error in validator.iter_errors(read_as)]


def _kind(text: str) -> str:
    return parse_manifests([("f", text)]).documents[0].kind


@pytest.mark.parametrize("kind", [*KINDS, "all"])
def test_each_is_a_schema(kind: str) -> None:
    schema = schema_of(sorted(KINDS) if kind == "all" else [kind])
    Draft202012Validator.check_schema(schema)
    assert schema["$defs"]


def test_there_are_examples() -> None:
    assert {"meter", "plan", "tenant", "subscription", "allocation", "price-book"} <= set(map(_kind, _definitions()))


@pytest.mark.parametrize("text", _definitions())
def test_what_is_shown_is_accepted(text: str) -> None:
    assert _faults(_kind(text), text) == []
    every: Any = Draft202012Validator(schema_of(sorted(KINDS)))
    assert every.is_valid(next(yaml.load_all(text, Editor)))


@pytest.mark.parametrize(
    "text",
    [
        "kind: meter\nname: 5\nspec: {source: {event: e}, aggregation: sum, unit: u, window: day, filter: {status: 200, on: [a, 1], b: {at_least: 3}}}",
        (
            'kind: plan\nname: p\neffective_from: 2026-03-01\nspec: {currency: EUR, minimum: "5", products: [{name: s, prices: '
            "[{name: a, quantity: seats, charge: {model: per_unit, unit_price: 0.10}, included: {quantity: 3}}]}]}"
        ),
        "kind: tenant\nname: t\nspec: {attributes: {size: 5}}",
        "kind: subscription\nname: s\nspec: {tenant: t, plan: p, start: 2026-01-01, end: null, holdings: [{name: s, since: 2026-01-01, quantity: 5}]}",
    ],
)
def test_what_the_ledger_reads_is_accepted(text: str) -> None:
    assert parse_manifests([("f", text)]).faults == ()
    assert _faults(_kind(text), text) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("plan", "kind: plan\nname: p\nspec: {currency: EUR, flat_fees: 5}"),
        ("plan", "kind: plan\nname: p\nspec: {currency: EUR, flat_fee: -5}"),
        ("plan", "kind: plan\nname: p\nspec: {currency: EUR, flat_fee: 1e3x}"),
        ("plan", "kind: meter\nname: p\nspec: {currency: EUR}"),
        ("plan", "kind: plan\nname: p\nspec: {}"),
        ("plan", "kind: plan\nname: p\nspec: {currency: EUR, interval: fortnight}"),
        (
            "subscription",
            "kind: subscription\nname: s\neffective_from: 2026-01-01\nspec: {tenant: t, plan: p, start: 2026-01-01}",
        ),
        (
            "meter",
            "kind: meter\nname: m\nspec: {source: {event: e}, aggregation: sum, unit: u, filter: {a: {att_least: 3}}}",
        ),
    ],
)
def test_what_is_misspelt_is_refused(kind: str, text: str) -> None:
    assert _faults(kind, text)


def test_every_price_model_is_in_the_schema_of_plans() -> None:
    written = str(schema_of(["plan"]))
    assert all(f"'const': '{name}'" in written for name in DOCUMENTS)

"""Definitions as short text, and what one rule finds in them."""

from __future__ import annotations

from ledger.directory.linting.files import Files
from ledger.directory.linting.rules import RULES
from ledger.directory.manifest import parse_manifests


def price(charge: str, more: str = "meter: m") -> str:
    """A plan with one price."""
    return plan(f"products: [{{name: p, prices: [{{name: a, {more}, charge: {{{charge}}}}}]}}]")


def plan(spec: str, currency: str = "EUR") -> str:
    """A plan."""
    return f"kind: plan\nname: team\nspec: {{currency: {currency}, {spec}}}\n"


def tiers(model: str, *each: str) -> str:
    """A plan with one price that has tiers."""
    return price(f"model: {model}, tiers: [{', '.join(f'{{{tier}}}' for tier in each)}]")


def subscription(spec: str) -> str:
    """A subscription to the plan."""
    return f"---\nkind: subscription\nname: s\nspec: {{tenant: t, plan: team, start: 2026-01-01, {spec}}}\n"


def found(rule: str, text: str) -> list[str]:
    """What a rule says of valid definitions."""
    manifest = parse_manifests([("f.yaml", text)])
    assert not manifest.faults, [str(each) for each in manifest.faults]
    return [each.finding(rule).sentence for each in RULES[rule](Files(manifest.documents))]

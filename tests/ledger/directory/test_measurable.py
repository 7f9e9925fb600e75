"""Features are held to the meters that measure them when they are applied, at the field that is wrong."""

from __future__ import annotations

import pytest

from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests

GIVEN = """\
kind: meter
name: calls
spec: {source: {event: call}, aggregation: sum, unit: calls, group_by: [size, region], window: day}
---
{kind: tenant, name: acme, spec: {}}
---
kind: plan
name: pro
spec: {currency: EUR, features: [{name: api, meter: calls, limit: 5, where: {size: [xl]}, per: week}, {name: sso}]}
"""


def faults(text: str) -> list[tuple[str, str]]:
    manifest = parse_manifests([("x.yaml", GIVEN + "---\n" + text)])
    assert not manifest.faults
    return [(each.field, each.message) for each in plan_changes(Catalog.of(()), manifest.documents).faults]


def subscribed(override: str) -> str:
    return (
        f"{{kind: subscription, name: s, spec: {{tenant: acme, plan: pro, start: 2026-01-01, features: [{override}]}}}}"
    )


@pytest.mark.parametrize(
    ("feature", "field", "message"),
    [
        ("where: {sise: [xl]}", "spec.features[0].where.sise", "meter 'calls' has no dimension 'sise'; did you mean 'size'?"),
        ("where: {q: [xl]}", "spec.features[0].where.q", "meter 'calls' has no dimension 'q'; it has size, region"),
        ("per: hour", "spec.features[0].per", "meter 'calls' has windows of a day: usage cannot be counted by the hour"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted(feature: str, field: str, message: str) -> None:
    plan = (
        f"{{kind: plan, name: p, spec: {{currency: EUR, features: [{{name: f, meter: calls, limit: 1, {feature}}}]}}}}"
    )
    assert faults(plan) == [(field, message)]


def test_a_limit_is_of_what_a_plan_measures() -> None:
    assert faults(subscribed("{name: apo, limit: 7, approved: ada}")) == [
        (
            "spec.features[0].name",
            "plan 'pro' measures no feature 'apo' that could have a limit; did you mean 'api'?",
        )
    ]
    assert faults(subscribed("{name: sso, limit: 7, approved: ada}"))[0][1].endswith("; it has api")


def test_what_can_be_counted() -> None:
    for each in ("{name: api, limit: 7, approved: ada}", "{name: beta, enabled: true, approved: ada}"):
        assert faults(subscribed(each)) == []

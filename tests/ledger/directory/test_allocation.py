"""Allocation rules as documents: what can be written, what is refused with which words, and that pools lead somewhere and never back."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.directory.allocation import METHODS, Allocation
from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.versions import Definition
from ledger.schema.spec import canonical

BASE = """
{kind: meter, name: cpu, spec: {source: {event: cpu}, aggregation: sum, unit: h}}
---
{kind: meter, name: daily, spec: {source: {event: cpu}, aggregation: sum, unit: h, window: day}}
---
{kind: tenant, name: acme, spec: {}}
"""


def rule(name: str, spec: str, since: str = "") -> str:
    date = f"effective_from: {since}, " if since else ""
    return f"\n---\n{{kind: allocation, name: {name}, {date}spec: {{{spec}}}}}"


def faults(*rules: str) -> list[str]:
    manifest = parse_manifests([("rules.yaml", BASE + "".join(rules))])
    found = manifest.faults or plan_changes(Catalog.of([]), manifest.documents).faults
    return [str(fault) for fault in found]


@pytest.mark.parametrize(
    ("method", "spec"),
    [
        ("direct", "direct: {column: Tags.team, tenants: {red: acme}}"),
        ("direct", "direct: {resource: {}}"),
        ("driver", "driver: {meter: cpu, where: {node: {column: ResourceId, capture: '.*(i-.*)'}}}"),
        ("driver", "of: shared, driver: {meter: [cpu, cpu], capacity: {amount_per_h: 0.5}}"),
        ("weighted", "weighted: {a: {meter: cpu, weight: 1}, b: {meter: cpu, weight: 0.5}}"),
        ("split", "split: {cpu: {meter: cpu, price: 9, capacity: {meter: cpu}}}"),
        ("even", "even: {using: {meter: cpu}}"),
        ("fixed", "any: [{ServiceName: A}, {BilledCost: {below: 0}}], fixed: {tenants: {acme: 1}, pools: {idle: 0.5}}"),
        ("to", "match: {day: {begins: 2026-03}}, to: unallocated"),
    ],
)
def test_what_can_be_written_means_the_same_for_ever(method: str, spec: str) -> None:
    assert faults(rule("one", spec)) == []
    (document,) = parse_manifests([("rules.yaml", rule("one", spec).removeprefix("\n---\n"))]).documents
    assert isinstance(document.spec, Allocation) and document.spec.method == method
    assert Allocation.model_validate_json(canonical(document.spec)) == document.spec


def test_every_method_can_be_written() -> None:
    assert {"direct", "driver", "weighted", "split", "even", "fixed", "to"} == set(METHODS)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("priority: 1", "give one method of direct, driver, weighted, split, even, fixed, to; there is none"),
        ("to: idle, even: {defined: true}", "there is 'even' and 'to'"),
        ("of: unallocated, to: idle", "'unallocated' is what nobody could allocate, and is no pool"),
        ("to: '@shared'", "begins with @"),
        ("direct: {}", "give either 'column' or 'resource', and not both"),
        ("direct: {column: Tags.team, tenants: {red: nobody}}", "there is no tenant 'nobody'"),
        ("driver: {meter: cpus}", "there is no meter 'cpus'; did you mean 'cpu'?"),
        ("driver: {meter: daily}", "meter 'daily' has windows of a day, but charges may be of an hour"),
        ("driver: {meter: cpu, capacity: {meter: daily}}", "meter 'daily' has windows of a day"),
        ("driver: {meter: cpu, where: {node: 'no column'}}", "'no column' is no column"),
        ("driver: {meter: cpu, where: {node: {column: X, capture: 'a'}}}", "has 0 pairs of parentheses that capture"),
        ("driver: {meter: cpu, capacity: {}}", "give either 'meter' or 'amount_per_h', and not both"),
        ("driver: {meter: cpu, capacity: {amount_per_h: 0.0000000001}}", "decimal places"),
        ("driver: {meter: []}", "an empty list names nobody"),
        ("split: {cpu: {meter: cpu, price: 1}}", "'capacity' is missing"),
        ("weighted: {}", "a mapping without parts divides nothing"),
        ("weighted: {a: {meter: cpu, weight: 0}}", "greater than 0"),
        ("even: {defined: true, tenants: [acme]}", "give one of 'tenants', 'defined: true' and 'using'"),
        ("even: {using: {meter: cpu, capacity: {amount_per_h: 1}}}", "'capacity' means nothing here"),
        ("fixed: {tenants: {acme: 0}}", "no tenant and no pool has a weight above 0"),
        ("fixed: {tenants: {nobody: 1}}", "there is no tenant 'nobody'"),
        ("match: {Service Name: A}, to: idle", "'Service Name' is no column"),
        ("any: [{}], to: idle", "at least 1 item"),
        ("to: idle, proirity: 1", "'proirity' is not a known key"),
    ],
)
def test_what_cannot_be_meant_is_refused(spec: str, message: str) -> None:
    (fault, *_) = faults(rule("one", spec))
    assert message in fault


def test_a_circle_is_refused_with_the_names_of_its_rules() -> None:
    found = faults(
        rule("into", "to: a"),
        rule("a-to-b", "of: a, to: b"),
        rule("b-to-c", "of: b, fixed: {pools: {c: 1}}"),
        rule("c-to-a", "of: c, driver: {meter: cpu, capacity: {amount_per_h: 1, rest: a}}"),
    )
    assert len(found) == 1
    assert (
        "the rules 'a-to-b' (of a), 'b-to-c' (of b), 'c-to-a' (of c) divide their pools into each other in a circle"
        in found[0]
    )


def test_a_pool_that_divides_into_itself_is_a_circle() -> None:
    (fault,) = faults(rule("idle", "of: idle, driver: {meter: cpu, capacity: {amount_per_h: 1}}"))
    assert "'idle' (of idle)" in fault


def test_a_circle_counts_only_while_all_of_its_rules_hold() -> None:
    first, second = rule("a", "of: a, to: b"), rule("b", "of: b, to: shared")
    assert faults(first, second) == []
    (fault,) = faults(first, second, rule("b", "of: b, to: a", "2026-02-01"))
    assert fault.endswith("from 2026-02-01T00:00:00Z on")
    assert (
        faults(first, rule("a", "of: a, to: shared", "2026-02-01"), second, rule("b", "of: b, to: a", "2026-02-01"))
        == []
    )


def test_a_circle_with_rules_that_stand_already_is_refused() -> None:
    standing = parse_manifests([("old.yaml", BASE + rule("a", "of: a, to: b") + rule("b", "of: b, to: shared"))])
    catalog = Catalog.of([]).extended(
        Definition(each.kind, each.name, 1, 0, each.spec, "ada", 1) for each in standing.documents
    )
    written = parse_manifests([("new.yaml", rule("back", "of: b, priority: 1, to: a").removeprefix("\n---\n"))])
    (fault,) = plan_changes(catalog, written.documents).faults
    assert "'a' (of a), 'back' (of b)" in str(fault)


def test_a_pool_that_nobody_divides_is_refused_but_for_those_that_may_last() -> None:
    (fault,) = faults(rule("one", "to: platform"))
    assert "'one' gives to the pool 'platform', which no rule divides: add one with 'of: platform'" in fault
    assert faults(rule("one", "to: shared"), rule("two", "to: idle"), rule("three", "to: unallocated")) == []


def test_the_example_can_be_applied() -> None:
    text = (Path(__file__).parents[3] / "examples" / "kubernetes" / "allocation.yaml").read_text()
    manifest = parse_manifests([("allocation.yaml", text)])
    assert not manifest.faults
    found = plan_changes(Catalog.of([]), manifest.documents)
    assert (found.faults, len(found.changes)) == ((), 11)


def test_a_meter_that_rules_go_by_keeps_its_windows_short() -> None:
    standing = Catalog.of([]).extended(
        Definition(each.kind, each.name, 1, each.effective_from_us, each.spec, "ada", 1)
        for each in parse_manifests([("rules.yaml", BASE + rule("one", "driver: {meter: cpu}"))]).documents
    )
    longer = "{kind: meter, name: cpu, spec: {source: {event: cpu}, aggregation: sum, unit: h, window: day}}"
    (fault,) = plan_changes(standing, parse_manifests([("meter.yaml", longer)]).documents).faults
    assert fault.field == "spec.window" and fault.message.startswith(
        "the windows are of a day, but the allocation rule 'one' goes by this meter"
    )
    # Where the rule goes by something else from then on, nothing speaks against it.
    other = longer + rule("one", "to: idle")
    assert plan_changes(standing, parse_manifests([("both.yaml", other)]).documents).faults == ()


UNITS = """
---
{kind: meter, name: used, spec: {source: {event: used}, aggregation: sum, unit: core-hours}}
---
{kind: meter, name: there, spec: {source: {event: there}, aggregation: sum, unit: UNIT}}
"""
DRIVERS = (
    "driver: {meter: used, capacity: {meter: there}}",
    "driver: {meter: [there, used]}",
    "weighted: {a: {meter: used, weight: 1, capacity: {meter: there}}}",
    "split: {a: {meter: used, price: 1, capacity: {meter: there}}}",
    "even: {using: {meter: [there, used]}}",
)


@pytest.mark.parametrize("method", DRIVERS)
def test_meters_that_are_held_against_each_other_have_one_unit(method: str) -> None:
    for same in ("core-hours", "core.h", "vCPU-Hours"):
        assert faults(UNITS.replace("UNIT", same), rule("one", method)) == []
    (fault,) = faults(UNITS.replace("UNIT", "GB-Hours"), rule("one", method))
    assert "'GB-Hours' and not in" in fault or "'core-hours' and not in 'GB-Hours'" in fault
    (fault,) = faults(UNITS.replace("UNIT", "core-seconds"), rule("one", method))
    assert "of which one is 1/3600 core-hours" in fault or "of which one is 3600 core-seconds" in fault
    assert "give both meters one unit, by measured_in if need be" in fault


def test_a_unit_that_is_none_known_has_to_be_the_same_text() -> None:
    assert faults(UNITS.replace("UNIT", "seats").replace("core-hours", "seats"), rule("one", DRIVERS[0])) == []
    (fault,) = faults(UNITS.replace("UNIT", "seats"), rule("one", DRIVERS[0]))
    assert fault.startswith("rules.yaml:") and "spec.driver.capacity.meter" in fault
    assert (
        "the meter 'there' is what there was of 'used', but it is in 'seats' and not in 'core-hours': give both"
        in fault
    )


def test_a_capacity_that_is_stated_is_in_the_unit_of_its_driver() -> None:
    assert faults(UNITS.replace("UNIT", "GB"), rule("one", "driver: {meter: used, capacity: {amount_per_h: 2}}")) == []


def test_a_meter_that_rules_go_by_keeps_its_unit() -> None:
    written = BASE + UNITS.replace("UNIT", "core.h") + rule("one", DRIVERS[0])
    standing = Catalog.of([]).extended(
        Definition(each.kind, each.name, 1, each.effective_from_us, each.spec, "ada", 1)
        for each in parse_manifests([("rules.yaml", written)]).documents
    )
    other = "{kind: meter, name: there, spec: {source: {event: there}, aggregation: sum, unit: GB}}"
    (fault,) = plan_changes(standing, parse_manifests([("meter.yaml", other)]).documents).faults
    assert fault.field == "spec.unit" and fault.message.startswith("in the allocation rule 'one' the meter 'there'")
    both = other + rule("one", "to: idle")
    assert plan_changes(standing, parse_manifests([("both.yaml", both)]).documents).faults == ()

"""A candidate holds at all times, also where a later version stands, and leaves everything else as it is."""

from __future__ import annotations

from ledger.directory.applying import plan_changes
from ledger.directory.candidates import applied, throughout
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.plan import Plan
from meterbook.wire import instants

BOOK = """\
{kind: plan, name: team, effective_from: 2026-02-01, spec: {currency: EUR, flat_fee: 1}}
---
{kind: plan, name: team, effective_from: 2026-04-01, spec: {currency: EUR, flat_fee: 2}}
---
{kind: plan, name: pro, effective_from: 2026-03-01, spec: {currency: EUR, flat_fee: 8}}
---
{kind: plan, name: pro, effective_from: 2026-05-01, spec: {currency: EUR, flat_fee: 9}}
"""
DATES = ("1970-01-01", "2026-02-01", "2026-03-15", "2026-04-01", "2026-06-01")


def catalog(text: str = BOOK) -> Catalog:
    found = plan_changes(Catalog.of([]), parse_manifests([("f", text)]).documents)
    assert not found.faults
    return applied(Catalog.of([]), found.versions)


def candidate(fee: int) -> Plan:
    return Plan.model_validate({"currency": "EUR", "flat_fee": fee})


def fees(of: Catalog, name: str) -> list[int | None]:
    found = (of.get("plan", name, instants.parse(date)) for date in DATES)
    return [None if each is None else int(each.spec.flat_fee) for each in found]  # type: ignore[attr-defined]


def test_applied_is_what_applying_gives() -> None:
    assert fees(catalog(), "team") == [None, 1, 1, 2, 2]
    assert [each.version for each in catalog().versions("plan", "pro")] == [1, 2]


def test_a_candidate_holds_at_all_times() -> None:
    then = throughout(catalog(), {"team": candidate(5), "new": candidate(6)}, {})
    assert fees(then, "team") == [5] * 5
    assert fees(then, "new") == [6] * 5
    assert fees(then, "pro") == fees(catalog(), "pro")


def test_a_plan_charges_what_another_one_did_at_each_time() -> None:
    then = throughout(catalog(), {}, {"team": "pro"})
    # Before the other one begins its first version holds.
    assert fees(then, "team") == [8, 8, 8, 8, 9]
    assert fees(then, "pro") == fees(catalog(), "pro")


def test_a_plan_charges_what_a_candidate_does() -> None:
    then = throughout(catalog(), {"new": candidate(6), "team": candidate(5)}, {"team": "new"})
    assert fees(then, "team") == [6] * 5

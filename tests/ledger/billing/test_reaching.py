"""A version reaches a customer with the first billing period whose first moment it holds at, and not before."""

from __future__ import annotations

import pytest

from ledger.billing.cycles import Account
from ledger.billing.period import Period
from ledger.billing.reaching import is_reached, reached
from ledger.billing.terms import accounts
from ledger.directory.applying import plan_changes
from ledger.directory.candidates import applied
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from meterbook.wire import instants

BOOK = """\
{kind: plan, name: team, spec: {currency: EUR, flat_fee: 1}}
---
{kind: plan, name: pro, spec: {currency: EUR, flat_fee: 2}}
---
{kind: tenant, name: acme, spec: {timezone: Europe/Berlin}}
---
kind: subscription
name: s
spec: {tenant: acme, plan: team, start: 2026-01-15, end: 2026-08-01, moves: [{since: 2026-03-10, plan: pro}, {since: 2026-05-01, plan: team}]}
"""


def catalog(text: str, before: Catalog | None = None) -> Catalog:
    before = before or Catalog.of([])
    found = plan_changes(before, parse_manifests([("f", text)]).documents)
    assert not found.faults
    return applied(before, found.versions)


def account(of: Catalog) -> Account:
    (found,) = accounts(of, "acme")
    return found


@pytest.mark.parametrize(
    ("plan", "since", "until", "first"),
    [
        ("team", "", None, "2026-01-14T23:00:00Z"),
        ("team", "2026-01-10", None, "2026-01-14T23:00:00Z"),
        ("team", "2026-01-20", None, "2026-01-31T23:00:00Z"),
        # Exactly at the beginning of a billing period in Berlin, and an hour later.
        ("team", "2026-01-31T23:00:00Z", None, "2026-01-31T23:00:00Z"),
        ("team", "2026-02-01", None, "2026-02-28T23:00:00Z"),
        # In the middle of its last billing period before the move: with the next time that the plan is had.
        ("team", "2026-03-05", None, "2026-04-30T22:00:00Z"),
        ("team", "2026-03-05", "2026-04-01", None),
        # The first moment of the plan in its billing period is the move.
        ("pro", "2026-03-05", None, "2026-03-09T23:00:00Z"),
        ("pro", "2026-03-11", None, "2026-03-31T22:00:00Z"),
        ("pro", "2026-04-15", None, None),
        ("team", "2026-07-15", None, None),
        ("team", "2026-09-01", None, None),
        ("free", "", None, None),
    ],
)
def test_since_when(plan: str, since: str, until: str | None, first: str | None) -> None:
    since_us = instants.parse(since) if since else 0
    found = reached(account(catalog(BOOK)), plan, since_us, None if until is None else instants.parse(until))
    assert (None if found is None else instants.text(found.since_us)) == first


def test_until_when_the_plan_is_had() -> None:
    of = account(catalog(BOOK))
    found = reached(of, "pro", 0, None)
    assert found is not None and instants.text(found.until_us or 0) == "2026-04-30T22:00:00Z"
    found = reached(of, "team", instants.parse("2026-06-01"), None)
    assert found is not None and instants.text(found.until_us or 0) == "2026-07-31T22:00:00Z"


@pytest.mark.parametrize(
    ("change", "month", "is_other"),
    [
        ("{kind: plan, name: team, spec: {currency: EUR, flat_fee: 3}}", "2026-02-10", True),
        ("{kind: plan, name: team, spec: {currency: EUR, flat_fee: 3}}", "2026-03-05", True),
        ("{kind: plan, name: team, spec: {currency: EUR, flat_fee: 3}}", "2026-04-10", False),
        (
            "{kind: plan, name: team, effective_from: 2026-02-02, spec: {currency: EUR, flat_fee: 3}}",
            "2026-02-10",
            False,
        ),
        (
            "{kind: plan, name: team, effective_from: 2026-02-02, spec: {currency: EUR, flat_fee: 3}}",
            "2026-03-05",
            True,
        ),
        ("{kind: plan, name: pro, spec: {currency: EUR, flat_fee: 3}}", "2026-03-05", True),
        ("{kind: plan, name: other, spec: {currency: EUR}}", "2026-02-10", False),
    ],
)
def test_which_billing_periods_are_charged_otherwise(change: str, month: str, is_other: bool) -> None:
    before = catalog(BOOK)
    of, other = account(before), account(catalog(change, before))
    cycle = of.cycle_at(instants.parse(month))
    assert cycle is not None
    plan = change.partition("name: ")[2].partition(",")[0]
    version = max(each.version for each in other.catalog.versions("plan", plan))
    assert is_reached(of, other, plan, version, cycle.period) is is_other
    # What was billed before it began is of the same billing period.
    opening = Period(cycle.period.start_us, cycle.period.start_us)
    assert is_reached(of, other, plan, version, opening) is is_other


def test_what_is_outside_of_the_subscription_is_not_reached() -> None:
    before = catalog(BOOK)
    other = account(catalog("{kind: plan, name: team, spec: {currency: EUR, flat_fee: 3}}", before))
    assert not is_reached(account(before), other, "team", 2, Period(0, 1))

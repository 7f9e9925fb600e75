"""Entitlements as pure rules: what is granted when, and what it comes to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.billing.entitlement import PAUSED, Right, judged, rights_of
from ledger.billing.period import Period
from ledger.directory.catalog import Catalog
from ledger.directory.feature import Feature, FeatureOverride
from ledger.directory.plan import Plan
from ledger.directory.standing import catalog_of
from ledger.directory.versions import Definition
from meterbook.wire import instants
from tests.fakes.journal import memory_journal

PLANS = """\
{kind: meter, name: calls, spec: {source: {event: call}, aggregation: sum, unit: calls}}
---
{kind: tenant, name: acme, spec: {timezone: Europe/Berlin}}
---
kind: plan
name: free
spec: {currency: EUR, features: [{name: api, meter: calls, limit: 100, thresholds: [80, 100]}]}
---
kind: plan
name: pro
spec:
  currency: EUR
  features:
    - {name: api, title: Calls of the API, meter: calls, limit: 1000, kind: soft}
    - {name: burst, meter: calls, limit: 10, per: day}
    - {name: told, meter: calls}
    - {name: sso}
"""
LIFE = """\
---
kind: subscription
name: acme-1
spec:
  tenant: acme
  plan: free
  start: 2026-03-10
  end: 2026-07-01
  moves: [{since: 2026-04-01, plan: pro}]
  pauses: [{since: 2026-05-01, until: 2026-05-10}]
  features:
    - {name: api, limit: 5, since: 2026-06-01, until: 2026-06-02, approved: ada}
    - {name: sso, enabled: false, since: 2026-06-01, approved: ada}
    - {name: beta, enabled: true, approved: ada}
    - {name: other, limit: 7, approved: ada}
---
{kind: subscription, name: acme-2, spec: {tenant: acme, plan: free, start: 2026-08-01}}
"""


def catalog(text: str = PLANS + LIFE) -> Catalog:
    with memory_journal() as book:
        book.define(text)
        return catalog_of(book.view())


def at(text: str) -> int:
    return instants.parse(text)


def right(limit: str | None = "100", **more: Any) -> Right:
    feature = Feature.model_validate({"name": "api", "meter": "calls", "limit": limit} | more)
    return Right(feature, feature.limit, Period(0, 1))


def test_the_subscription_that_holds_says_what_there_is() -> None:
    found = catalog()
    before = rights_of(found, "acme", at("2026-03-09T22:59:59Z"))
    assert (before.denial, before.until_us) == ("no subscription holds", at("2026-03-09T23:00:00Z"))
    assert before.of("api").denial == "no subscription holds"
    first = rights_of(found, "acme", at("2026-03-09T23:00:00Z"))
    assert (first.subscription, first.plan, first.by_name["api"].limit) == ("acme-1", "free", Decimal(100))
    # The subscription begins within the month, which ends by the tenant's clock, in summer time by then.
    assert first.by_name["api"].period == Period(at("2026-03-09T23:00:00Z"), at("2026-03-31T22:00:00Z"))
    assert first.of("sso").denial == "plan 'free' does not have it"
    between = rights_of(found, "acme", at("2026-07-15T00:00:00Z"))
    assert (between.denial, between.until_us) == ("no subscription holds", at("2026-07-31T22:00:00Z"))
    assert rights_of(found, "acme", at("2026-08-02T00:00:00Z")).subscription == "acme-2"


def test_a_move_brings_the_features_of_the_other_plan() -> None:
    moved = rights_of(catalog(), "acme", at("2026-04-02T12:00:00Z"))
    assert (moved.plan, sorted(moved.by_name)) == ("pro", ["api", "beta", "burst", "other", "sso", "told"])
    assert moved.by_name["burst"].period == Period(at("2026-04-01T22:00:00Z"), at("2026-04-02T22:00:00Z"))
    assert moved.until_us == at("2026-04-02T22:00:00Z")
    assert not moved.of("sso").denial and not moved.of("beta").denial
    assert moved.of("other").denial == "the plan does not have it"


def test_what_is_paused_grants_nothing() -> None:
    paused = rights_of(catalog(), "acme", at("2026-05-05T00:00:00Z"))
    assert {each.denial for name, each in paused.by_name.items() if name != "other"} == {PAUSED}
    assert not rights_of(catalog(), "acme", at("2026-05-09T22:00:00Z")).of("api").denial


def test_an_override_holds_from_moment_to_moment() -> None:
    limits = {
        time: rights_of(catalog(), "acme", at(time)).of("api").limit
        for time in ("2026-05-31T21:59:59Z", "2026-05-31T22:00:00Z", "2026-06-01T21:59:59Z", "2026-06-01T22:00:00Z")
    }
    assert list(limits.values()) == [Decimal(1000), Decimal(5), Decimal(5), Decimal(1000)]
    assert rights_of(catalog(), "acme", at("2026-06-15T00:00:00Z")).of("sso").denial == "the subscription leaves it out"


@given(st.integers(at("2026-03-01T00:00:00Z"), at("2026-09-01T00:00:00Z")))
def test_rights_hold_until_they_say(at_us: int) -> None:
    found = CATALOG
    rights = rights_of(found, "acme", at_us)
    until_us = rights.until_us
    assert until_us is None or until_us > at_us
    for later_us in (at_us + 1, (at_us + (until_us or at_us + 2)) // 2, (until_us or at_us + 2) - 1):
        if until_us is None or at_us <= later_us < until_us:
            assert rights_of(found, "acme", later_us) == rights


CATALOG = catalog()


def test_a_hard_limit_refuses_and_a_soft_one_tells() -> None:
    below, reached = judged(right(), Decimal("99.9")), judged(right(), Decimal(100))
    assert (below.is_allowed, below.reason, below.remaining, below.over) == (True, "", Decimal("0.1"), 0)
    assert (reached.is_allowed, reached.reason, reached.remaining) == (False, "the hard limit is reached", 0)
    soft = judged(right(kind="soft"), Decimal(130))
    assert (soft.is_allowed, soft.reason, soft.over, soft.remaining) == (True, "the soft limit is reached", 30, 0)


def test_what_is_about_to_be_used_must_fit() -> None:
    assert judged(right(), Decimal(90), Decimal(10)).is_allowed
    refused = judged(right(), Decimal(90), Decimal("10.000000001"))
    assert (refused.is_allowed, refused.reason) == (False, "the hard limit would be passed")
    assert judged(right(), Decimal(100), Decimal(0)).is_allowed
    assert judged(right(kind="soft"), Decimal(90), Decimal(11)).is_allowed


def test_without_a_limit_usage_is_only_told() -> None:
    found = judged(right(None), Decimal(10**20))
    assert (found.is_allowed, found.used, found.remaining, found.reached) == (True, Decimal(10**20), None, ())


def test_of_nothing_even_the_first_is_too_much() -> None:
    none = right("0", thresholds=[80, 100])
    assert (judged(none, Decimal(0)).is_allowed, judged(none, Decimal(0)).reached) == (False, ())
    assert judged(none, Decimal("0.1")).reached == (80, 100)


def test_thresholds_are_reached_exactly() -> None:
    watched = right("3", thresholds=[33, 34, 100, 150])
    assert judged(watched, Decimal("0.989999999")).reached == ()
    assert judged(watched, Decimal("0.99")).reached == (33,)
    assert judged(watched, Decimal("4.5")).reached == (33, 34, 100, 150)


@given(st.decimals(0, 10**12, places=9), st.decimals(0, 10**12, places=9), st.sampled_from(["hard", "soft"]))
def test_what_is_used_is_within_the_limit_or_over_it(used: Decimal, limit: Decimal, kind: str) -> None:
    found = judged(right(format(limit, "f"), kind=kind, thresholds=[50, 100]), used)
    assert found.remaining is not None
    assert used + found.remaining - found.over == limit and 0 in (found.remaining, found.over)
    assert found.is_allowed == (kind == "soft" or used < limit)
    assert (100 in found.reached) == (used >= limit and used > 0)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"name": "a", "limit": "1"}, "'limit' is about usage: name the 'meter'"),
        ({"name": "a", "where": {"x": ["y"]}}, "'where' is about usage"),
        ({"name": "a", "meter": "m", "thresholds": [100, 80]}, "thresholds rise"),
        ({"name": "a", "meter": "m", "thresholds": [0]}, "from 1 to 1000 percent"),
        ({"name": "a", "meter": "m", "per": "minute"}, "Input should be 'cycle'"),
    ],
)
def test_what_is_wrong_with_a_feature(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Feature.model_validate(document)


def test_what_is_wrong_with_a_plan_and_a_subscription() -> None:
    with pytest.raises(ValueError, match="feature 'a' is there twice"):
        Plan.model_validate({"currency": "EUR", "features": [{"name": "a"}, {"name": "a"}]})
    for given_ in ({}, {"limit": "1", "enabled": True}):
        with pytest.raises(ValueError, match="exactly one of 'limit' and 'enabled'"):
            FeatureOverride.model_validate({"name": "a", "approved": "ada"} | given_)
    plan = Plan.model_validate({"currency": "EUR", "features": [{"name": "a", "meter": "m"}]})
    assert [(each.name, each.path) for each in plan.references()] == [("m", ("features", 0, "meter"))]


def test_of_a_version_of_a_plan_those_features_hold_that_it_is_charged_by() -> None:
    found = catalog()
    later = Plan.model_validate({"currency": "EUR", "features": [{"name": "api", "meter": "calls", "limit": "7"}]})
    changed = found.extended([Definition("plan", "free", 2, at("2026-08-15T00:00:00Z"), later, "ada", 9)])
    assert rights_of(changed, "acme", at("2026-08-20T00:00:00Z")).of("api").limit == Decimal(100)
    assert rights_of(changed, "acme", at("2026-09-01T00:00:00Z")).of("api").limit == Decimal(7)

"""Applying is idempotent, versions what changes, and refuses what does not fit together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.applying import Application, plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.manifest import parse_manifests
from ledger.directory.versions import DefinitionRow

METER = "kind: meter\nname: m\nspec: {source: {event: e}, aggregation: count, unit: u}\n"
PLAN = "kind: plan\nname: p\nspec: {currency: EUR, charges: [{meter: m, tiers: [{unit_price: 1}]}]}\n"
TENANT = "kind: tenant\nname: acme\nspec: {timezone: Europe/Berlin}\n"
OVERLAP = "spec.start: subscriptions 's' and 't' of tenant 'acme' overlap: the same usage would be charged twice"
BASIS = f"{METER}---\n{PLAN}---\n{TENANT}"


def subscribed(start: str, end: str = "null", name: str = "s", tenant: str = "acme", plan: str = "p") -> str:
    return f"kind: subscription\nname: {name}\nspec: {{tenant: {tenant}, plan: {plan}, start: {start}, end: {end}}}\n"


def applied(catalog: Catalog, *documents: str) -> tuple[Catalog, Application]:
    manifest = parse_manifests([("a.yaml", "---\n".join(documents))])
    assert manifest.faults == ()
    application = plan_changes(catalog, manifest.documents)
    held = list(rows_of(catalog))
    position = max((row.position for row in held), default=0) + 1
    new = [
        DefinitionRow(each.kind, each.name, each.version, each.effective_from_us, each.spec, "ada", position)
        for each in application.versions
    ]
    return Catalog.of([*held, *new]), application


def rows_of(catalog: Catalog) -> list[DefinitionRow]:
    return [
        DefinitionRow(each.kind, each.name, each.version, each.effective_from_us, spec, each.author, each.position)
        for each in catalog
        for spec in [each.spec.model_dump_json()]
    ]


def outcomes(application: Application) -> list[tuple[str, int, str]]:
    assert application.faults == ()
    return [(each.name, each.version, each.outcome) for each in application.changes]


def faults(catalog: Catalog, *documents: str) -> list[str]:
    application = applied(catalog, *documents)[1]
    assert (application.versions, application.changes) == ((), ()) or not application.faults
    return [str(fault) for fault in application.faults]


EMPTY = Catalog.of([])


def test_created_unchanged_changed() -> None:
    catalog, first = applied(EMPTY, subscribed("2026-01-01"), BASIS)
    assert outcomes(first) == [("s", 1, "created"), ("m", 1, "created"), ("p", 1, "created"), ("acme", 1, "created")]
    catalog, second = applied(catalog, subscribed("2026-01-01"), BASIS)
    assert (second.versions, {each.outcome for each in second.changes}) == ((), {"unchanged"})
    catalog, third = applied(catalog, PLAN.replace("unit_price: 1}", "unit_price: 1.00}"), TENANT)
    assert outcomes(third) == [("p", 1, "unchanged"), ("acme", 1, "unchanged")]
    catalog, fourth = applied(catalog, PLAN.replace("EUR", "USD"))
    assert outcomes(fourth) == [("p", 2, "changed")]
    catalog, fifth = applied(catalog, PLAN)
    assert outcomes(fifth) == [("p", 3, "changed")]


def test_each_effective_date_has_its_own_newest_version() -> None:
    later = PLAN.replace("name: p", "name: p\neffective_from: 2026-07-01").replace("unit_price: 1}", "unit_price: 2}")
    catalog, both = applied(EMPTY, METER, PLAN, later)
    assert outcomes(both) == [("m", 1, "created"), ("p", 1, "created"), ("p", 2, "changed")]
    assert outcomes(applied(catalog, later, PLAN)[1]) == [("p", 2, "unchanged"), ("p", 1, "unchanged")]
    # The same text for another date is a version of its own.
    assert outcomes(applied(catalog, PLAN.replace("name: p", "name: p\neffective_from: 2026-08-01"))[1]) == [
        ("p", 3, "changed")
    ]


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.integers(0, 2)), max_size=5), max_size=5)
)
def test_applying_twice_is_applying_once(applications) -> None:
    catalog = EMPTY
    for drawn in applications:
        documents = {(name, day): title for name, day, title in drawn}
        texts = [
            f"kind: tenant\nname: {name}\neffective_from: 2026-01-0{day}\nspec: {{title: t{title}}}\n"
            for (name, day), title in documents.items()
        ]
        catalog, _ = applied(catalog, *texts)
        again, application = applied(catalog, *texts)
        assert application.versions == application.faults == ()
        assert again == catalog
        for (name, _), versions in {(n, d): catalog.versions("tenant", n) for n, d in documents}.items():
            assert sorted(each.version for each in versions) == list(range(1, len(versions) + 1)), name


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([PLAN], "a.yaml:3: spec.charges[0].meter: there is no meter 'm'"),
        (
            [METER.replace("name: m", "name: requests"), PLAN.replace("meter: m", "meter: request")],
            "a.yaml:7: spec.charges[0].meter: there is no meter 'request'; did you mean 'requests'?",
        ),
        (
            ["kind: price-sheet\nname: s\nspec:\n  currency: EUR\n  prices:\n    m: 1\n"],
            "a.yaml:6: spec.prices.m: there is no meter 'm'",
        ),
        ([METER, PLAN, subscribed("2026-01-01")], "a.yaml:11: spec.tenant: there is no tenant 'acme'"),
        ([METER, TENANT, subscribed("2026-01-01")], "a.yaml:11: spec.plan: there is no plan 'p'"),
        (
            [METER, TENANT, PLAN.replace("spec", "effective_from: 2026-01-01\nspec"), subscribed("2026-01-01")],
            "a.yaml:16: spec.plan: plan 'p' holds only from 2026-01-01T00:00:00Z on, after 2026-01-01",
        ),
        (
            [TENANT, TENANT],
            "a.yaml:6: name: tenant 'acme' is defined twice for the same effective date, first at a.yaml:1",
        ),
        (
            [METER, METER.replace("spec", "effective_from: 2026-01-01\nspec").replace("unit: u", "unit: v")],
            (
                "a.yaml:3: spec.unit: 'u' differs from 'v', which meter 'm' has from 2026-01-01T00:00:00Z on: "
                "the unit must be the same for all dates"
            ),
        ),
        (
            [BASIS, subscribed("2026-01-01"), subscribed("2026-05-01", name="t")],
            f"a.yaml:19: {OVERLAP}",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_with_its_place(documents: list[str], expected: str) -> None:
    assert faults(EMPTY, *documents)[0] == expected


def test_what_stands_already_counts() -> None:
    catalog, _ = applied(EMPTY, BASIS, subscribed("2026-01-01", "2026-05-01"))
    assert faults(catalog, subscribed("2026-05-01", name="t")) == []
    assert faults(catalog, subscribed("2026-04-30T21:59:59Z", name="t")) == [f"a.yaml:3: {OVERLAP}"]
    # The first of May begins at 22:00 in Berlin.
    assert faults(catalog, subscribed("2026-04-30T22:00:00Z", name="t")) == []


def test_a_time_zone_is_corrected_for_all_dates_or_not_at_all() -> None:
    catalog, _ = applied(EMPTY, TENANT)
    assert faults(catalog, TENANT.replace("Berlin", "Paris")) == []
    (fault,) = faults(catalog, TENANT.replace("Berlin", "Paris").replace("spec", "effective_from: 2026-01-01\nspec"))
    assert "'Europe/Paris' differs from 'Europe/Berlin', which tenant 'acme' has from the beginning on" in fault


def test_a_corrected_time_zone_cannot_make_subscriptions_overlap() -> None:
    catalog, _ = applied(
        EMPTY, BASIS, subscribed("2026-01-01", "2026-05-01"), subscribed("2026-04-30T22:00:00Z", name="t")
    )
    assert "overlap" in faults(catalog, TENANT.replace("Europe/Berlin", "America/Denver"))[0]

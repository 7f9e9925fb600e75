"""Whose charges are: that every charge is given away to the last digit, as fractions have it, and what each method says."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.allocating import Allocated, allocate
from ledger.costing.amounts import amounts
from ledger.costing.reconciling import Reconciled, tenant_costs, totals, unallocated
from ledger.directory.catalog import Catalog
from meterbook.wire.instants import DAY_US, HOUR_US
from tests.ledger.batches import MONTH
from tests.ledger.costing.memory import Book, catalog, hourly, lines_of, meters, rule, tenants
from tests.ledger.costing.reference import Entry, Reference

METERS = ("cpu", "memory", "capacity")
BOOK = Book()


@pytest.fixture
def book() -> Book:
    BOOK.empty()
    BOOK.settle(*METERS)
    return BOOK


def given_rules(*rules: str) -> Catalog:
    return catalog(*meters(*METERS), *tenants("acme", "bcorp", "corp"), *rules)


def allocated(book: Book, rules: Catalog, **options: Any) -> Allocated:
    return allocate(book.view(), rules, book.standing(), **options)


def costs(book: Book, rules: Catalog, cost: str = "BilledCost") -> dict[str, Decimal]:
    """What everybody bears."""
    return {each.tenant: each.cost.normalize() for each in tenant_costs(allocated(book, rules), cost)}


def whole(book: Book, rules: Catalog, cost: str = "BilledCost") -> Reconciled:
    """What all charges became."""
    (found,) = totals(book.view(), book.standing(), allocated(book, rules), cost)
    assert found.residual == 0
    return found


def by_line(found: Allocated, cost: str = "BilledCost") -> dict[int, dict[str, Fraction]]:
    """What of each charge is whose."""
    assert found.profiles.lines is not None
    lines = found.profiles.lines["line"].to_pylist()
    parts: dict[int, dict[str, Fraction]] = defaultdict(dict)
    told = amounts(found, cost, [np.arange(len(lines))], lambda stage: [stage.shares.target])
    for (row, target), amount in told.items():
        parts[lines[row]][found.targets[target]] = Fraction(amount.cost)
    return parts


WHERE = "where: {node: Tags.node}"
ANYWHERE = f"{WHERE}, capacity: {{meter: capacity, where: {{}}}}"
METHODS = (
    "direct: {column: Tags.team}",
    "direct: {column: Tags.team, tenants: {red: acme, blue: bcorp}}",
    "direct: {column: {column: ResourceId, capture: '.*/(.*)'}}",
    f"driver: {{meter: cpu, {WHERE}}}",
    "driver: {meter: memory}",
    f"driver: {{meter: [cpu, memory], {WHERE}, capacity: {{meter: capacity}}}}",
    "driver: {meter: cpu, capacity: {amount_per_h: '2.5', rest: spare}}",
    f"weighted: {{a: {{meter: cpu, weight: 2, {WHERE}}}, b: {{meter: memory, weight: '1.5', capacity: {{amount_per_h: 1}}}}}}",
    f"split: {{a: {{meter: cpu, price: 9, {WHERE}, capacity: {{meter: capacity}}}}, b: {{meter: memory, price: 1, {ANYWHERE}}}}}",
    "even: {tenants: [corp, acme]}",
    "even: {defined: true}",
    f"even: {{using: {{meter: cpu, {WHERE}}}}}",
    "fixed: {tenants: {acme: 1, bcorp: 2}}",
)
INTO_POOLS = (
    "to: platform",
    "to: shared",
    "to: idle",
    "to: unallocated",
    "fixed: {tenants: {acme: 1}, pools: {platform: 1, shared: 1, lost: '0.5'}}",
)
#: Pools, and what rules of them may give to besides tenants.
POOLS = {
    "platform": (
        "fixed: {tenants: {corp: 1}, pools: {shared: 2}}",
        "driver: {meter: cpu, capacity: {amount_per_h: 9}}",
    ),
    "spare": ("to: shared", "to: idle"),
    "idle": ("to: shared",),
    "shared": (),
}
MATCHES = (
    "",
    "match: {ServiceName: A}, ",
    "match: {ServiceName: {not: B}}, ",
    "any: [{ServiceName: A}, {Tags.team: red}], ",
    "match: {Tags.node: {exists: true}}, ",
)
CHARGES = st.tuples(
    st.sampled_from(["1", "-1", "0", "0.000000000000000001", "99999999999999.999999999999999999", "-7.3", "100"]),
    st.integers(0, 3),
    st.sampled_from([1, 2, 24]),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["", "x/acme", "x/nobody", "y"]),
    st.sampled_from(
        [{}, {"team": "red"}, {"team": "bcorp"}, {"node": "n1"}, {"node": "n2", "team": "green"}, {"node": "n3"}]
    ),
)
ENTRIES = st.tuples(
    st.sampled_from(METERS),
    st.sampled_from(["acme", "bcorp", "stranger", "@shared", "@unassigned"]),
    st.sampled_from(["n1", "n2", None]),
    st.integers(0, 4),
    st.sampled_from(["1", "2", "0", "-1", "0.333333333", "5000000000000"]),
)


@st.composite
def rules(draw: st.DrawFn) -> list[str]:
    """Some rules of charges, and some of pools."""
    found = []
    for number in range(draw(st.integers(0, 5))):
        method = draw(st.sampled_from([*METHODS, *INTO_POOLS]))
        priority = f"priority: {draw(st.integers(0, 2))}, "
        found.append(rule(f"charges-{number}", priority + draw(st.sampled_from(MATCHES)) + method))
    for pool, further in POOLS.items():
        for number in range(draw(st.integers(0, 2))):
            method = draw(st.sampled_from([*METHODS[3:5], *METHODS[9:], *further]))
            found.append(rule(f"{pool}-{number}", f"of: {pool}, " + draw(st.sampled_from(MATCHES)) + method))
    return found


@given(st.lists(CHARGES, min_size=1, max_size=6), st.lists(ENTRIES, max_size=8), rules())
def test_every_charge_is_given_away_to_the_last_digit_as_fractions_have_it(
    charges: list[tuple[Any, ...]], entries: list[tuple[Any, ...]], written: list[str]
) -> None:
    BOOK.empty()
    rows = [
        hourly(line, cost, hour, hours, ServiceName=service, ResourceId=resource, Tags=json.dumps(tags))
        for line, (cost, hour, hours, service, resource, tags) in enumerate(charges)
    ]
    BOOK.bill(rows)
    BOOK.settle(*METERS)
    used: list[Entry] = []
    for meter, tenant, node, hour, quantity in entries:
        BOOK.use(meter, tenant, hour, quantity, json.dumps({"node": node}) if node else "{}")
        used.append((meter, tenant, node, MONTH + hour * HOUR_US, Fraction(quantity)))
    definitions = given_rules(*written)
    reference = Reference(definitions, used)
    expected = {
        row["line"]: {each: part for each, part in reference.parts(row).items() if part} for row in lines_of(rows)
    }
    found = by_line(allocated(BOOK, definitions, by_line=True))
    assert {line: {each: part for each, part in parts.items() if part} for line, parts in found.items()} == expected
    for row in lines_of(rows):
        assert sum(found[row["line"]].values()) == Fraction(row["BilledCost"])
        assert all(part * Fraction(row["BilledCost"]) >= 0 for part in found[row["line"]].values())
    summed: dict[str, Fraction] = defaultdict(Fraction)
    for parts in expected.values():
        for tenant, part in parts.items():
            summed[tenant] += part
    together = allocated(BOOK, definitions)
    told = {each.tenant: Fraction(each.cost) for each in tenant_costs(together, "BilledCost")}
    assert {each: part for each, part in told.items() if part} == {each: part for each, part in summed.items() if part}
    assert [each.residual for each in totals(BOOK.view(), BOOK.standing(), together, "BilledCost")] == [0]


def test_a_charge_that_says_whose_it_is(book: Book) -> None:
    tags = ['{"team":"red"}', '{"team":"bcorp"}', '{"team":"green"}', "{}"]
    book.bill([hourly(line, "1", Tags=each) for line, each in enumerate(tags)])
    definitions = given_rules(rule("tagged", "direct: {column: Tags.team, tenants: {red: acme}}"))
    assert costs(book, definitions) == {"acme": 1, "bcorp": 1, "@unallocated": 2}
    found = unallocated(allocated(book, definitions), "BilledCost")
    assert [(each.reason, each.amount) for each in found] == [
        ("no rule holds for it", 1),
        ("the tenant 'green' is not defined", 1),
    ]


def test_usage_of_the_hours_of_the_charge_alone_counts(book: Book) -> None:
    for hour, acme, bcorp in ((0, 9, 1), (1, 1, 3), (2, 7, 5)):
        book.use("cpu", "acme", hour, acme)
        book.use("cpu", "bcorp", hour, bcorp)
    definitions = given_rules(rule("cpu", "driver: {meter: cpu}"))
    book.bill([hourly(0, "4", hour=1)])
    assert costs(book, definitions) == {"acme": 1, "bcorp": 3}
    # What lies within hours has the whole of them, here of the second and the third.
    start = MONTH + HOUR_US + HOUR_US // 2
    book.bill(
        [hourly(0, "16", ChargePeriodStart=start, ChargePeriodEnd=start + HOUR_US)], "v2", issued=MONTH + 2 * DAY_US
    )
    assert costs(book, definitions) == {"acme": 8, "bcorp": 8}


def test_nothing_used_is_nobodys_and_says_why(book: Book) -> None:
    book.bill([hourly(0, "5", hour=7)])
    book.use("cpu", "acme", 6, 1)
    definitions = given_rules(rule("cpu", "driver: {meter: cpu}"))
    assert costs(book, definitions) == {"@unallocated": 5}
    (found,) = unallocated(allocated(book, definitions), "BilledCost")
    assert (found.reason, found.charges, found.currency) == ("there is no usage of cpu in its hours", 1, "USD")


def test_what_was_not_used_of_a_capacity_is_idle_and_more_than_all_leaves_nothing(book: Book) -> None:
    book.use("cpu", "acme", 0, 1)
    book.use("cpu", "acme", 1, 6)
    book.use("cpu", "bcorp", 1, 2)
    definitions = given_rules(rule("cpu", "driver: {meter: cpu, capacity: {amount_per_h: 4}}"))
    book.bill([hourly(0, "8")])
    assert costs(book, definitions) == {"acme": 2, "@idle": 6}
    book.bill([hourly(0, "8", hour=1)], "v2", issued=MONTH + 2 * DAY_US)
    assert costs(book, definitions) == {"acme": 6, "bcorp": 2}


def test_of_several_meters_the_greatest_counts_by_hour(book: Book) -> None:
    for meter, tenant, hour, quantity in (
        ("cpu", "acme", 0, 3),
        ("memory", "acme", 0, 1),
        ("cpu", "acme", 1, 1),
        ("memory", "acme", 1, 2),
        ("cpu", "bcorp", 0, 5),
    ):
        book.use(meter, tenant, hour, quantity)
    book.bill([hourly(0, "10", hours=2)])
    assert costs(book, given_rules(rule("both", "driver: {meter: [cpu, memory]}"))) == {"acme": 5, "bcorp": 5}


def test_a_node_is_split_by_prices_of_its_resources(book: Book) -> None:
    # 2 cores at 9 and 6 GiB at 1 make 24: a core is 3/8 of the node, and a GiB 1/24.
    for meter, tenant, quantity in (("cpu", "acme", 1), ("memory", "acme", 3), ("memory", "bcorp", 3)):
        book.use(meter, tenant, 0, quantity, '{"node":"n1"}')
    book.use("cpu", "bcorp", 0, 5, '{"node":"n2"}')
    definitions = given_rules(
        rule(
            "node",
            f"split: {{cpu: {{meter: cpu, price: 9, {WHERE}, capacity: {{amount_per_h: 2}}}}, "
            f"memory: {{meter: memory, price: 1, {WHERE}, capacity: {{amount_per_h: 6}}}}}}",
        )
    )
    book.bill([hourly(0, "24", Tags='{"node":"n1"}')])
    assert costs(book, definitions) == {"acme": 12, "bcorp": 3, "@idle": 9}


def test_pools_are_divided_by_the_columns_of_the_charge(book: Book) -> None:
    definitions = given_rules(
        rule("support", "match: {ServiceName: Support}, to: platform"),
        rule("products", "of: platform, fixed: {pools: {search: 3, ads: 1}}"),
        rule("search", "of: search, fixed: {tenants: {acme: 1, bcorp: 2}}"),
        rule("ads", "of: ads, match: {Tags.team: red}, fixed: {tenants: {corp: 1}}"),
    )
    book.bill([hourly(0, "12", ServiceName="Support", Tags='{"team":"red"}'), hourly(1, "4", ServiceName="Support")])
    found = costs(book, definitions)
    assert found == {
        "acme": Decimal("3.999999999996"),
        "bcorp": Decimal("8.000000000004"),
        "corp": 3,
        "@unallocated": 1,
    }
    assert [each.reason for each in unallocated(allocated(book, definitions), "BilledCost")] == [
        "no rule holds for it in the pool 'ads'"
    ]


def test_usage_of_the_platform_goes_to_the_shared_pool_and_is_left_out_where_that_is_divided(book: Book) -> None:
    book.use("cpu", "acme", 0, 1)
    book.use("cpu", "@shared", 0, 1)
    book.bill([hourly(0, "2")])
    node = rule("node", "driver: {meter: cpu}")
    assert costs(book, given_rules(node)) == {"acme": 1, "@shared": 1}
    assert costs(book, given_rules(node, rule("spread", "of: shared, driver: {meter: cpu}"))) == {"acme": 2}


def test_rules_hold_for_charges_that_begin_while_they_do(book: Book) -> None:
    second = "kind: allocation\nname: all\neffective_from: 2026-01-02\nspec: {fixed: {tenants: {bcorp: 1}}}"
    book.bill([hourly(0, "1", hour=23, hours=2), hourly(1, "10", hour=24)])
    assert costs(book, given_rules(rule("all", "fixed: {tenants: {acme: 1}}"), second)) == {"acme": 1, "bcorp": 10}


def test_refunds_are_shared_like_what_they_are_of(book: Book) -> None:
    book.use("cpu", "acme", 0, 1)
    book.use("cpu", "bcorp", 0, 2)
    book.bill([hourly(0, "3"), hourly(1, "-3"), hourly(2, "-0.000000000000000001")])
    found = by_line(allocated(book, given_rules(rule("cpu", "driver: {meter: cpu}")), by_line=True))
    assert found[1] == {tenant: -part for tenant, part in found[0].items()}
    assert sum(found[2].values()) == Fraction(-1, 10**18)


def test_both_costs_are_allocated_by_the_same_shares(book: Book) -> None:
    book.use("cpu", "acme", 0, 1)
    book.use("cpu", "bcorp", 0, 3)
    book.bill([hourly(0, "4", EffectiveCost=Decimal("8"))])
    definitions = given_rules(rule("cpu", "driver: {meter: cpu}"))
    assert costs(book, definitions) == {"acme": 1, "bcorp": 3}
    assert costs(book, definitions, "EffectiveCost") == {"acme": 2, "bcorp": 6}
    assert whole(book, definitions, "EffectiveCost").billed == 8


def test_currencies_stay_apart(book: Book) -> None:
    book.bill([hourly(0, "1"), hourly(1, "2", BillingCurrency="EUR")])
    found = tenant_costs(allocated(book, given_rules(rule("all", "fixed: {tenants: {acme: 1}}"))), "BilledCost")
    assert [(each.tenant, each.currency, each.cost) for each in found] == [("acme", "EUR", 2), ("acme", "USD", 1)]


def test_a_refreshed_bill_is_allocated_as_a_whole_and_the_former_one_as_it_was(book: Book) -> None:
    definitions = given_rules(rule("all", "even: {defined: true}"))
    book.bill([hourly(0, "1"), hourly(1, "2")])
    book.bill([hourly(0, "7")], "v2", position=2, issued=MONTH + 2 * DAY_US)
    for position, billed in ((1, 3), (2, 7)):
        view, standing = book.view(position), book.standing(position)
        (found,) = totals(view, standing, allocate(view, definitions, standing), "BilledCost")
        assert (found.billed, found.residual, found.parts["stated"]) == (billed, 0, billed)


def test_rules_that_take_nothing_or_come_too_late_are_told(book: Book) -> None:
    book.bill([hourly(0, "1", ServiceName="A"), hourly(1, "1", ServiceName="B")])
    definitions = given_rules(
        rule("a", "priority: 1, match: {ServiceName: A}, to: idle"),
        rule("ab", "priority: 2, to: idle"),
        rule("late", "priority: 3, match: {ServiceName: B}, to: shared"),
    )
    told = {each.rule: (each.charges, dict(each.before)) for each in allocated(book, definitions).usefulness}
    assert told == {"a": (1, {}), "ab": (1, {"a": 1}), "late": (0, {"ab": 1})}


def test_usage_below_zero_counts_as_none_and_is_a_problem(book: Book) -> None:
    book.use("cpu", "acme", 0, 1)
    book.use("cpu", "bcorp", 0, -1)
    book.bill([hourly(0, "1")])
    found = allocated(book, given_rules(rule("cpu", "driver: {meter: cpu}")))
    assert [(each.tenant, each.cost) for each in tenant_costs(found, "BilledCost")] == [("acme", 1)]
    assert len(found.problems) == 1 and "usage of cpu by 'bcorp' is less than 0" in found.problems[0]


def test_nothing_billed_is_nothing_allocated(book: Book) -> None:
    found = allocated(book, given_rules(rule("cpu", "driver: {meter: cpu}"), rule("shared", "of: shared, to: idle")))
    assert tenant_costs(found, "BilledCost") == [] == totals(book.view(), book.standing(), found, "BilledCost")

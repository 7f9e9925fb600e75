"""Charges and usage that hardly anybody sends are given away to the last digit, and told, like all others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ledger.costing.allocating import Allocated, allocate
from ledger.costing.explaining import COLUMNS, by_rule, explained
from ledger.costing.reconciling import Reconciled, reconciled, tenant_costs, totals, unallocated
from ledger.directory.catalog import Catalog
from meterbook.wire.instants import DAY_US, LATEST_US
from tests.ledger.batches import MONTH
from tests.ledger.costing.memory import Book, catalog, hourly, meters, rule, tenants

BOOK = Book()


@pytest.fixture
def book() -> Book:
    BOOK.empty()
    BOOK.settle("cpu")
    return BOOK


def given_rules(*rules: str) -> Catalog:
    return catalog(*meters("cpu"), *tenants("acme", "bcorp"), *rules)


def allocated(book: Book, rules: Catalog, **options: Any) -> Allocated:
    return allocate(book.view(), rules, book.standing(), **options)


def costs(book: Book, rules: Catalog) -> dict[str, Decimal]:
    """What everybody bears."""
    return {each.tenant: each.cost for each in tenant_costs(allocated(book, rules), "BilledCost")}


def whole(book: Book, rules: Catalog) -> Reconciled:
    """What all charges became."""
    (found,) = totals(book.view(), book.standing(), allocated(book, rules), "BilledCost")
    assert found.residual == 0
    return found


def test_charges_without_a_currency_are_of_none_of_the_others(book: Book) -> None:
    book.bill([hourly(0, "1", BillingCurrency=""), hourly(1, "2"), hourly(2, "4", BillingCurrency="EUR")])
    found = allocated(book, given_rules(rule("first", "match: {ResourceId: {not: i-1}}, fixed: {tenants: {acme: 1}}")))
    borne = [(each.tenant, each.currency, each.cost) for each in tenant_costs(found, "BilledCost")]
    assert borne == [("@unallocated", "USD", 2), ("acme", "", 1), ("acme", "EUR", 4)]
    assert [(each.currency, each.amount) for each in unallocated(found, "BilledCost")] == [("USD", 2)]
    assert [(each.currency, each.cost) for each in by_rule(found, "BilledCost", "acme")] == [("", 1), ("EUR", 4)]
    told = totals(book.view(), book.standing(), found, "BilledCost")
    assert {each.currency: (each.billed, each.residual) for each in told} == {"EUR": (4, 0), "USD": (2, 0), "": (1, 0)}


def test_a_charge_of_the_last_second_that_there_is_was_billed_like_any_other(book: Book) -> None:
    book.bill([hourly(0, "1"), hourly(1, "2", ChargePeriodStart=LATEST_US, ChargePeriodEnd=LATEST_US)])
    assert whole(book, given_rules(rule("cpu", "driver: {meter: cpu}"))).parts["unallocated"] == 3


def test_a_charge_may_be_of_all_the_time_that_there_is(book: Book) -> None:
    book.use("cpu", "acme", 0, 1)
    book.use("cpu", "bcorp", 700, 3)
    book.bill([hourly(line, "4", ChargePeriodStart=line, ChargePeriodEnd=LATEST_US - line) for line in range(3)])
    assert costs(book, given_rules(rule("cpu", "driver: {meter: cpu}"))) == {"acme": 3, "bcorp": 9}


@pytest.mark.parametrize("name", ["@idle", "@platform", ""])
def test_usage_of_a_name_that_no_tenant_can_have_is_nobodys(book: Book, name: str) -> None:
    book.use("cpu", "acme", 0, 1)
    book.use("cpu", name, 0, 1)
    book.bill([hourly(0, "2")])
    definitions = given_rules(rule("cpu", "driver: {meter: cpu}"), rule("idle", "of: idle, driver: {meter: cpu}"))
    assert costs(book, definitions) == {"@unallocated": 1, "acme": 1}
    (found,) = unallocated(allocated(book, definitions), "BilledCost")
    assert found.reason == f"it is of usage of {name!r}, which is no name of a tenant"
    assert whole(book, definitions).parts["unallocated"] == 1
    evenly = given_rules(rule("users", "even: {using: {meter: cpu}}"))
    assert costs(book, evenly) == {"acme": 2}


def test_tags_that_are_no_text_say_nothing(book: Book) -> None:
    tags = [r'{"team":"acme","note":"\ud800"}', r'{"team":"acme","note":"\ud83d\ude00"}']
    book.bill([hourly(line, "1", Tags=each) for line, each in enumerate(tags)])
    definitions = given_rules(rule("tagged", "direct: {column: Tags.team}"))
    assert costs(book, definitions) == {"@unallocated": 1, "acme": 1}
    found = allocated(book, definitions)
    rows, _ = reconciled(book.view(), book.standing(), found, "BilledCost", ["Tags.team"], 10)
    assert {each.group["Tags.team"]: (each.billed, each.residual) for each in rows} == {"acme": (1, 0), "": (1, 0)}


def test_what_platform_workloads_used_is_no_part_of_what_users_are_told(book: Book) -> None:
    for tenant, quantity in (("acme", 1), ("bcorp", 2), ("@shared", 4)):
        book.use("cpu", tenant, 0, quantity)
    book.bill([hourly(0, "2")])
    definitions = given_rules(rule("users", "even: {using: {meter: cpu}}"))
    found = allocated(book, definitions, names=COLUMNS, by_line=True)
    ((charge,), _) = explained(book.view(), definitions, found, "BilledCost", "acme", 10)
    assert [(each.quantity, each.total) for each in charge.usage] == [(1, 3)]


def test_charges_that_are_alike_are_explained_in_the_order_of_their_bill(book: Book) -> None:
    rows = [hourly(line, "1", BillingCurrency=currency) for line, currency in enumerate(("USD", "EUR", "USD", "CHF"))]
    definitions = given_rules(rule("all", "fixed: {tenants: {acme: 1}}"))
    for number, order in enumerate((rows, rows[::-1])):
        book.bill(order, f"v{number}", issued=MONTH + number * DAY_US)
        found = allocated(book, definitions, names=COLUMNS, by_line=True)
        parts, count = explained(book.view(), definitions, found, "BilledCost", "acme", 3)
        assert [each.line for each in parts] == [0, 1, 2] and count == 4
        assert [each.currency for each in by_rule(found, "BilledCost", "acme")] == ["CHF", "EUR", "USD"]


def test_of_many_groups_those_that_are_asked_for_are_reconciled(book: Book) -> None:
    book.bill([hourly(line, str(line)) for line in range(8)])
    found = allocated(book, given_rules(rule("all", "fixed: {tenants: {acme: 1, bcorp: 2}}")), names=["ResourceId"])
    rows, count = reconciled(book.view(), book.standing(), found, "BilledCost", ["ResourceId"], 3)
    assert [each.group["ResourceId"] for each in rows] == ["i-7", "i-6", "i-5"] and count == 8
    assert {each.residual for each in rows} == {0}


def test_groups_are_reconciled_alike_however_many_are_asked_for(book: Book) -> None:
    ids, tags = ["a", "", "b", "a", "c"], ["{}", '{"team":"red"}', '{"team":""}', '{"team":"red"}', "{}"]
    charges = [
        hourly(
            line, str(line), ResourceId=ids[line % 5], Tags=tags[line % 3], BillingCurrency="EUR" if line % 7 else ""
        )
        for line in range(40)
    ]
    book.bill(charges)
    by = ["ResourceId", "Tags.team"]
    found = allocated(book, given_rules(rule("all", "fixed: {tenants: {acme: 1, bcorp: 2}}")), names=by)
    every, count = reconciled(book.view(), book.standing(), found, "BilledCost", by, 100)
    assert len(every) == count > 10 and all(each.residual == 0 and each.parts["stated"] for each in every)
    for limit in range(1, count):
        assert reconciled(book.view(), book.standing(), found, "BilledCost", by, limit) == (every[:limit], count)


def test_a_driver_and_its_capacity_in_different_units_are_told_with_the_rule(book: Book) -> None:
    book.use("cpu", "acme", 0, 1)
    book.bill([hourly(0, "2"), hourly(1, "2", hour=1)])
    other = "{kind: meter, name: there, spec: {source: {event: there}, aggregation: sum, unit: GB}}"
    book.settle("there")
    mixed = rule("mixed", "match: {ResourceId: i-0}, driver: {meter: cpu, capacity: {meter: there}}")
    found = allocated(book, catalog(*meters("cpu"), other, *tenants("acme"), mixed))
    assert list(found.problems) == [
        (
            "the allocation rule 'mixed': the meter 'there' is what there was of 'cpu', but it is in 'GB' and not in 'unit': "
            "give both meters one unit, by measured_in if need be"
        )
    ]
    unused = rule("unused", "match: {ResourceId: i-9}, driver: {meter: cpu, capacity: {meter: there}}")
    assert allocated(book, catalog(*meters("cpu"), other, *tenants("acme"), unused)).problems == ()

"""Charges as rows of FOCUS: parts add up to the charge in every column, and the rules of the specification hold for each row."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from focus_data_toolkit.model.json_schema_check import check_against_official_schema
from focus_data_toolkit.model.validator import lint_focus_1_4_structure
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing import exporting, focusrows
from ledger.costing.allocating import Allocated
from ledger.costing.focuscolumns import DIVIDED, NEVER_NULL, PRICES
from ledger.costing.ratios import Ratios, ratios, ways_of
from ledger.directory.catalog import Catalog
from meterbook.wire.instants import HOUR_US
from meterbook.wire.sections import COSTS
from tests.ledger.batches import MONTH
from tests.ledger.costing import focus
from tests.ledger.costing.focus import charged, exported, generated, texts_of
from tests.ledger.costing.memory import Book, catalog, hourly, lines_of, meters, rule, tenants
from tests.ledger.costing.reference import Reference
from tests.ledger.costing.test_allocating import CHARGES, ENTRIES, METERS, rules

ALLOCATION = (
    "AllocatedMethodId",
    "AllocatedMethodDetails",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
)
BOOK = Book()


@pytest.fixture
def book() -> Book:
    BOOK.empty()
    BOOK.settle(*METERS)
    return BOOK


def given_rules(*written: str) -> Catalog:
    return catalog(*meters(*METERS), *tenants("acme", "bcorp", "corp"), *written)


def rows_of(book: Book, definitions: Catalog) -> list[dict[str, Any]]:
    table, export = exported(book.view(), definitions, book.standing())
    assert (export.rows, export.charges) == (len(table), sum(bill.charges for bill in export.standing))
    return list(table.to_pylist())


def by_charge(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Rows by the line of their charge; those of one stand beside each other."""
    return {line: list(found) for line, found in groupby(rows, lambda row: row["x_BillLine"])}


def summed(numbers: list[Decimal | None]) -> Decimal | None:
    """The exact sum; None where nothing is there."""
    assert len({number is None for number in numbers}) == 1
    return (
        None if numbers[0] is None else sum((Fraction(number) for number in numbers if number is not None), Fraction(0))
    )


def ratio_of(row: dict[str, Any]) -> Fraction:
    """What the details of a part say."""
    told = json.loads(row["AllocatedMethodDetails"], parse_float=Fraction, parse_int=Fraction)
    return sum((each["AllocatedRatio"] for each in told["Elements"]), Fraction(0))


QUANTITIES = st.sampled_from(["", "1", "0.1", "-3.7", "1e-18", "123456789.123456789123456789", "1E2"])


@given(st.lists(st.tuples(CHARGES, QUANTITIES), min_size=1, max_size=5), st.lists(ENTRIES, max_size=8), rules())
def test_parts_add_up_to_the_charge_in_every_column_whatever_the_rules(
    charges: list[tuple[tuple[Any, ...], str]], entries: list[tuple[Any, ...]], written: list[str]
) -> None:
    BOOK.empty()
    rows = []
    for line, ((cost, hour, hours, service, resource, tags), quantity) in enumerate(charges):
        others = {"PricingQuantity": quantity, "ListUnitPrice": "0.25", "x_Kind": service}
        costs = (
            {name: Decimal(cost) / (2 if place % 2 else 1) for place, name in enumerate(COSTS[1:])}
            if cost == "100"
            else {}
        )
        row = hourly(
            line,
            cost,
            hour,
            hours,
            ServiceName=service,
            ResourceId=resource,
            Tags=json.dumps(tags),
            others=json.dumps(others),
            **costs,
        )
        rows.append(row)
    BOOK.bill(rows)
    BOOK.settle(*METERS)
    used = []
    for meter, tenant, node, hour, quantity in entries:
        BOOK.use(meter, tenant, hour, quantity, json.dumps({"node": node}) if node else "{}")
        used.append((meter, tenant, node, MONTH + hour * HOUR_US, Fraction(quantity)))
    definitions = given_rules(*written)
    reference = Reference(definitions, used)
    found = by_charge(rows_of(BOOK, definitions))
    assert list(found) == list(range(len(rows)))
    for charge, (_, quantity) in zip(lines_of(rows), charges, strict=True):
        parts = found[charge["line"]]
        bearers = [part["x_Bearer"] for part in parts]
        assert bearers == sorted(set(bearers))
        for name in COSTS:
            assert summed([part[name] for part in parts]) == Fraction(charge[name])
        assert summed([part["PricingQuantity"] for part in parts]) == (Fraction(quantity) if quantity else None)
        assert {part["ListUnitPrice"] for part in parts} == {Decimal("0.25")}
        assert summed([part["x_AllocatedRatio"] for part in parts]) == 1
        exact = reference.parts(charge)
        for part in parts:
            assert abs(Fraction(part["BilledCost"]) - exact[part["x_Bearer"]]) < Fraction(2, 10**18)
        assert {each for each, amount in exact.items() if amount} <= set(bearers)
        if parts[0]["AllocatedMethodId"] is not None:
            assert [ratio_of(part) for part in parts] == [Fraction(part["x_AllocatedRatio"]) for part in parts]


def conforming(rows: list[dict[str, Any]], origins: dict[int, dict[str, Any]]) -> None:
    """FOCUS 1.3: "Allocated Method ID" to "Allocated Tags", "Data Generator-Calculated Split Cost Allocation Handling"."""
    for line, parts in by_charge(rows).items():
        taken = {part["AllocatedMethodId"] for part in parts}
        assert len(taken) == 1
        for part in parts:
            if taken == {None}:
                assert [part[name] for name in ALLOCATION] == [None] * len(ALLOCATION)
                continue
            assert not check_against_official_schema(
                "AllocatedMethodDetails", json.loads(part["AllocatedMethodDetails"])
            )
            is_left = part["x_Bearer"].startswith("@")
            assert (part["AllocatedResourceId"] is None) == is_left
            assert (part["AllocatedResourceName"] is None) == is_left
            assert (part["AllocatedTags"] is None) == is_left
            assert is_left or json.loads(part["AllocatedTags"]) == {"meterbook/tenant": part["x_Bearer"]}
        if taken != {None}:
            assert sum(map(ratio_of, parts), Fraction(0)) == 1
        told = texts_of(parts)
        for name, text in origins[line].items():
            if name in DIVIDED:
                assert summed([part[name] for part in parts]) == (Fraction(text) if text else None), name
            elif name in PRICES:
                assert {part[name] for part in parts} == {Decimal(text) if text else None}, name
            elif name not in ALLOCATION:
                assert {part[name] for part in told} == {"" if text == "{}" else text}, name
            else:
                assert {part[f"x_Provider{name}"] or "" for part in parts} == {text}, name


RULES = (
    rule(
        "nodes",
        "match: {ServiceCategory: Compute, ChargeCategory: Usage}, driver: {meter: cpu, capacity: {amount_per_h: 1}}",
    ),
    rule(
        "purchases",
        "match: {ChargeCategory: Purchase}, fixed: {tenants: {acme: 1, bcorp: 2}, pools: {platform: 3, shared: 1}}",
    ),
    rule("rest", "match: {ChargeCategory: Usage}, to: platform"),
    rule("platform", "of: platform, fixed: {tenants: {acme: 1, corp: 2}, pools: {idle: 4}}"),
)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_a_generated_bill_is_exported_as_the_specification_and_a_validator_of_others_have_it(
    book: Book, version: str, provider: str
) -> None:
    origins = generated(version, provider)
    book.bill([charged(line, row) for line, row in enumerate(origins)], period=focus.MONTH)
    table, export = exported(book.view(), given_rules(*RULES), book.standing())
    rows = list(table.to_pylist())
    assert len({part["x_Bearer"] for part in rows}) > 4 and export.problems == {}
    assert {part["AllocatedMethodId"] for part in rows} >= {"nodes@1", "purchases@1", "rest@1"}
    conforming(
        rows,
        {
            line: {name: text for name, text in row.items() if name in table.column_names or name in ALLOCATION}
            for line, row in enumerate(origins)
        },
    )
    assert set(origins[0]) - set(ALLOCATION) <= set(table.column_names) | {
        name for name in origins[0] if not any(row[name] for row in origins)
    }
    for name in NEVER_NULL:
        assert table[name].null_count == 0
    # The validator knows the next version, which has dropped the two columns that this one deprecates.
    current = table.drop_columns(["ProviderName", "PublisherName"])
    assert not lint_focus_1_4_structure("Cost and Usage", texts_of(current.to_pylist())).violations


def test_a_tenant_is_called_by_its_title(book: Book) -> None:
    book.bill([hourly(0, "1")])
    titled = catalog(
        '{kind: tenant, name: acme, spec: {title: Acme "Inc."}}', rule("all", "fixed: {tenants: {acme: 1}}")
    )
    (row,) = rows_of(book, titled)
    assert (row["AllocatedResourceId"], row["AllocatedResourceName"], row["x_Bearer"]) == (
        "acme",
        'Acme "Inc."',
        "acme",
    )


def test_details_lead_through_pools_and_tell_why_something_is_nobodys(book: Book) -> None:
    book.bill([hourly(0, "9")])
    definitions = given_rules(
        rule("first", "fixed: {tenants: {acme: 1}, pools: {platform: 2}}"),
        rule("platform", "of: platform, driver: {meter: cpu}"),
    )
    acme, nobody = sorted(rows_of(book, definitions), key=lambda row: row["x_Bearer"].lstrip("@"))
    assert json.loads(acme["AllocatedMethodDetails"]) == {
        "Elements": [{"AllocatedRatio": 0.333333333333, "x_Rule": "first@1"}]
    }
    assert json.loads(nobody["AllocatedMethodDetails"]) == {
        "Elements": [
            {
                "AllocatedRatio": 0.666666666667,
                "UsageUnit": "unit",
                "x_Meters": "cpu",
                "x_Rule": "platform@1",
                "x_Pool": "platform",
                "x_Reason": "there is no usage of cpu in its hours",
            }
        ]
    }
    assert (acme["BilledCost"], nobody["BilledCost"]) == (Decimal("2.999999999997"), Decimal("6.000000000003"))
    assert nobody["AllocatedResourceId"] is None and nobody["AllocatedMethodId"] == "first@1"


def test_a_part_that_comes_by_two_ways_is_one_row(book: Book) -> None:
    book.bill([hourly(0, "4")])
    definitions = given_rules(
        rule("first", "fixed: {tenants: {acme: 1}, pools: {platform: 1}}"),
        rule("platform", "of: platform, fixed: {tenants: {acme: 1, bcorp: 1}}"),
    )
    acme, bcorp = rows_of(book, definitions)
    assert (acme["BilledCost"], bcorp["BilledCost"]) == (3, 1)
    told = json.loads(acme["AllocatedMethodDetails"])["Elements"]
    assert [(each["AllocatedRatio"], each["x_Rule"]) for each in told] == [(0.5, "first@1"), (0.25, "platform@1")]


def test_each_resource_of_a_node_is_told_by_itself(book: Book) -> None:
    for meter, tenant, quantity in (("cpu", "acme", 1), ("memory", "acme", 2), ("memory", "bcorp", 2)):
        book.use(meter, tenant, 0, quantity)
    book.bill([hourly(0, "10")])
    parts = "a: {meter: cpu, price: 6, capacity: {amount_per_h: 2}}, b: {meter: memory, price: 2, capacity: {amount_per_h: 4}}"
    found = {row["x_Bearer"]: row for row in rows_of(book, given_rules(rule("nodes", f"split: {{{parts}}}")))}
    assert {name: row["BilledCost"] for name, row in found.items()} == {"@idle": 3, "acme": 5, "bcorp": 2}
    told = json.loads(found["acme"]["AllocatedMethodDetails"])["Elements"]
    assert told == [
        {"AllocatedRatio": 0.3, "UsageUnit": "unit", "x_Part": "a", "x_Meters": "cpu", "x_Rule": "nodes@1"},
        {"AllocatedRatio": 0.2, "UsageUnit": "unit", "x_Part": "b", "x_Meters": "memory", "x_Rule": "nodes@1"},
    ]
    assert json.loads(found["@idle"]["AllocatedMethodDetails"]) == {
        "Elements": [{"AllocatedRatio": 0.3, "x_Pool": "idle"}]
    }


def test_a_long_way_through_pools_still_adds_up(book: Book) -> None:
    book.bill([hourly(0, "1")])
    names = [f"pool-{number}" for number in range(6)]
    ways = [rule("charges", "fixed: {tenants: {acme: 1}, pools: {pool-0: 2}}")]
    for name, following in zip(names, [*names[1:], "shared"], strict=True):
        ways.append(rule(name, f"of: {name}, fixed: {{tenants: {{bcorp: 1, corp: 1}}, pools: {{{following}: 1}}}}"))
    rows = rows_of(book, given_rules(*ways))
    assert [row["x_Bearer"] for row in rows] == ["@shared", "acme", "bcorp", "corp"]
    assert summed([row["x_AllocatedRatio"] for row in rows]) == 1
    assert sum(map(ratio_of, rows), Fraction(0)) == 1
    assert abs(Fraction(rows[0]["x_AllocatedRatio"]) - Fraction(2, 3**7)) < Fraction(1, 10**11)


def test_charges_of_several_bills_come_bill_by_bill(book: Book) -> None:
    book.bill([hourly(0, "1"), hourly(1, "2")])
    other = [(("bills/other", *row[1:])) for row in (hourly(0, "4"),)]
    book.bill(other, source="bills/other")
    rows = rows_of(book, given_rules(rule("all", "fixed: {tenants: {acme: 1}}")))
    assert [(row["x_BillSource"], row["x_BillVersion"], row["x_BillLine"], row["BilledCost"]) for row in rows] == [
        ("bills/focus", "v1", 0, 1),
        ("bills/focus", "v1", 1, 2),
        ("bills/other", "v1", 0, 4),
    ]


def test_a_charge_that_was_told_twice_is_exported_once(book: Book) -> None:
    rows = [hourly(line, str(line + 1)) for line in range(3)]
    for _ in range(2):
        book.bill(rows)
    assert [each.is_repeated for each in book.standing()] == [True]
    found = rows_of(book, given_rules(rule("all", "fixed: {tenants: {acme: 1}}")))
    assert [(row["x_BillLine"], row["BilledCost"]) for row in found] == [(0, 1), (1, 2), (2, 3)]


def test_batches_are_small_whatever_a_charge_is_shared_by(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(focusrows, "ROWS_MAX", 4)
    book.bill([hourly(line, "1", hour=line % 3) for line in range(7)])
    table, _ = exported(book.view(), given_rules(rule("all", "even: {tenants: [acme, bcorp, corp]}")), book.standing())
    assert [len(each) for each in table.to_batches()] == [3] * 7
    table, _ = exported(book.view(), given_rules(rule("one", "even: {tenants: [acme, corp]}")), book.standing())
    assert [len(each) for each in table.to_batches()] == [4, 4, 4, 2]
    monkeypatch.setattr(focusrows, "ROWS_MAX", 1)
    assert table.equals(
        exported(book.view(), given_rules(rule("one", "even: {tenants: [acme, corp]}")), book.standing())[0]
    )


def test_charges_that_many_share_are_worked_on_a_few_at_a_time(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    book.bill([hourly(line, "1", hour=line, ResourceId="i" if line % 3 else "") for line in range(9)])
    definitions = given_rules(
        rule(
            "alone", "match: {ResourceId: {exists: false}}, direct: {column: ServiceName, tenants: {Amazon EC2: acme}}"
        ),
        rule("many", "priority: 2000, fixed: {tenants: {acme: 1, bcorp: 1}, pools: {platform: 1}}"),
        rule("platform", "of: platform, even: {tenants: [acme, bcorp, corp]}"),
    )
    whole, _ = exported(book.view(), definitions, book.standing())
    ways: list[int] = []

    def seen(allocated: Allocated, known: Catalog, rows: np.ndarray) -> Ratios:
        ways.append(int(ways_of(allocated, rows).sum()))
        return ratios(allocated, known, rows)

    monkeypatch.setattr(exporting, "ratios", seen)
    for most, counts in ((13, [13, 13, 13]), (12, [7, 7, 12, 7, 6]), (1, [1, 6, 6] * 3)):
        monkeypatch.setattr(exporting, "WAYS_MAX", most)
        ways.clear()
        table, _ = exported(book.view(), definitions, book.standing())
        assert table.equals(whole) and ways == counts


def test_a_month_without_a_bill_has_columns_and_no_row(book: Book) -> None:
    table, export = exported(book.view(), given_rules(), [])
    assert (len(table), export.rows, export.notes()) == (0, 0, [])
    assert set(NEVER_NULL) <= set(table.column_names)

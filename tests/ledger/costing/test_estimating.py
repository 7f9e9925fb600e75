"""What a month is estimated to cost: quantity x price to the last digit, at the price of the hour, and what has none."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.costing.allocating import allocate
from ledger.costing.estimating import Estimate, estimate
from ledger.costing.reconciling import tenant_costs, totals
from ledger.directory.catalog import Catalog
from ledger.schema.decimals import plain_text
from meterbook.wire import instants
from meterbook.wire.instants import DAY_US, HOUR_US
from tests.ledger.batches import MONTH
from tests.ledger.costing.memory import END, Book, catalog, rule, tenants

METER = "{kind: meter, name: hours, spec: {source: {event: h}, aggregation: sum, unit: hours, group_by: [node, type]}}"
M5, C5 = '{"node":"i-1","type":"m5"}', '{"node":"i-2","type":"c5"}'


def book(items: str, more: str = "", since: str = "") -> str:
    date = f"effective_from: '{since}', " if since else ""
    return f"{{kind: price-book, name: nodes, {date}spec: {{currency: USD, items: {{{items}}}{more}}}}}"


def at(hour: int) -> str:
    return instants.text(MONTH + hour * HOUR_US)


def estimated(used: Book, definitions: Catalog, position: int = 1) -> Estimate:
    return estimate(used.view(position), definitions, MONTH, END, definitions.names("price-book"))


def rows(found: Estimate) -> list[dict[str, Any]]:
    return [
        {
            **row,
            **json.loads(row["others"]),
            "hour": _hour(row["ChargePeriodStart"]),
            "until": _hour(row["ChargePeriodEnd"]),
        }
        for bill in found.bills
        for row in (bill.rows.to_pylist() if bill.rows is not None else ())
    ]


def _hour(moment: Any) -> int:
    return (instants.from_datetime(moment.replace(tzinfo=instants.to_datetime(0).tzinfo)) - MONTH) // HOUR_US


def nodes(hours: Iterable[int] = range(3)) -> Book:
    used = Book()
    for hour in hours:
        used.use("hours", "@shared", hour, 1, M5)
        used.use("hours", "@shared", hour, "0.5", C5)
    used.settle("hours")
    return used


def test_usage_at_a_price_is_a_charge_with_the_columns_of_focus() -> None:
    spec = book(
        "m5: {meter: hours, match: {type: m5}, dimensions: {ResourceId: node, Tags.node: node}, prices: 0.096}",
        ", columns: {ServiceName: Amazon EC2, SubAccountId: '7', RegionId: eu}",
    )
    found = estimated(nodes([4]), catalog(METER, spec))
    (row,), (bill,) = rows(found), found.bills
    assert (bill.source, bill.version, bill.nature, bill.state, bill.charges, bill.billed) == (
        "price-book/nodes",
        "1",
        "estimate",
        "stands",
        1,
        Decimal("0.096"),
    )
    costs = [row[name] for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")]
    assert costs == [Decimal("0.096")] * 4
    assert (row["ServiceName"], row["SubAccountId"], row["ResourceId"], row["Tags"], row["RegionId"]) == (
        "Amazon EC2",
        "7",
        "i-1",
        '{"node":"i-1"}',
        "eu",
    )
    assert (row["BillingCurrency"], row["ChargeCategory"], row["hour"], row["until"]) == ("USD", "Usage", 4, 5)
    assert (row["PricingQuantity"], row["PricingUnit"], row["ListUnitPrice"]) == ("1", "hours", "0.096")


def test_an_hour_has_the_price_that_holds_when_it_begins() -> None:
    half_past = instants.text(MONTH + HOUR_US + HOUR_US // 2)
    prices = f"[{{price: 1, until: '{half_past}'}}, {{price: 2, from: '{half_past}'}}]"
    found = rows(
        estimated(nodes(), catalog(METER, book(f"m5: {{meter: hours, match: {{type: m5}}, prices: {prices}}}")))
    )
    assert [(row["hour"], row["BilledCost"]) for row in found] == [(0, 1), (1, 1), (2, 2)]


def test_a_later_version_of_a_book_holds_from_its_date_on() -> None:
    one = book("m5: {meter: hours, match: {type: m5}, prices: 1}")
    other = book("m5: {meter: hours, match: {type: m5}, prices: 3}", since=at(2))
    found = estimated(nodes(), catalog(METER, one, other))
    assert [(row["hour"], row["BilledCost"]) for row in rows(found)] == [(0, 1), (1, 1), (2, 3)]
    assert [bill.version for bill in found.bills] == ["1+1"]


def test_charges_by_the_day_are_cut_where_a_price_ends() -> None:
    prices = f"[{{price: 1, until: '{at(30)}'}}, {{price: 2, from: '{at(30)}'}}]"
    spec = book(f"m5: {{meter: hours, match: {{type: m5}}, prices: {prices}}}", ", charges_per: day")
    found = rows(estimated(nodes([0, 1, 25, 29, 30, 47, 48]), catalog(METER, spec)))
    assert [(row["hour"], row["until"], row["BilledCost"]) for row in found] == [
        (0, 24, 2),
        (24, 30, 2),
        (30, 48, 4),
        (48, 72, 2),
    ]


def test_a_price_may_be_of_another_unit() -> None:
    spec = book(
        "m5: {meter: hours, match: {type: m5}, unit: min, prices: 0.5}, c5: {meter: hours, match: {type: c5}, unit: d, prices: 1}"
    )
    found = {row["PricingUnit"]: row for row in rows(estimated(nodes([0]), catalog(METER, spec)))}
    assert (found["min"]["PricingQuantity"], found["min"]["BilledCost"]) == ("60", Decimal(30))
    # 0.5 h x 1/24 d/h, which no decimal says exactly.
    assert (found["d"]["ConsumedQuantity"], found["d"]["PricingQuantity"]) == ("0.5", "0.020833333333333333")
    assert found["d"]["BilledCost"] == Decimal("0.020833333333333333")


def test_machines_are_charged_for_hours_that_have_begun() -> None:
    spec = book(f"rack: {{machines: 3, prices: [{{price: 0.5, from: '{at(2)}', until: '{at(4)}'}}]}}")
    found = rows(estimated(Book(), catalog(spec)))
    assert [(row["hour"], row["BilledCost"], row["ResourceId"], row["ServiceName"]) for row in found] == [
        (hour, Decimal("1.5"), "rack", "nodes") for hour in (2, 3)
    ]
    always = book("rack: {machines: 1, prices: 1}")
    early = replace(Book().view(), time_us=MONTH + 5 * HOUR_US + 1)
    (bill,) = estimate(early, catalog(always), MONTH, END, ["nodes"]).bills
    assert bill.charges == 6


def test_usage_without_a_price_is_told_and_costs_nothing_that_anybody_knows() -> None:
    prices = f"[{{price: 1, until: '{at(1)}'}}]"
    found = estimated(nodes(), catalog(METER, book(f"m5: {{meter: hours, match: {{type: m5}}, prices: {prices}}}")))
    assert [row["hour"] for row in rows(found)] == [0]
    told = [(each.meter, each.dimensions, each.hours, each.quantity, each.reason) for each in found.unpriced]
    assert told == [
        ("hours", M5, 2, 2, "'m5' of the price book 'nodes' has no price then"),
        ("hours", C5, 3, Decimal("1.5"), "no item of a price book is for it"),
    ]
    first = found.unpriced[0]
    assert (first.start_us, first.end_us, first.unit, first.tenant) == (
        MONTH + HOUR_US,
        MONTH + 3 * HOUR_US,
        "hours",
        "@shared",
    )


def test_what_another_book_has_a_price_for_has_one() -> None:
    other = book("c5: {meter: hours, match: {type: c5}, prices: 1}").replace("nodes", "others")
    found = estimated(nodes(), catalog(METER, book("m5: {meter: hours, match: {type: m5}, prices: 1}"), other))
    assert (found.unpriced, [bill.charges for bill in found.bills]) == ([], [3, 3])


def test_usage_that_two_items_are_for_counts_once_and_is_told() -> None:
    found = estimated(
        nodes([0]),
        catalog(METER, book("a: {meter: hours, prices: 1}, b: {meter: hours, match: {type: c5}, prices: 9}")),
    )
    assert sum(row["BilledCost"] for row in rows(found)) == Decimal("1.5")
    (problem,) = found.problems
    assert (
        "'b' of the price book 'nodes' is also for usage of hours that an item before it by name has priced" in problem
    )
    assert C5 in problem


def test_a_charge_that_the_book_cannot_hold_is_told_and_the_others_stay() -> None:
    used = nodes([0])
    used.use("hours", "@shared", 1, 10**10, M5)
    found = estimated(used, catalog(METER, book("all: {meter: hours, prices: 10000}")))
    assert [row["BilledCost"] for row in rows(found)] == [15_000]
    (problem,) = found.problems
    assert problem.startswith(
        "1 of the charges that 'all' of the price book 'nodes' makes would be of 100000000000000 or"
    )


def test_an_estimate_that_is_too_large_to_be_added_up_does_not_stand() -> None:
    items = "a: {machines: 1000000, prices: 99999999}, b: {machines: 1000000, prices: 99999999}"
    (bill,) = estimated(Book(), catalog(book(items))).bills
    assert (bill.state, bill.charges, bill.billed) == ("too large", 1488, 1488 * 10**6 * Decimal(99999999))


def test_an_earlier_position_answers_as_it_was() -> None:
    used = nodes([0])
    before = estimated(used, definitions := catalog(METER, book("all: {meter: hours, prices: 1}")))
    used.use("hours", "@shared", 0, 5, M5, position=2)
    again, now = estimated(used, definitions), estimated(used, definitions, 2)
    assert rows(again) == rows(before)
    assert [bill.billed for bill in now.bills] == [Decimal("6.5")]


def test_estimates_go_through_the_rules_of_bills() -> None:
    used = nodes([0])
    used.use("hours", "acme", 0, 3, M5)
    spec = book("all: {meter: hours, dimensions: {ResourceId: node, Tags.team: tenant}, prices: 2}")
    definitions = catalog(METER, spec, *tenants("acme"), rule("tagged", "direct: {column: Tags.team}"))
    found = estimated(used, definitions)
    allocated = allocate(used.view(), definitions, found.bills)
    assert {each.tenant: each.cost for each in tenant_costs(allocated, "BilledCost")} == {"acme": 6, "@unallocated": 3}
    (whole,) = totals(used.view(), found.bills, allocated, "EffectiveCost")
    assert (whole.billed, whole.residual) == (9, 0)


def priced(value: object, time_hour: int, number: int = 0, **changes: Any) -> tuple[Any, ...]:
    """An event that tells a price."""
    row = {
        "origin": "aws_prices/public",
        "source": "aws_prices/public",
        "id": str(number),
        "type": "aws.spot_price",
        "subject": "eu-1a/m5/Linux",
        "tenant": "",
        "time": MONTH + time_hour * HOUR_US,
        "value": Decimal(1),
        "properties": json.dumps({"instanceType": "m5", "currency": "USD", "price": value}),
    }
    return tuple((row | changes).values())


SPOT = "all: {meter: hours, prices: [{event: {type: aws.spot_price, where: {instanceType: type}}}]}"


def test_prices_that_events_tell_hold_until_the_next_one() -> None:
    used = nodes(range(4))
    used.tell(
        [
            priced("0.03", -20, 1),
            priced("0.05", 2, 2),
            priced("9", 2, 3, subject="x", properties='{"instanceType":"t4","currency":"USD","price":"9"}'),
        ]
    )
    found = estimated(used, catalog(METER, book(SPOT)))
    assert [(row["hour"], plain_text(row["BilledCost"])) for row in rows(found)] == [
        (0, "0.03"),
        (1, "0.03"),
        (2, "0.05"),
        (3, "0.05"),
    ]
    assert [(each.dimensions, each.hours) for each in found.unpriced] == [(C5, 4)]


def test_a_price_that_is_corrected_counts_as_it_was_heard_of_last() -> None:
    used = nodes([0])
    used.tell([priced("0.03", -2, 1)])
    used.tell([priced("0.04", -2, 2)], position=2)
    costs = [rows(estimated(used, catalog(METER, book(SPOT)), position))[0]["BilledCost"] for position in (1, 2)]
    assert costs == [Decimal("0.03"), Decimal("0.04")]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([priced("1", 0, 1), priced("2", 0, 2)], "events of 'aws.spot_price' tell the prices 1 and 2 from 2026-01-01T00:00:00Z on: narrow 'match'"),
        ([priced("1", 0, 1), priced("1", 1, 2, subject="b")], "events of 'aws.spot_price' that match are of several subjects, 'b' and 'eu-1a/m5/Linux': narrow 'match'"),
        ([priced("free", 0, 1)], "the price of the event '1' of 'aws_prices/public': 'free' is not a plain decimal number such as 0.002"),
        ([priced("1", 3, 1)], "'all' of the price book 'nodes' has no price then"),
        ([priced("1", 0, 1, properties='{"instanceType":"m5","currency":"EUR","price":"1"}')], "'all' of the price book 'nodes' has no price then"),
    ],
)  # fmt: skip
def test_a_price_in_doubt_is_no_price(events: list[tuple[Any, ...]], reason: str) -> None:
    used = nodes([0])
    used.tell(events)
    found = estimated(used, catalog(METER, book(SPOT)))
    (told,) = [each.reason for each in found.unpriced if each.dimensions == M5]
    assert (found.bills, told.startswith(reason)) == ([], True), told


RACK = f"rack: {{machines: 2, prices: [{{event: {{type: aws.spot_price}}, from: '{at(0)}', until: '{at(10)}'}}]}}"


@pytest.mark.parametrize(
    ("events", "cost", "told"),
    [
        ([priced("1", -1, 1)], 20, ()),
        ([priced("1", 4, 1)], 12, ("'rack' of the price book 'nodes' has no price in 4 hours, which are in no estimate: no event tells one",)),
        ([], None, ("'rack' of the price book 'nodes' has no price in 10 hours, which are in no estimate: no event tells one",)),
        (
            [priced("1", 0, 1), priced("2", 0, 2)],
            None,
            ("'rack' of the price book 'nodes' has no price in 10 hours, which are in no estimate: events of 'aws.spot_price' tell the prices 1 and 2 from 2026-01-01T00:00:00Z on: narrow 'match'",),
        ),
    ],
)  # fmt: skip
def test_machines_whose_price_no_event_tells_are_told(
    events: list[tuple[Any, ...]], cost: int | None, told: tuple[str, ...]
) -> None:
    used = Book()
    used.tell(events)
    found = estimated(used, catalog(book(RACK)))
    assert ([bill.billed for bill in found.bills], found.problems) == ([] if cost is None else [cost], told)


#: Filled anew for every example, since tables take longer to make than to empty.
BOOK = Book()
QUANTITIES = st.integers(-(10**12), 10**15).map(lambda nano: Decimal(nano).scaleb(-9))
PRICES = st.integers(0, 10**13).map(lambda number: Decimal(number).scaleb(-9))


@settings(max_examples=60)
@given(
    usage=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([M5, C5]), QUANTITIES), max_size=12),
    cuts=st.lists(st.integers(0, 60), unique=True, min_size=1, max_size=4).map(sorted),
    prices=st.lists(PRICES, min_size=5, max_size=5),
    per=st.sampled_from(["hour", "day"]),
)
def test_charges_and_what_has_no_price_are_all_of_the_usage(
    usage: list[tuple[int, str, Decimal]], cuts: list[int], prices: list[Decimal], per: str
) -> None:
    used = BOOK
    used.empty()
    for hour, dimensions, quantity in usage:
        used.use("hours", "acme", hour, quantity, dimensions)
    used.settle("hours")
    # Intervals tile from the first cut on; before it there is no price.
    ends = [f", until: '{at(end)}'" for end in cuts[1:]] + [""]
    dated = [
        f"{{price: {plain_text(price)}, from: '{at(start)}'{end}}}"
        for price, start, end in zip(prices, cuts, ends, strict=False)
    ]
    found = estimated(
        used,
        catalog(
            METER,
            book(
                f"all: {{meter: hours, dimensions: {{ResourceId: node}}, prices: [{', '.join(dated)}]}}",
                f", charges_per: {per}",
            ),
        ),
    )
    expected, without = Fraction(0), Fraction(0)
    for hour, _, quantity in usage:
        place = sum(cut <= hour for cut in cuts) - 1
        expected += Fraction(quantity) * Fraction(prices[place]) if place >= 0 else 0
        without += Fraction(quantity) if place < 0 else 0
    told = rows(found)
    assert sum(Fraction(row["BilledCost"]) for row in told) == expected
    assert sum(Fraction(each.quantity) for each in found.unpriced) == without
    for row in told:
        assert Fraction(row["BilledCost"]) == Fraction(row["PricingQuantity"]) * Fraction(row["ListUnitPrice"])
    assert sorted(row["line"] for row in told) == list(range(len(told)))
    assert not found.problems
    assert all((row["until"] - row["hour"]) * HOUR_US <= DAY_US for row in told)

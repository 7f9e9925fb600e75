"""By what costs were divided, and what one unit of it cost: worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.costing.allocating import Allocated, allocate
from ledger.costing.reconciling import tenant_costs
from ledger.costing.serving import Basis, meters_gone_by, served
from ledger.costing.unitcost import Borne, borne, change_percent, measured, shown_unit_cost, unit_cost
from ledger.directory.allocation import Allocation
from ledger.directory.catalog import Catalog
from ledger.metering.answer import usage
from tests.ledger.costing.memory import END, MONTH, Book, catalog, hourly, meters, rule, tenants

BOOK = Book()
NODE = rule(
    "node",
    "priority: 1, match: {ServiceName: A}, split: {cpu: {price: 3, meter: [cpu, cpu-request], capacity: {amount_per_h: 4}},"
    " memory: {price: 1, meter: memory, capacity: {amount_per_h: 8}}}",
)
QUEUE = rule("queue", "priority: 2, match: {ServiceName: B}, to: queue")
OF_QUEUE = rule("of-queue", "of: queue, driver: {meter: requests}")
TAGGED = rule("tagged", "priority: 3, direct: {column: Tags.team}")
USERS = rule("users", "priority: 4, match: {ServiceName: C}, even: {using: {meter: requests}}")
DEFINED = [*meters("cpu", "cpu-request", "memory", "requests"), *tenants("acme", "corp")]
CATALOG = catalog(*DEFINED, NODE, QUEUE, OF_QUEUE, TAGGED, USERS)


def allocated(book: Catalog = CATALOG) -> Allocated:
    return allocate(BOOK.view(), book, BOOK.standing())


def filled() -> None:
    """A node of 20 in the first hour, a queue of 6 in the second; 1.5 by tag, and 2 among users."""
    BOOK.empty()
    tagged = hourly(2, "1.5", ServiceName="C", Tags='{"team":"acme"}')
    BOOK.bill([hourly(0, "20", ServiceName="A"), hourly(1, "6", 1, ServiceName="B"), tagged, hourly(3, "2", 1, ServiceName="C")])  # fmt: skip
    # Of cpu the greatest of usage and request counts: 2 of acme, 1 of corp, and 1 is idle; of memory corp has all.
    for meter, tenant, hour, quantity in (
        ("cpu", "acme", 0, 1),
        ("cpu-request", "acme", 0, 2),
        ("cpu", "corp", 0, 1),
        ("memory", "corp", 0, 8),
        ("requests", "acme", 1, 30),
        ("requests", "corp", 1, 90),
        ("requests", "@shared", 1, 999),
        ("requests", "@unassigned", 1, 999),
        # Not in the hour of the charge.
        ("requests", "acme", 2, 80),
    ):
        BOOK.use(meter, tenant, hour, quantity)
    BOOK.settle("cpu", "cpu-request", "memory", "requests")


def test_what_is_borne_is_told_by_the_meters_and_the_pool_that_it_was_divided_by() -> None:
    filled()
    found = allocated()
    rows = served(found, "BilledCost", np.zeros(len(found.profiles), np.int64))
    # The node is 3 x 4 to 1 x 8, so 12 of cpu and 8 of memory.
    cpu, memory, queue = Basis("", ("cpu", "cpu-request")), Basis("", ("memory",)), Basis("queue", ("requests",))
    assert {(row.target, row.basis): row.cost for row in rows} == {
        ("acme", cpu): Decimal(6),
        ("corp", cpu): Decimal(3),
        ("corp", memory): Decimal(8),
        ("@idle", Basis("idle")): Decimal(3),
        ("acme", queue): Decimal("1.5"),
        ("corp", queue): Decimal("4.5"),
        ("acme", Basis()): Decimal("2.5"),
        ("corp", Basis()): Decimal(1),
    }
    assert {row.currency for row in rows} == {"USD"}


def test_spans_are_told_apart() -> None:
    filled()
    found = allocated()
    hour = (found.profiles.start_us - MONTH) // 3_600_000_000
    rows = served(found, "BilledCost", hour)
    sums = {span: sum(row.cost for row in rows if row.span == span) for span in (0, 1)}
    assert sums == {0: Decimal("21.5"), 1: Decimal(8)}


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "-1", "0.000000000000000007"]), st.sampled_from("ABCD"), st.integers(0, 1)),
        max_size=6,
    )
)
def test_what_is_served_is_what_is_borne(charges: list[tuple[str, str, int]]) -> None:
    filled()
    BOOK.bill(
        [hourly(line, cost, hour, ServiceName=service) for line, (cost, service, hour) in enumerate(charges)],
        "v2",
        issued=MONTH + 2 * 86_400_000_000,
    )
    found = allocated()
    sums: dict[tuple[str, str], Decimal] = {}
    for row in served(found, "BilledCost", np.zeros(len(found.profiles), np.int64)):
        sums[row.target, row.currency] = sums.get((row.target, row.currency), Decimal(0)) + row.cost
    assert sums == {(row.tenant, row.currency): row.cost for row in tenant_costs(found, "BilledCost")}


@pytest.mark.parametrize(
    ("meter", "cost", "quantity", "per_unit"),
    [
        # 6 + 3 of cpu by 2 units of acme's and corp's usage; what was requested is another meter.
        ("cpu", "9", "2", "4.5"),
        ("cpu-request", "9", "2", "4.5"),
        ("memory", "8", "8", "1"),
        # 6 by 30 + 80 + 90: equal parts among users are in no proportion to requests.
        ("requests", "6", "200", "0.03"),
    ],
)
def test_unit_cost_is_what_tenants_bear_by_the_meter_by_their_quantity(
    meter: str, cost: str, quantity: str, per_unit: str
) -> None:
    filled()
    found = allocated()
    rows = borne(served(found, "BilledCost", np.zeros(len(found.profiles), np.int64)), meter)
    used = measured(usage(BOOK.view(), CATALOG, MONTH, END, meters=[meter]))
    assert rows == [Borne("USD", Decimal(cost))]
    assert (used.quantity, used.coverage) == (Decimal(quantity), None)
    assert unit_cost(rows[0].cost, used.quantity) == Fraction(per_unit)


@pytest.mark.parametrize(
    ("cost", "quantity", "expected"),
    [
        ("2", "3", "0.666666666666666667"),
        ("-1", "8", "-0.125"),
        ("1", "0", None),
        ("1", "-2", None),
        ("0", "5", "0"),
        # A terabyte for a month in byte-seconds: what is small is told as well as what is large.
        ("20", "2600000000000000000", "0.00000000000000000769231"),
        ("-20", "2600000000000000000", "-0.00000000000000000769231"),
        ("1", "1000000000000", "0.000000000001"),
    ],
)
def test_unit_cost_is_rounded_once_and_unknown_without_a_quantity(
    cost: str, quantity: str, expected: str | None
) -> None:
    found = unit_cost(Decimal(cost), Decimal(quantity))
    assert (None if found is None else shown_unit_cost(found)) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("3", "4", "33.33"),
        ("4", "3", "-25.00"),
        ("0", "3", None),
        (None, "3", None),
        ("3", None, None),
        ("-1", "1", None),
        # By the exact quotients, not by what is shown of them.
        ("20e-19", "19e-19", "-5.00"),
        ("1e-71", "1e49", "9" * 120 + "00.00"),
    ],
)
def test_change_is_told_in_percent(before: str | None, after: str | None, expected: str | None) -> None:
    found = change_percent(*(None if each is None else Fraction(each) for each in (before, after)))
    assert (None if found is None else str(found)) == expected


def test_which_meters_rules_divide_in_proportion_to() -> None:
    rules = [each.spec for each in CATALOG if isinstance(each.spec, Allocation)]
    assert meters_gone_by(rules) == {
        "cpu": {("cpu", "cpu-request")},
        "cpu-request": {("cpu", "cpu-request")},
        "memory": {("memory",)},
        "requests": {("requests",)},
    }

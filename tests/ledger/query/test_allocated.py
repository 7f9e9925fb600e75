"""What becomes of bills, over gRPC: that it adds up, can be explained, and is the same for ever as of a position."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import grpc
import pytest

from ledger.costing.bills import BILL_LIMIT
from ledger.query.allocated import answer_reconcile
from ledger.query.billed import answer_bills, answer_charges
from meterbook.ledger.v1 import costing_pb2, query_pb2
from meterbook.ledger.v1.costing_pb2_grpc import CostingStub
from meterbook.wire.instants import DAY_US, LATEST_US
from meterbook.wire.sections import COST_LIMIT
from tests.fakes.journal import memory_journal
from tests.ledger.allocations import RULES, filled
from tests.ledger.batches import MONTH as JANUARY
from tests.ledger.batches import bill, charge, content
from tests.ledger.running import serving

MONTH = costing_pb2.Billing(period="2026-01")


class Ledger:
    """The service, and the position at which the first bill stood."""

    def __init__(self, channel: grpc.Channel, position: int) -> None:
        self.costing, self.position = CostingStub(channel), position

    def reconcile(self, **asked: Any) -> costing_pb2.ReconcileResponse:
        asked = {"as_of": self.position, "billing": MONTH} | asked
        return self.costing.Reconcile(costing_pb2.ReconcileRequest(**asked))

    def allocation(self, **asked: Any) -> costing_pb2.AllocationResponse:
        asked = {"as_of": self.position, "billing": MONTH} | asked
        return self.costing.Allocation(costing_pb2.AllocationRequest(**asked))

    def explain(self, **asked: Any) -> costing_pb2.ExplainCostResponse:
        asked = {"as_of": self.position, "billing": MONTH} | asked
        return self.costing.ExplainCost(costing_pb2.ExplainCostRequest(**asked))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    folder = tmp_path_factory.mktemp("allocated")
    with serving(folder / "store") as running:
        yield Ledger(running.channel, filled(running, folder))


def parts(row: costing_pb2.ReconciledRow) -> Decimal:
    names = ("direct", "driver", "stated", "shared", "idle", "unallocated", "residual")
    return sum((Decimal(getattr(row, name)) for name in names), Decimal(0))


def test_what_was_billed_became_something_to_the_last_digit(ledger: Ledger) -> None:
    found = ledger.reconcile(by=["service", "day"])
    assert list(found.problems) == []
    for row in (*found.rows, *found.totals):
        assert (row.residual, parts(row)) == ("0", Decimal(row.billed))
    assert {(row.group["ServiceName"], row.group["day"], row.currency, row.billed) for row in found.rows} == {
        ("Amazon EC2", "2026-01-01", "USD", "6.500000000000000001"),
        ("Support", "2026-01-01", "USD", "4"),
        ("Tax", "2026-01-01", "EUR", "3"),
    }
    (dollars, euros) = found.totals
    became = (dollars.direct, dollars.driver, dollars.stated, dollars.shared, dollars.idle, dollars.unallocated)
    assert became == ("-1.5", "6", "1", "3", "2.000000000000000001", "0")
    assert (euros.currency, euros.unallocated) == ("EUR", "3")
    told = [(row.reason, row.currency, row.charges, row.amount) for row in found.unallocated]
    assert told == [("no rule holds for it", "EUR", 1, "3")]
    assert {row.rule: row.charges for row in found.rules} == {
        "tagged": 1,
        "nodes": 2,
        "support": 1,
        "late": 0,
        "platform": 1,
    }
    assert "the rule 'late' took no charge" in found.notes
    assert "no charge has 'RegionId', which rules look at" in found.notes


def test_tenants_bear_what_reconciles(ledger: Ledger) -> None:
    rows = ledger.allocation().rows
    found = {(row.tenant, row.currency): row.cost for row in rows}
    assert found["acme", "USD"] == "1.5" and found["bcorp", "USD"] == "4" and found["@shared", "USD"] == "3"
    for row in rows:
        assert sum(map(Decimal, row.parts.values())) == Decimal(row.cost)
    by_currency: dict[str, Decimal] = {}
    for (_, currency), cost in found.items():
        by_currency[currency] = by_currency.get(currency, Decimal(0)) + Decimal(cost)
    assert by_currency == {row.currency: Decimal(row.billed) for row in ledger.reconcile().totals}
    assert [row.tenant for row in ledger.allocation(tenants=["acme"]).rows] == ["acme"]


@pytest.mark.parametrize("tenant", ["acme", "bcorp", "@shared", "@idle", "@unallocated"])
def test_what_somebody_bears_is_explained_by_rule_and_by_charge(ledger: Ledger, tenant: str) -> None:
    found = ledger.explain(tenant=tenant)
    (*costs,) = (row.cost for row in ledger.allocation(tenants=[tenant]).rows)
    assert sum(Decimal(row.cost) for row in found.rules) == sum(map(Decimal, costs))
    assert sum(Decimal(row.part) for row in found.charges) == sum(map(Decimal, costs))
    assert found.charges_total == len(found.charges)
    for row in found.charges:
        assert Decimal(row.part) == Decimal(row.cost) * Decimal(row.share)
    sizes = [abs(Decimal(row.part)) for row in found.charges]
    assert sizes == sorted(sizes, reverse=True)


def test_usage_stands_behind_what_was_divided_by_it(ledger: Ledger) -> None:
    (node,) = ledger.explain(tenant="bcorp").charges
    assert (node.rule, node.of, node.version, node.line, node.resource, node.share) == (
        "nodes",
        "",
        "v1",
        0,
        "i-0",
        "0.5",
    )
    (driver,) = node.drivers
    assert (list(driver.meters), driver.quantity, driver.total, driver.capacity) == (["cpu"], "2", "3", "4")
    by_rule = [(row.rule, row.version, row.method, row.of, row.cost) for row in ledger.explain(tenant="acme").rules]
    assert by_rule == [
        ("tagged", 1, "direct", "", "-1.5"),
        ("nodes", 1, "driver", "", "2"),
        ("platform", 1, "fixed", "platform", "1"),
    ]
    assert len(ledger.explain(tenant="acme", limit=1).charges) == 1


def test_a_position_answers_the_same_for_ever_and_the_newest_bill_is_another(ledger: Ledger) -> None:
    assert ledger.reconcile() == ledger.reconcile()
    assert ledger.explain(tenant="acme") == ledger.explain(tenant="acme")
    (newest,) = ledger.reconcile(as_of=0).totals
    assert (newest.billed, newest.driver, newest.idle, newest.residual) == ("80", "60", "20", "0")


def test_a_month_without_a_bill_is_told(ledger: Ledger) -> None:
    found = ledger.reconcile(billing=costing_pb2.Billing(period="2026-02"))
    assert (list(found.rows), found.notes[0]) == ([], "no bill of that month stands")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"billing": costing_pb2.Billing()}, "period: '' is no month such as 2026-03"),
        ({"billing": costing_pb2.Billing(period="2026-13")}, "period: '2026-13' is no month"),
        (
            {"billing": costing_pb2.Billing(period="2026-01", cost="list")},
            "cost: 'list' is not one of billed, effective",
        ),
        ({"billing": costing_pb2.Billing(period="2026-01", nature="x")}, "nature: 'x' is not one of"),
        ({"billing": costing_pb2.Billing(period="2026-01", sources=["x"])}, "sources: no bill is of 'x'"),
        ({"by": ["no column"]}, "by: 'no column' is no column"),
        ({"by": ["Servicename"]}, "by: no charge here has 'Servicename'"),
        ({"limit": -1}, "limit: -1 is not between 1 and 100000"),
        ({"as_of": 99_999}, "as_of: "),
    ],
)
def test_what_cannot_be_answered_is_refused(ledger: Ledger, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT") as error:
        ledger.reconcile(**asked)
    assert error.value.details().startswith(message)


def test_a_tenant_that_there_is_not_is_refused(ledger: Ledger) -> None:
    for ask in (lambda: ledger.explain(tenant="acne"), lambda: ledger.allocation(tenants=["acne"])):
        with pytest.raises(grpc.RpcError, match=r"there is no tenant 'acne'; did you mean 'acme'\?"):
            ask()


def test_of_reasons_without_end_the_greatest_are_told() -> None:
    tags = [f'{{"team":"unknown {line}"}}' for line in range(9)]
    charges = [charge(line, str(line - 4), Tags=each) for line, each in enumerate(tags)]
    with memory_journal(JANUARY + 40 * DAY_US) as journal:
        journal.define(RULES)
        journal.send("a", content(charges=charges, bills=[bill(9, "0")]))
        found = answer_reconcile(journal, costing_pb2.ReconcileRequest(billing=MONTH, limit=3))  # type: ignore[arg-type]
        every = answer_reconcile(journal, costing_pb2.ReconcileRequest(billing=MONTH))  # type: ignore[arg-type]
    told = [(row.reason, row.amount) for row in found.unallocated]
    assert told == [(f"the tenant 'unknown {line}' is not defined", str(line - 4)) for line in (0, 1, 8)]
    assert "there are 6 more reasons for which something is unallocated, of smaller amounts" in found.notes
    assert len(every.unallocated) == 9 and not any("more reasons" in note for note in every.notes)


def test_a_column_that_is_empty_everywhere_is_told() -> None:
    with memory_journal(JANUARY + 40 * DAY_US) as journal:
        journal.define("{kind: allocation, name: account, spec: {match: {SubAccountId: '7'}, to: idle}}")
        journal.send("a", content(charges=[charge(0)], bills=[bill(1, "1")]))
        found = answer_reconcile(journal, costing_pb2.ReconcileRequest(billing=MONTH))  # type: ignore[arg-type]
    assert "no charge has 'SubAccountId', which rules look at" in found.notes


def test_charges_of_the_last_second_that_there_is_are_told() -> None:
    last = charge(0, ChargePeriodStart=LATEST_US, ChargePeriodEnd=LATEST_US)
    with memory_journal(JANUARY + 40 * DAY_US) as journal:
        journal.send("a", content(charges=[last], bills=[bill(1, "1")]))
        (total,) = answer_charges(journal, query_pb2.ChargesRequest()).totals  # type: ignore[arg-type]
    assert (total.charges, total.billed_cost) == (1, "1")


def test_a_bill_too_large_to_be_added_up_is_told_by_name_and_the_others_are_allocated() -> None:
    most = COST_LIMIT - 1
    count = BILL_LIMIT // most + 1
    odd = [charge(line, str(most), source="bills/odd") for line in range(count)]
    with memory_journal(JANUARY + 40 * DAY_US) as journal:
        journal.define(RULES)
        journal.send("a", content(charges=[charge(0)], bills=[bill(1, "1")]))
        journal.send("b", content(charges=odd, bills=[bill(count, str(most * count), source="bills/odd")]))
        found = answer_reconcile(journal, costing_pb2.ReconcileRequest(billing=MONTH))  # type: ignore[arg-type]
        told = answer_bills(journal, query_pb2.BillsRequest())  # type: ignore[arg-type]
        charges = answer_charges(journal, query_pb2.ChargesRequest())  # type: ignore[arg-type]
    assert [row.billed for row in found.rows] == ["1"]
    assert list(found.problems) == [
        (
            "the bill of bills/odd is too large to be added up: the charges of one of its costs come to 100000000000000000 or more: "
            "none of it is allocated; have it corrected where it is made"
        )
    ]
    assert {row.source: row.state for row in told.rows} == {"bills/focus": "stands", "bills/odd": "too large"}
    assert [row.billed_cost for row in charges.totals] == ["1"]
    assert "bills/odd 2026-01: a newer version is too large" in charges.notes[0]


def test_a_bill_is_of_the_month_in_which_its_period_begins() -> None:
    middle = JANUARY + 14 * DAY_US
    with memory_journal(JANUARY + 60 * DAY_US) as journal:
        journal.define(RULES)
        journal.send("a", content(charges=[charge(0)], bills=[bill(1, "1")]))
        journal.send("b", content(charges=[charge(0, "2", period=middle)], bills=[bill(1, "2", period=middle)]))
        last = {"period": JANUARY + 31 * DAY_US - 1, "source": "bills/late"}
        journal.send("c", content(charges=[charge(0, "4", **last)], bills=[bill(2, "4", **last)]))
        january, february = (
            answer_reconcile(journal, costing_pb2.ReconcileRequest(billing=costing_pb2.Billing(period=month)))  # type: ignore[arg-type]
            for month in ("2026-01", "2026-02")
        )
    assert [row.billed for row in january.rows] == ["3"]
    assert list(january.problems) == [
        "the bill of bills/late of 2026-01-31 is incomplete, 1 of 2 charges: none of it is allocated; wait for the rest"
    ]
    assert (list(february.rows), list(february.problems)) == ([], [])

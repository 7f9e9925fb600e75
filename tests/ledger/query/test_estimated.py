"""Estimates over gRPC: against bills, in place of bills until these stand, and through the same rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import grpc
import pytest

from ledger.cli import allocated
from ledger.costing import expected
from meterbook.ledger.v1 import costing_pb2, query_pb2
from meterbook.ledger.v1.costing_pb2_grpc import CostingStub
from meterbook.wire.instants import HOUR_US
from tests.ledger.batches import MONTH, bill, charge, content, event
from tests.ledger.running import Running, run_cli, serving

BOOKS = """\
kind: meter
name: node-hours
spec: {source: {event: node}, aggregation: sum, unit: hours, group_by: [node, type]}
---
{kind: tenant, name: acme, spec: {}}
---
kind: price-book
name: cloud
spec:
  currency: USD
  columns: {ServiceName: Amazon EC2, SubAccountId: "7"}
  items:
    m5: {meter: node-hours, match: {type: m5}, dimensions: {ResourceId: node, Tags.team: tenant}, prices: 0.096}
---
kind: price-book
name: cellar
spec:
  currency: USD
  until_billed_by: []
  items:
    rack: {machines: 2, prices: [{price: 0.5, from: 2026-01-01, until: "2026-01-01T10:00:00Z"}]}
---
kind: allocation
name: tagged
spec: {priority: 1, direct: {column: Tags.team}}
---
kind: allocation
name: cellar
spec: {match: {ServiceName: cellar}, to: shared}
"""
UNPRICED = "usage of node-hours has no price and is in no estimate; see 'meterbook cost estimate'"


class Ledger:
    """The service, and the position before any bill came."""

    def __init__(self, running: Running, position: int) -> None:
        self.running, self.costing, self.position = running, CostingStub(running.channel), position

    def estimate(self, **asked: Any) -> costing_pb2.EstimateResponse:
        return self.costing.Estimate(costing_pb2.EstimateRequest(**{"period": "2026-01"} | asked))

    def reconcile(self, nature: str, as_of: int = 0, **asked: Any) -> costing_pb2.ReconcileResponse:
        billing = costing_pb2.Billing(period="2026-01", nature=nature, **asked)
        return self.costing.Reconcile(costing_pb2.ReconcileRequest(as_of=as_of, billing=billing, by=["service"]))


def used(number: int, hour: int, kind: str = "m5") -> tuple[Any, ...]:
    document = f'{{"node":"i-{number}","type":"{kind}"}}'
    time = MONTH + hour * HOUR_US
    return event(number, type="node", tenant="acme", time=time, value=Decimal(1), properties=document)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    folder = tmp_path_factory.mktemp("estimated")
    with serving(folder / "store") as running:
        running.apply(folder, BOOKS)
        position = running.send(content(events=[used(1, 0), used(2, 1), used(3, 2, "t9")]))
        charges = [
            charge(0, "0.1", SubAccountId="7", ResourceId="i-1", Tags='{"team":"acme"}'),
            charge(1, "3", ServiceName="Support"),
        ]
        running.send(content(charges=charges, bills=[bill(2, "3.1")]))
        yield Ledger(running, position)


def test_an_estimate_is_set_against_the_bill_and_nothing_is_dropped(ledger: Ledger) -> None:
    found = ledger.estimate(by=["account", "service", "day"], sources=["price-book/cloud"])
    by = {row.group["ServiceName"]: row for row in found.rows}
    assert dict(by["Amazon EC2"].group) == {"SubAccountId": "7", "ServiceName": "Amazon EC2", "day": "2026-01-01"}
    told = {
        name: (row.estimated_charges, row.estimated, row.billed_charges, row.billed, row.difference, row.error_percent)
        for name, row in by.items()
    }
    assert told == {
        "Amazon EC2": (2, "0.192", 1, "0.1", "0.092", "92"),
        "Support": (0, "", 1, "3", "-3", "-100"),
    }
    (total,) = found.totals
    assert (total.estimated, total.billed, total.difference, total.error_percent) == (
        "0.192",
        "3.1",
        "-2.908",
        "-93.8065",
    )
    assert (found.rows_total, list(found.problems), list(found.notes)) == (2, [], [])
    assert [row.group["ServiceName"] for row in ledger.estimate(by=["service"], limit=1).rows] == ["cellar"]


def test_usage_without_a_price_is_named(ledger: Ledger) -> None:
    (row,) = ledger.estimate().unpriced
    assert (row.meter, row.tenant, row.dimensions, row.hours, row.quantity, row.unit) == (
        "node-hours",
        "acme",
        '{"node":"i-3","type":"t9"}',
        1,
        "1",
        "hours",
    )
    assert (row.start, row.end) == ("2026-01-01T02:00:00Z", "2026-01-01T03:00:00Z")
    problems = ledger.reconcile("estimate").problems
    assert list(problems) == [UNPRICED]


def test_estimates_are_allocated_like_bills(ledger: Ledger) -> None:
    found = ledger.reconcile("estimate")
    assert {row.group["ServiceName"]: (row.billed, row.direct, row.shared, row.residual) for row in found.rows} == {
        "Amazon EC2": ("0.192", "0.192", "0", "0"),
        "cellar": ("10", "0", "10", "0"),
    }
    billing = costing_pb2.Billing(period="2026-01", nature="estimate")
    told = ledger.costing.ExplainCost(costing_pb2.ExplainCostRequest(billing=billing, tenant="acme"))
    assert [(row.rule, row.source, row.version, row.resource, row.part) for row in told.charges] == [
        ("tagged", "price-book/cloud", "1", "i-1", "0.096"),
        ("tagged", "price-book/cloud", "1", "i-2", "0.096"),
    ]


def test_a_bill_takes_the_place_of_an_estimate_unless_its_book_says_otherwise(ledger: Ledger) -> None:
    before = ledger.reconcile("expected", as_of=ledger.position)
    assert {row.group["ServiceName"]: row.billed for row in before.rows} == {"Amazon EC2": "0.192", "cellar": "10"}
    after = ledger.reconcile("expected")
    assert {row.group["ServiceName"]: row.billed for row in after.rows} == {
        "Amazon EC2": "0.1",
        "Support": "3",
        "cellar": "10",
    }
    assert "the bill of bills/focus counts in place of price-book/cloud" in after.notes
    assert [list(each.problems) for each in (before, after)] == [[UNPRICED], []]
    assert {row.group["ServiceName"] for row in ledger.reconcile("billed").rows} == {"Amazon EC2", "Support"}
    assert ledger.reconcile("expected", as_of=ledger.position) == before


def test_some_sources_can_be_asked_for(ledger: Ledger) -> None:
    (row,) = ledger.reconcile("expected", sources=["price-book/cellar"]).rows
    assert (row.group["ServiceName"], row.billed) == ("cellar", "10")
    with pytest.raises(grpc.RpcError, match="did you mean 'price-book/cellar'"):
        ledger.reconcile("estimate", sources=["price-book/celar"])
    with pytest.raises(grpc.RpcError, match="sources: no bill is of 'price-book/cellar'"):
        ledger.reconcile("billed", sources=["price-book/cellar"])


def test_charges_that_came_are_told_apart_from_estimates(ledger: Ledger) -> None:
    asked = query_pb2.ChargesRequest(nature="estimate")
    found = ledger.running.query.Charges(asked)
    assert (list(found.rows), list(found.notes)) == (
        [],
        ["what price books estimate is shown by 'meterbook cost estimate'"],
    )
    assert list(ledger.running.query.Charges(query_pb2.ChargesRequest()).notes) == []


def test_a_month_before_all_books_and_usage_is_empty(ledger: Ledger) -> None:
    found = ledger.estimate(period="2025-01")
    assert (list(found.rows), list(found.unpriced), list(found.notes)) == ([], [], ["no bill of that month stands"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"period": "March"}, "period: 'March' is no month such as 2026-03"),
        ({"by": ["Servicename"]}, "by: no charge here has 'Servicename'"),
        ({"cost": "list"}, "cost: 'list' is not one of billed, effective"),
        ({"limit": -1}, "limit: -1 is not between 1 and 100000"),
        ({"sources": ["nowhere"]}, "sources: no bill is of 'nowhere'"),
    ],
)
def test_what_cannot_be_answered_is_refused(ledger: Ledger, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT") as error:
        ledger.estimate(**asked)
    assert error.value.details().startswith(message)


def test_the_command_shows_both_sides_and_fails_where_something_has_no_price(ledger: Ledger) -> None:
    asked = ("cost", "estimate", "--period", "2026-01", "--by", "service", "--ledger", ledger.running.address)
    shown = run_cli(*asked)
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert shown.exit_code == 1
    assert rows[0][:5] == ["ServiceName", "estimated", "charges", "billed", "charges"]
    assert rows[1] == ["cellar", "10", "0", "10.000000", "-", "10.000000", "-", "USD"]
    assert rows[3] == ["Amazon", "EC2", "2", "1", "0.192000", "0.100000", "0.092000", "92", "%", "USD"]
    assert "no item of a price book is for it" in shown.stdout
    found = json.loads(run_cli(*asked, "--json").stdout)
    assert (found["unpriced_total"], found["totals"][0]["billed"]) == (1, "3.1")


def test_commands_know_the_natures_that_the_ledger_knows() -> None:
    assert allocated.ASKED_NATURES == expected.ASKED_NATURES

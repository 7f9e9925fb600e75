"""What stands on quantities is refused by name where one of them has more digits than there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ledger.journal.journal import Journal
from ledger.query.margin import answer_margin
from ledger.query.money import answer_cost, answer_invoice
from ledger.query.questions import BadQuestion
from ledger.query.unitcost import answer_unit_cost
from meterbook.ledger.v1 import costing_pb2, query_pb2
from meterbook.wire import instants
from tests.fakes.journal import memory_journal
from tests.ledger.batches import content, series

HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-01T10:00:00Z")
DEFINITIONS = """\
kind: meter
name: huge
spec: {source: {metric: requests_total}, aggregation: increase, measured_in: GBy, unit: By}
---
{kind: tenant, name: acme, spec: {}}
---
{kind: plan, name: team, spec: {currency: EUR, charges: [{meter: huge, tiers: [{unit_price: 1}]}]}}
---
{kind: subscription, name: acme, spec: {tenant: acme, plan: team, start: 2026-01-01}}
---
{kind: allocation, name: used, spec: {driver: {meter: huge}}}
"""


@pytest.fixture(scope="module")
def journal() -> Iterator[Any]:
    with memory_journal(TEN + HOUR) as found:
        found.define(DEFINITIONS)
        values = [(1, TEN + number * MINUTE, 0.0 if number % 2 else 2.0**62 - 512) for number in range(45)]
        found.send("one", content(series=[series(1, since=TEN - HOUR)], samples=values))
        yield found


MARCH = costing_pb2.Billing(period="2026-03")


@pytest.mark.parametrize(
    "asked",
    [
        lambda journal: answer_cost(journal, query_pb2.CostRequest()),
        lambda journal: answer_invoice(journal, query_pb2.InvoiceRequest(tenant="acme", at="2026-03-01")),
        lambda journal: answer_margin(journal, query_pb2.MarginRequest(at="2026-03-01")),
        lambda journal: answer_unit_cost(journal, costing_pb2.UnitCostRequest(meter="huge", billing=MARCH)),
    ],
)
def test_a_quantity_without_room_is_told_by_name(journal: Journal, asked: Callable[[Journal], object]) -> None:
    message = r"meter huge: of acme the quantity .* has more than 29 digits .*; measure it by a meter of a larger unit$"
    with pytest.raises(BadQuestion, match=message):
        asked(journal)

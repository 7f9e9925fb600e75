"""Revenue against cost: by allocated bills and by price sheets, in one currency, by plan and product, and nothing is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ledger.journal.journal import Journal
from ledger.query.allocated import answer_allocation
from ledger.query.margin import answer_margin
from ledger.query.questions import BadQuestion
from meterbook.ledger.v1 import costing_pb2, query_pb2
from meterbook.wire.instants import DAY_US, HOUR_US
from tests.fakes.journal import memory_journal
from tests.ledger.batches import MONTH, bill, charge, content
from tests.ledger.serving import DEFINITIONS, FEBRUARY, january, used


@pytest.fixture(scope="module")
def journal() -> Iterator[Any]:
    with memory_journal(FEBRUARY + 10 * DAY_US) as found:
        found.define(DEFINITIONS)
        found.send("a", january())
        yield found


def asked(journal: Journal, **changes: Any) -> query_pb2.MarginResponse:
    return answer_margin(journal, query_pb2.MarginRequest(**({"at": "2026-01-15"} | changes)))


def rows(response: query_pb2.MarginResponse) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {
        (row.tenant, row.plan, row.product, row.currency): (row.revenue, row.cost, row.margin, row.margin_percent)
        for row in response.rows
    }


def test_by_bills_in_one_currency(journal: Journal) -> None:
    found = asked(journal, currency="USD")
    assert rows(found) == {
        ("@shared", "", "", "USD"): ("0", "3", "-3", ""),
        ("@unallocated", "", "", "USD"): ("0", "5.75", "-5.75", ""),
        ("acme", "", "", "USD"): ("16.25", "4.5", "11.75", "72.31"),
        ("bcorp", "", "", "USD"): ("5", "7", "-2", "-40.00"),
    }
    (total,) = found.totals
    assert (total.revenue, total.cost, total.margin, total.margin_percent) == ("21.25", "20.25", "1", "4.71")
    assert [(each.month, each.cost, list(each.bills)) for each in found.costs] == [
        ("2026-01", "billed", ["bills/focus v1"])
    ]
    assert (list(found.problems), list(found.notes)) == ([], [])
    # The tax is of the first, and so is the beginning of acme's month.
    assert [(each.currency, each.into, each.rate, each.first_day, each.last_day) for each in found.rates] == [
        ("EUR", "USD", "1.25", "2026-01-01", "2026-01-01")
    ]


def test_both_sides_tell_how_well_the_usage_behind_them_was_observed(journal: Journal) -> None:
    # The log was read in the hour of cpu, and could not be read in that of requests.
    found = {row.tenant: (row.revenue_coverage, row.cost_coverage) for row in asked(journal).rows}
    assert found == {
        "@shared": ("", ""),
        "@unallocated": ("", ""),
        "acme": ("0", "0.5"),
        "bcorp": ("0.5", "0.5"),
    }


def test_by_plan_and_product(journal: Journal) -> None:
    found = asked(journal, currency="USD", by=["product", "plan"])
    assert rows(found) == {
        ("", "@shared", "@shared", "USD"): ("0", "3", "-3", ""),
        ("", "@unallocated", "@unallocated", "USD"): ("0", "5.75", "-5.75", ""),
        # The flat fee; and of acme's cost its part of the node, of support, and the credit.
        ("", "team", "", "USD"): ("12.5", "1.5", "11", "88.00"),
        ("", "team", "requests", "USD"): ("3.75", "3", "0.75", "20.00"),
        ("", "pro", "cpu", "USD"): ("3", "6", "-3", "-100.00"),
        ("", "pro", "requests", "USD"): ("2", "1", "1", "50.00"),
    }
    assert [note.partition(":")[0] for note in found.notes] == ["cost of no product is told per tenant only"]
    assert found.totals == asked(journal, currency="USD").totals


def test_amounts_without_a_rate_keep_their_currency_and_have_no_margin_beside_another(journal: Journal) -> None:
    apart = asked(journal)
    assert rows(apart)["acme", "", "", "EUR"] == ("13", "0", "", "")
    assert rows(apart)["acme", "", "", "USD"] == ("0", "4.5", "", "")
    found = asked(journal, currency="CHF")
    assert list(found.problems) == [
        "there is no exchange rate of EUR into CHF on 2026-01-01: these amounts stay in EUR; apply exchange-rates that hold then",
        "there is no exchange rate of USD into CHF on 2026-01-01, 2026-01-02: these amounts stay in USD; apply exchange-rates that hold then",
    ]
    assert (rows(found), list(found.rates)) == (rows(apart), [])


def test_the_cost_is_what_is_allocated(journal: Journal) -> None:
    borne = answer_allocation(
        journal, costing_pb2.AllocationRequest(billing=costing_pb2.Billing(period="2026-01"), currency="EUR")
    )
    for by in (["tenant"], ["tenant", "plan", "product"]):
        sums: dict[str, Decimal] = {}
        for row in asked(journal, currency="EUR", by=by).rows:
            sums[row.tenant] = sums.get(row.tenant, Decimal(0)) + Decimal(row.cost)
        assert sums == {row.tenant: Decimal(row.cost) for row in borne.rows}


def test_of_some_tenants_what_is_nobodys_stands_beside(journal: Journal) -> None:
    found = asked(journal, tenants=["bcorp"])
    assert {row.tenant for row in found.rows} == {"bcorp", "@shared", "@unallocated"}
    assert list(found.totals) == []


def test_price_sheets_are_a_stated_source_of_cost(journal: Journal) -> None:
    found = asked(journal, cost="sheet", currency="USD", by=["tenant", "product"])
    assert {key[0::2]: value[1] for key, value in rows(found).items()} == {
        # acme's plan does not charge cpu.
        ("acme", ""): "0.5",
        ("acme", "requests"): "0",
        ("bcorp", "cpu"): "1.5",
        ("bcorp", "requests"): "0",
    }
    assert [(each.month, each.cost) for each in found.costs] == [("2026-01", "sheet")]
    assert "2026-01: no sheet has a price for requests: its cost is unknown" in found.notes


def test_where_no_bill_stands_price_sheets_are_used_and_told(journal: Journal) -> None:
    found = asked(journal, at="2026-02-05")
    assert [(each.month, each.cost) for each in found.costs] == [("2026-02", "sheet")]
    with pytest.raises(BadQuestion, match=r"cost: no bill of 2026-02 stands that could be allocated"):
        asked(journal, at="2026-02-05", cost="effective")


def test_whoever_has_no_subscription_has_its_cost_under_no_plan() -> None:
    with memory_journal(FEBRUARY + 10 * DAY_US) as other:
        other.define(DEFINITIONS)
        other.define("{kind: tenant, name: trial, spec: {}}")
        other.send("a", content(charges=[charge(0, "5", Tags='{"team":"trial"}')], bills=[bill(1, "5")]))
        found = asked(other, by=["tenant", "plan"])  # type: ignore[arg-type]
    assert rows(found)["trial", "", "", "USD"] == ("0", "5", "-5", "")


def test_bills_of_another_nature_are_asked_for_by_name(journal: Journal) -> None:
    assert rows(asked(journal, nature="billed")) == rows(asked(journal))
    with pytest.raises(BadQuestion, match=r"cost: no bill of 2026-01 stands that could be allocated"):
        asked(journal, nature="reconciliation")


def test_a_bill_that_is_not_whole_is_told_where_price_sheets_take_its_place() -> None:
    with memory_journal(FEBRUARY + 10 * DAY_US) as other:
        other.define(DEFINITIONS)
        other.send("a", content(charges=[charge(0, "1")], bills=[bill(2, "2")]))
        found = asked(other)  # type: ignore[arg-type]
    assert [each.cost for each in found.costs] == ["sheet"]
    assert found.notes[0].startswith("2026-01: the bill of bills/focus is incomplete, 1 of 2 charges")


def test_a_bill_counts_for_the_billing_periods_of_the_name_of_its_month() -> None:
    """In Auckland January has begun while it is still December in UTC."""
    there = "{kind: tenant, name: acme, spec: {timezone: Pacific/Auckland}}"
    with memory_journal(FEBRUARY + 10 * DAY_US) as other:
        other.define(DEFINITIONS)
        other.define(there, {"acme": 2})
        other.send("a", january())
        found = asked(other, at="2025-12-31T18:00:00Z", by=["tenant"])  # type: ignore[arg-type]
    assert [(each.month, each.cost) for each in found.costs] == [("2025-12", "sheet"), ("2026-01", "billed")]
    # What is nobody's is of December, which had no bill; bcorp is still in December, too.
    assert {(row.tenant, row.currency): row.cost for row in found.rows} == {
        ("acme", "EUR"): "0",
        ("acme", "USD"): "4.5",
    }


def test_whoever_has_no_subscription_is_seen_by_the_month_in_utc_whether_asked_for_by_name_or_not() -> None:
    """In Auckland February has begun, and nothing was billed for it."""
    with memory_journal(FEBRUARY + 10 * DAY_US) as other:
        other.define(DEFINITIONS)
        other.define("{kind: tenant, name: trial, spec: {timezone: Pacific/Auckland}}")
        other.send("a", content(charges=[charge(0, "5", Tags='{"team":"trial"}')], bills=[bill(1, "5")]))
        at = "2026-01-31T18:00:00Z"
        every, alone = asked(other, at=at), asked(other, at=at, tenants=["trial"])  # type: ignore[arg-type]
    assert [row for row in every.rows if row.tenant == "trial"] == list(alone.rows)
    assert rows(alone)["trial", "", "", "USD"] == ("0", "5", "-5", "")
    assert [each.month for each in alone.costs] == ["2026-01"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cost": "list"}, "cost: 'list' is not one of billed, effective, sheet"),
        ({"by": ["meter"]}, "by: 'meter' is not one of tenant, plan, product"),
        ({"currency": "EURO"}, "currency: 'EURO' is no ISO 4217 code of a currency that can be paid in; did you mean 'EUR'?"),
        ({"nature": "guess"}, "nature: 'guess' is not one of "),
        ({"nature": "billed", "cost": "sheet"}, "nature: 'billed' is of bills, and cost 'sheet' goes by none; leave one of the two out"),
        ({"tenants": ["acmee"]}, "tenants: there is no tenant 'acmee'"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(journal: Journal, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadQuestion) as error:
        asked(journal, **changes)
    assert str(error.value).startswith(message)


CHANGED = """\
{kind: subscription, name: acme-team, spec: {tenant: acme, plan: team, start: 2026-01-01, end: 2026-01-10}}
---
{kind: subscription, name: acme-pro, spec: {tenant: acme, plan: pro, start: 2026-01-20}}
"""


def test_a_cost_belongs_to_the_plan_that_began_last_before_it() -> None:
    """A charge of each of three days, of which one is between two plans."""
    period = [MONTH + day * DAY_US for day in (5, 15, 25)]
    charges = [
        charge(line, cost, ServiceName="EC2", ChargePeriodStart=start, ChargePeriodEnd=start + HOUR_US)
        for line, (cost, start) in enumerate(zip(("1", "10", "100"), period, strict=True))
    ]
    events = [used(line, "cpu", "acme", 24 * day, 1) for line, day in enumerate((5, 15, 25))]
    with memory_journal(FEBRUARY + 10 * DAY_US) as journal:
        journal.define(DEFINITIONS)
        journal.define(CHANGED, {"acme-team": 2})
        journal.send("a", content(events=events, charges=charges, bills=[bill(3, "111")]))
        by_plan = asked(journal, by=["plan", "product"])  # type: ignore[arg-type]
        by_sheet = asked(journal, by=["plan", "product"], cost="sheet")  # type: ignore[arg-type]
    assert {key[1:3]: value[1] for key, value in rows(by_plan).items() if value[1] != "0"} == {
        ("team", ""): "11",
        ("pro", "cpu"): "100",
    }
    assert {key[1:3]: value[1] for key, value in rows(by_sheet).items() if value[1] != "0"} == {
        ("team", ""): "1",
        ("pro", "cpu"): "0.5",
    }

"""What one unit of what a meter measures cost, month by month: worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.journal.journal import Journal
from ledger.query.questions import BadQuestion
from ledger.query.unitcost import answer_unit_cost
from meterbook.ledger.v1 import costing_pb2
from meterbook.wire.instants import DAY_US
from tests.fakes.journal import memory_journal
from tests.ledger.serving import DEFINITIONS, FEBRUARY, february, january


@pytest.fixture(scope="module")
def journal() -> Iterator[Any]:
    with memory_journal(FEBRUARY + 40 * DAY_US) as found:
        found.define(DEFINITIONS)
        found.send("a", january())
        found.send("a", february())
        yield found


def asked(journal: Journal, meter: str = "requests", period: str = "2026-02", **changes: Any) -> Any:
    billing = costing_pb2.Billing(period=period, cost=changes.pop("cost", ""), nature=changes.pop("nature", ""))
    return answer_unit_cost(journal, costing_pb2.UnitCostRequest(meter=meter, billing=billing, **changes))


def test_a_trend_month_by_month(journal: Journal) -> None:
    found = asked(journal, months=3)
    told = [(row.month, row.cost, row.quantity, row.unit_cost, row.change_percent, row.currency) for row in found.rows]
    assert told == [
        ("2025-12", "", "0", "", "", ""),
        # The balancer's 4 USD for 300 and 100 requests, and then 6 USD for 300.
        ("2026-01", "4", "400", "0.01", "", "USD"),
        ("2026-02", "6", "300", "0.02", "100.00", "USD"),
    ]
    assert {row.unit for row in found.rows} == {"requests"}
    assert (list(found.notes), list(found.problems)) == (["2025-12: no bill of that month stands"], [])
    (alone,) = asked(journal).rows
    assert (alone.unit_cost, alone.change_percent) == ("0.02", "")


def test_what_nobody_used_is_in_no_unit_cost_and_the_coverage_is_told(journal: Journal) -> None:
    (row,) = asked(journal, "cpu", "2026-01").rows
    assert (row.cost, row.quantity, row.unit_cost, row.coverage) == ("8", "4", "2", "1")
    (row,) = asked(journal, "requests", "2026-01").rows
    assert row.coverage == "0"


def test_in_another_currency(journal: Journal) -> None:
    found = asked(journal, months=2, currency="EUR")
    # At 1.25 on the first of January, and at 1.20 from the second on.
    assert [(row.month, row.currency, row.cost, row.unit_cost) for row in found.rows] == [
        ("2026-01", "EUR", "3.2", "0.008"),
        ("2026-02", "EUR", "5", "0.016666666666666667"),
    ]
    assert [(rate.rate, rate.first_day, rate.last_day) for rate in found.rates] == [
        ("0.8", "2026-01-01", "2026-01-01"),
        ("0.833333333333333333", "2026-01-02", "2026-02-01"),
    ]
    missing = asked(journal, currency="CHF")
    assert [row.currency for row in missing.rows] == ["USD"]
    assert missing.problems[0].startswith("there is no exchange rate of USD into CHF on 2026-02-01: ")


def test_a_month_in_which_nobody_bears_anything_by_the_meter_is_told(journal: Journal) -> None:
    found = asked(journal, "cpu")
    assert [(row.month, row.cost, row.quantity) for row in found.rows] == [("2026-02", "", "0")]
    assert list(found.notes) == ["2026-02: no tenant bears anything by a rule that divides in proportion to cpu"]


def test_of_a_rule_that_goes_by_the_greatest_of_several_meters_it_is_said(journal: Journal) -> None:
    with memory_journal(FEBRUARY) as other:
        other.define(DEFINITIONS)
        other.define(
            "{kind: allocation, name: nodes, spec: {match: {ServiceName: EC2}, driver: {meter: [cpu, requests]}}}",
            {"nodes": 2},
        )
        found = asked(other, "cpu", "2026-01")  # type: ignore[arg-type]
    assert "a rule goes by the greatest of cpu and requests; the quantity is that of cpu alone" in found.notes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"meter": "cpus"}, "meter: no allocation rule divides in proportion to 'cpus'; did you mean 'cpu'?"),
        ({"meter": "x"}, "meter: no allocation rule divides in proportion to 'x'; there are cpu, requests"),
        ({"months": 37}, "months: 37 is not between 1 and 36"),
        ({"period": "soon"}, "period: 'soon' is no month such as 2026-03"),
        ({"period": "9999-12"}, "period: '9999-12' is in no year of which there is usage; give a month of the years 2 to 9998"),
        ({"period": "0001-12"}, "period: '0001-12' is in no year of which there is usage"),
        ({"period": "0002-01", "months": 2}, "period: '0001-12' is in no year of which there is usage"),
        ({"period": "0001-01", "months": 2}, "period: '0000-12' is no month such as 2026-03"),
        ({"currency": "eur"}, "currency: 'eur' is no ISO 4217 code"),
        ({"cost": "sheet"}, "cost: 'sheet' is not one of billed, effective"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(journal: Journal, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadQuestion) as error:
        asked(journal, **changes)
    assert str(error.value).startswith(message)

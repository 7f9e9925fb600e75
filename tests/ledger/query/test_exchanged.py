"""Reconciling and allocating in another currency: it adds up, tells its rates, and names what has none."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ledger.journal.journal import Journal
from ledger.query.allocated import answer_allocation, answer_reconcile
from ledger.query.questions import BadQuestion
from meterbook.ledger.v1 import costing_pb2
from meterbook.wire.instants import DAY_US
from tests.fakes.journal import memory_journal
from tests.ledger.serving import DEFINITIONS, FEBRUARY, january

MONTH = costing_pb2.Billing(period="2026-01")
PARTS = ("direct", "driver", "stated", "shared", "idle", "unallocated", "residual")


@pytest.fixture(scope="module")
def journal() -> Iterator[Any]:
    with memory_journal(FEBRUARY + 40 * DAY_US) as found:
        found.define(DEFINITIONS)
        found.send("a", january())
        yield found


def reconcile(journal: Journal, **asked: Any) -> costing_pb2.ReconcileResponse:
    return answer_reconcile(journal, costing_pb2.ReconcileRequest(billing=MONTH, **asked))


def allocation(journal: Journal, **asked: Any) -> costing_pb2.AllocationResponse:
    return answer_allocation(journal, costing_pb2.AllocationRequest(billing=MONTH, **asked))


def test_what_was_billed_in_one_currency(journal: Journal) -> None:
    found = reconcile(journal, currency="USD", by=["service"])
    assert [(row.group["ServiceName"], row.charges, row.billed, row.currency) for row in found.rows] == [
        ("EC2", 3, "8.5", "USD"),
        ("ELB", 1, "4", "USD"),
        ("Support", 1, "4", "USD"),
        ("Tax", 1, "3.75", "USD"),
    ]
    (total,) = found.totals
    assert [getattr(total, name) for name in ("billed", *PARTS)] == ["20.25", "-1.5", "12", "1", "3", "0", "5.75", "0"]
    assert [(row.reason, row.charges, row.amount) for row in found.unallocated] == [
        ("no rule holds for it", 1, "3.75"),
        ("there is no usage of cpu in its hours", 1, "2"),
    ]
    (rate,) = found.rates
    (quotation,) = rate.quotations
    assert (rate.currency, rate.into, rate.rate, quotation.definition, quotation.when) == (
        "EUR",
        "USD",
        "1.25",
        "ecb",
        "2026-01-01",
    )
    assert list(found.problems) == []


@pytest.mark.parametrize("by", [[], ["service"], ["account", "service", "day"]])
def test_rates_without_an_end_leave_no_residual_and_what_is_shown_adds_up(journal: Journal, by: list[str]) -> None:
    found = reconcile(journal, currency="EUR", by=by)
    assert list(found.problems) == []
    for row in (*found.rows, *found.totals):
        assert (row.residual, row.currency) == ("0", "EUR")
        assert sum(Decimal(getattr(row, name)) for name in PARTS) == Decimal(row.billed)
    (total,) = found.totals
    # 14.5 dollars of the first at 0.8, 2 of the second at 1 / 1.2, and 3 euros.
    assert total.billed == "16.266666666666666667"
    assert sum(Decimal(row.billed) for row in found.rows) == Decimal(total.billed)
    assert sum(Decimal(row.amount) for row in found.unallocated) == Decimal(total.unallocated)
    borne = allocation(journal, currency="EUR").rows
    assert sum(Decimal(row.cost) for row in borne) == Decimal(total.billed)
    assert {row.tenant: row.cost for row in borne} == {
        "@shared": "2.4",
        "@unallocated": "4.666666666666666667",
        "acme": "3.6",
        "bcorp": "5.6",
    }
    for row in borne:
        assert sum(map(Decimal, row.parts.values())) == Decimal(row.cost)


def test_the_greatest_are_told_first_in_the_other_currency(journal: Journal) -> None:
    assert [row.group["ServiceName"] for row in reconcile(journal, by=["service"]).rows][-1] == "Tax"
    found = reconcile(journal, currency="EUR", by=["service"], limit=3)
    assert [row.billed for row in found.rows] == ["6.866666666666666667", "3.2", "3.2"]
    assert found.rows_total == 4
    # The sums are those of all.
    assert found.totals[0].charges == 6


def test_what_has_no_rate_stays_and_is_told_by_currency_and_day(journal: Journal) -> None:
    for found in (reconcile(journal, currency="CHF"), allocation(journal, currency="CHF")):
        assert list(found.problems) == [
            "there is no exchange rate of EUR into CHF on 2026-01-01: these amounts stay in EUR; apply exchange-rates that hold then",
            "there is no exchange rate of USD into CHF on 2026-01-01, 2026-01-02: these amounts stay in USD; apply exchange-rates that hold then",
        ]
        assert {row.currency for row in found.rows} == {"EUR", "USD"}
    assert [(row.currency, row.billed) for row in reconcile(journal, currency="CHF").rows] == [
        ("USD", "16.5"),
        ("EUR", "3"),
    ]


def test_without_a_currency_everything_is_as_it_was(journal: Journal) -> None:
    assert [(row.currency, row.billed) for row in reconcile(journal).rows] == [("USD", "16.5"), ("EUR", "3")]
    assert list(reconcile(journal).rates) == list(allocation(journal).rates) == []


def test_another_rate_changes_the_answer_and_not_that_of_before() -> None:
    with memory_journal(FEBRUARY + 40 * DAY_US) as journal:
        journal.define(DEFINITIONS)
        before = journal.send("a", january())
        told = reconcile(journal, currency="USD")  # type: ignore[arg-type]
        rates = "{kind: exchange-rates, name: ecb, spec: {base: EUR, quote: USD, rates: {2026-01: 2}}}"
        journal.define(rates, {"ecb": 2})
        (total,) = reconcile(journal, currency="USD").totals  # type: ignore[arg-type]
        assert total.billed == "22.5"
        assert reconcile(journal, currency="USD", as_of=before) == told  # type: ignore[arg-type]


def test_what_is_no_currency_is_refused(journal: Journal) -> None:
    for ask in (reconcile, allocation):
        with pytest.raises(
            BadQuestion, match=r"currency: 'eur' is no ISO 4217 code of a currency that can be paid in; did you mean"
        ):
            ask(journal, currency="eur")

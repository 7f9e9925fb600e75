"""Answers over gRPC: what they hold, that their parts add up, and that a position answers the same for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from meterbook.ledger.v1 import admin_pb2, query_pb2
from tests.ledger.batches import content, coverage, event, series
from tests.ledger.books import ODD, at, filled
from tests.ledger.running import Running, serving

DAY = query_pb2.Range(start="2026-03-10T10:00:00Z", end="2026-03-10T12:00:00Z")
MARCH = "2026-03-10T00:00:00Z"
#: Every question, as a function of a position.
QUESTIONS: dict[str, Callable[[Running, int], Message]] = {
    "usage": lambda shop, position: shop.query.Usage(query_pb2.UsageRequest(as_of=position)),
    "usage by hour": lambda shop, position: shop.query.Usage(query_pb2.UsageRequest(as_of=position, window="hour")),
    "cost": lambda shop, position: shop.query.Cost(query_pb2.CostRequest(as_of=position)),
    "margin": lambda shop, position: shop.query.Margin(query_pb2.MarginRequest(as_of=position, at=MARCH)),
    "invoice": lambda shop, position: shop.query.Invoice(
        query_pb2.InvoiceRequest(as_of=position, tenant="acme", at=MARCH)
    ),
    "bills": lambda shop, position: shop.query.Bills(query_pb2.BillsRequest(as_of=position)),
    "charges": lambda shop, position: shop.query.Charges(
        query_pb2.ChargesRequest(as_of=position, by=["ServiceName", "Tags.team"])
    ),
    "agents": lambda shop, position: shop.query.Agents(query_pb2.AgentsRequest(as_of=position)),
    "coverage": lambda shop, position: shop.query.Coverage(query_pb2.CoverageRequest(as_of=position)),
    "dead letters": lambda shop, position: shop.query.DeadLetters(query_pb2.DeadLettersRequest(as_of=position)),
    "definitions": lambda shop, position: shop.query.Definitions(query_pb2.DefinitionsRequest(as_of=position)),
}


def quantities(rows: Any, *names: str) -> Counter[Any]:
    """Quantities added up by some fields of the rows."""
    sums: Counter[Any] = Counter()
    for row in rows:
        sums[tuple(getattr(row, name) for name in names)] += Decimal(row.quantity)  # type: ignore[assignment]
    return sums


def refused(ask: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        ask()
    return error.value.code(), error.value.details()  # type: ignore[attr-defined]


def test_usage(shop: Running) -> None:
    rows = shop.query.Usage(query_pb2.UsageRequest(range=DAY)).rows
    found = [(row.meter, row.tenant, dict(row.dimensions), row.quantity, row.unit, row.coverage) for row in rows]
    assert found == [
        ("memory", "@shared", {}, "3600000417600", "byte-seconds", "0.8333"),
        ("requests", "acme", {"code": "200", "pod": "p-1"}, "1176", "requests", "0.8333"),
        ("requests", ODD, {"code": "200"}, "15", "requests", "1"),
        ("sales", "@unassigned", {}, "-1", "items", ""),
        ("sales", "acme", {}, "2.500000001", "items", ""),
        ("unpriced", "@unassigned", {}, "1", "sales", ""),
        ("unpriced", "acme", {"size": "3"}, "1", "sales", ""),
        ("unpriced", "acme", {"size": "xl"}, "1", "sales", ""),
    ]


def test_hours_sum_to_days_and_days_to_the_total(shop: Running) -> None:
    by_window = {
        window: shop.query.Usage(query_pb2.UsageRequest(window=window)).rows for window in ("hour", "day", "total")
    }
    total = quantities(by_window["total"], "meter", "tenant")
    assert quantities(by_window["hour"], "meter", "tenant") == quantities(by_window["day"], "meter", "tenant") == total
    assert {row.window for row in by_window["day"]} == {"2026-03-10T00:00:00Z"}
    assert {row.window for row in by_window["hour"]} == {"2026-03-10T10:00:00Z", "2026-03-10T11:00:00Z"}


def test_pages_are_parts_of_the_whole(shop: Running) -> None:
    whole = shop.query.Usage(query_pb2.UsageRequest(window="hour"))
    assert whole.rows_total == len(whole.rows) > 5
    pages = [
        shop.query.Usage(query_pb2.UsageRequest(as_of=whole.as_of, window="hour", limit=3, offset=offset))
        for offset in range(0, len(whole.rows), 3)
    ]
    assert [row for page in pages for row in page.rows] == list(whole.rows)
    assert {page.rows_total for page in pages} == {whole.rows_total}
    assert not shop.query.Usage(query_pb2.UsageRequest(offset=1_000)).rows


@pytest.mark.parametrize("window", ["minute", "day", "week", "month", "quarter", "year"])
def test_windows_of_a_zone_sum_to_the_total_over_all_time(shop: Running, window: str) -> None:
    # From the first year to the last: what stands there is a mistake, and no window is too far.
    ever = query_pb2.Range(start="0001-01-01", end="9999-12-31T23:59:59Z")
    asked = {"meters": ["requests", "sales"], "range": ever, "zone": "Asia/Kolkata"}
    total = quantities(shop.query.Usage(query_pb2.UsageRequest(**asked)).rows, "meter", "tenant")  # type: ignore[arg-type]
    rows = shop.query.Usage(query_pb2.UsageRequest(window=window, **asked)).rows  # type: ignore[arg-type]
    assert quantities(rows, "meter", "tenant") == total
    assert all(row.window for row in rows)


def test_tenants_sum_to_all(shop: Running) -> None:
    everybody = shop.query.Usage(query_pb2.UsageRequest()).rows
    alone = [
        row
        for tenant in ("acme", ODD, "@shared", "@unassigned")
        for row in shop.query.Usage(query_pb2.UsageRequest(tenants=[tenant])).rows
    ]
    assert sorted(alone, key=str) == sorted(everybody, key=str)


def test_cost_lines_sum_to_the_totals_and_follow_from_the_usage(shop: Running) -> None:
    cost = shop.query.Cost(query_pb2.CostRequest())
    sums: Counter[str] = Counter()
    for row in cost.rows:
        assert Decimal(row.cost) == Decimal(row.quantity) * Decimal(row.unit_price)
        sums[row.currency] += Decimal(row.cost)  # type: ignore[assignment]
    assert {currency: Decimal(amount) for currency, amount in cost.totals.items()} == sums
    assert list(cost.unpriced) == ["unpriced"]
    used = quantities(shop.query.Usage(query_pb2.UsageRequest()).rows, "meter", "tenant")
    priced = quantities([row for row in cost.rows if row.price_sheet == "nodes"], "meter", "tenant")
    assert priced == {key: amount for key, amount in used.items() if key[0] != "unpriced"}
    # The sheet changes at half past ten; the hour of ten is priced, whole and once, as it began.
    assert [(row.quantity, row.unit_price) for row in cost.rows if (row.tenant, row.price_sheet) == (ODD, "nodes")] == [
        ("7.5", "0.0001"),
        ("7.5", "0.0002"),
    ]


def test_invoice_lines_sum_to_the_total_and_margins_to_revenue_less_cost(shop: Running) -> None:
    (draft,) = shop.query.Invoice(query_pb2.InvoiceRequest(tenant="acme", at=MARCH)).invoices
    assert sum(Decimal(line.amount) for line in draft.lines) == Decimal(draft.total) == Decimal("11.92")
    assert (draft.billed.start, draft.billed.end) == ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")
    margin = shop.query.Margin(query_pb2.MarginRequest(at=MARCH)).rows
    costs = shop.query.Cost(query_pb2.CostRequest()).totals
    for currency in ("EUR", "USD"):
        spent = sum(Decimal(row.cost) for row in margin if row.currency == currency)
        assert spent == Decimal(costs[currency])
    assert sum(Decimal(row.revenue) for row in margin) == Decimal(draft.total)
    for row in margin:
        assert row.margin == "" or Decimal(row.margin) == Decimal(row.revenue) - Decimal(row.cost)


def test_coverage_and_its_gaps(shop: Running) -> None:
    rows = {row.source: row for row in shop.query.Coverage(query_pb2.CoverageRequest(range=DAY)).rows}
    assert {name: (row.observed_s, row.expected_s, row.coverage) for name, row in rows.items()} == {
        "prometheus/shop": ("6000", "7200", "0.8333"),
        "prometheus/two": ("7200", "7200", "1"),
    }
    (gap,) = rows["prometheus/shop"].gaps
    assert (gap.start, gap.end) == ("2026-03-10T11:00:00Z", "2026-03-10T11:20:00Z")
    assert (gap.status, gap.reason) == ("failed", "timeout after 5 s")
    one = shop.query.Coverage(query_pb2.CoverageRequest(range=DAY, sources=["prometheus/two"] * 2)).rows
    assert [row.source for row in one] == ["prometheus/two"]


def test_dead_letters_agents_and_definitions(shop: Running) -> None:
    letters = shop.query.DeadLetters(query_pb2.DeadLettersRequest())
    assert letters.total == 2 and [row.agent for row in letters.rows] == ["late-agent", "shop-agent"]
    assert letters.rows[1].document == "garbage \x1b[31m\nred"
    assert len(shop.query.DeadLetters(query_pb2.DeadLettersRequest(limit=1)).rows) == 1
    agents = shop.query.Agents(query_pb2.AgentsRequest()).rows
    assert [(row.agent, row.sequence, row.samples, row.events) for row in agents] == [
        ("late-agent", 1, 1, 0),
        ("shop-agent", 1, 93, 4),
    ]
    sheets = shop.query.Definitions(query_pb2.DefinitionsRequest(kind="price-sheet")).rows
    assert [(row.name, row.version, row.effective_from, row.author) for row in sheets] == [
        ("licence", 1, "", "ada"),
        ("nodes", 1, "", "ada"),
        ("nodes", 2, "2026-03-10T10:30:00Z", "ada"),
    ]


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        (query_pb2.Range(start="2020-01-01", end="2020-01-02"), 0),
        (query_pb2.Range(end="2020-01-02"), 0),
        (query_pb2.Range(start="9999-12-31T23:59:59.999999Z"), 0),
        (query_pb2.Range(start="9999-12-31", end="9999-12-31T23:59:59.999999Z"), 0),
        (query_pb2.Range(start="0001-01-01", end="9999-12-31T23:59:59.999999Z"), 8),
        (query_pb2.Range(start="2026-03-10T10:00:00Z", end="2026-03-10T10:00:00Z"), 0),
        (query_pb2.Range(start="2026-03-10T10:30:00Z", end="2026-03-10T10:30:00Z"), 8),
        (query_pb2.Range(start="2026-03-10T12:30:00+02:30", end="2026-03-10T10:00:01Z"), 8),
    ],
)
def test_ranges_at_the_edges(shop: Running, asked: query_pb2.Range, rows: int) -> None:
    assert len(shop.query.Usage(query_pb2.UsageRequest(range=asked)).rows) == rows
    shop.query.Cost(query_pb2.CostRequest(range=asked))
    shop.query.Coverage(query_pb2.CoverageRequest(range=asked))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda shop: shop.query.Usage(query_pb2.UsageRequest(window="age")), "window: 'age' is not one of total, own, minute, hour, day, week, month, quarter, year"),
        (lambda shop: shop.query.Usage(query_pb2.UsageRequest(limit=-1)), "limit: -1 is not between 1 and 100000"),
        (lambda shop: shop.query.Usage(query_pb2.UsageRequest(offset=-1)), "offset: -1 is less than 0"),
        (lambda shop: shop.query.Usage(query_pb2.UsageRequest(window="day", zone="Mars")), "zone: 'Mars' is not an IANA time zone"),
        (lambda shop: shop.query.Usage(query_pb2.UsageRequest(meters=["request"])), "meters: there is no meter 'request'; did you mean 'requests'?"),
        (lambda shop: shop.query.Usage(query_pb2.UsageRequest(meters=["x"])), "meters: there is no meter 'x'; there are memory, requests, sales, unpriced"),
        (lambda shop: shop.query.Usage(query_pb2.UsageRequest(tenants=["acmee"])), "tenants: there is no tenant 'acmee'; did you mean 'acme'?"),
        (lambda shop: shop.query.Cost(query_pb2.CostRequest(tenants=["acmee"])), "tenants: there is no tenant 'acmee'; did you mean 'acme'?"),
        (lambda shop: shop.query.Margin(query_pb2.MarginRequest(tenants=["acmee"])), "tenants: there is no tenant 'acmee'; did you mean 'acme'?"),
        (lambda shop: shop.query.Usage(query_pb2.UsageRequest(as_of=-1)), "as_of: position -1 is not in the book, which ends at 8"),
        (lambda shop: shop.query.Usage(query_pb2.UsageRequest(as_of=2**62)), f"as_of: position {2**62} is not in the book, which ends at 8"),
        (lambda shop: shop.query.Cost(query_pb2.CostRequest(range=query_pb2.Range(start="now"))), "range.start: 'now' is not an RFC 3339 time such as 2026-01-31T09:30:00Z"),
        (lambda shop: shop.query.Cost(query_pb2.CostRequest(range=query_pb2.Range(start="2026-02-01", end="2026-01-01"))), "range.end: 2026-01-01T00:00:00Z is before range.start 2026-02-01T00:00:00Z; give an end that is not before the start"),
        (lambda shop: shop.query.Invoice(query_pb2.InvoiceRequest()), "tenant: name the tenant whose invoice is to be drafted"),
        (lambda shop: shop.query.Invoice(query_pb2.InvoiceRequest(tenant="acme", at="9999-12-31")), "at: 9999-12-31T00:00:00Z has no billing period; give a time of the years 2 to 9998"),
        (lambda shop: shop.query.Margin(query_pb2.MarginRequest(at="0001-01-01")), "at: 0001-01-01T00:00:00Z has no billing period; give a time of the years 2 to 9998"),
        (lambda shop: shop.query.Coverage(query_pb2.CoverageRequest(sources=["x"])), "sources: there is no source 'x'; there are prometheus/shop, prometheus/two"),
        (lambda shop: shop.query.DeadLetters(query_pb2.DeadLettersRequest(limit=-1)), "limit: -1 is not between 1 and 10000"),
        (lambda shop: shop.query.Definitions(query_pb2.DefinitionsRequest(kind="metre")), "kind: there is no kind 'metre'; did you mean 'meter'?"),
        (lambda shop: shop.admin.Apply(admin_pb2.ApplyRequest()), "author: say who applies"),
    ],
)  # fmt: skip
def test_a_bad_question_is_told_what_is_wrong(shop: Running, ask: Callable[[Running], object], message: str) -> None:
    assert refused(lambda: ask(shop)) == (grpc.StatusCode.INVALID_ARGUMENT, message)


@pytest.mark.slow
def test_a_position_answers_the_same_for_ever(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        filled(running, tmp_path)
        end = running.query.Agents(query_pb2.AgentsRequest()).as_of
        asked = [(name, position) for name in QUESTIONS for position in (2, end) if name != "invoice"]
        asked.append(("invoice", end))

        def answers() -> dict[Any, bytes]:
            return {
                (name, position): QUESTIONS[name](running, position).SerializeToString(deterministic=True)
                for name, position in asked
            }

        before = answers()
        assert before["usage", end] == running.query.Usage(query_pb2.UsageRequest()).SerializeToString(
            deterministic=True
        )
        running.send(
            content(
                series=[series(1, since=at(20), tenant="blue", attributes='{"pod":"p-1"}')],
                samples=[(1, at(10.5), 1.0), (2, at(500), 2e15)],
                events=[event(9, time=at(30)), event(1, time=at(0))],
                coverage=[coverage(0, start=at(-50), end=at(300)), coverage(0, source="new", start=at(0), end=at(1))],
                dead_letters=[("x", "y", "z", "w")],
            ),
            agent="third",
        )
        running.apply(
            tmp_path, "kind: meter\nname: requests\nspec: {source: {event: sale}, aggregation: count, unit: requests}\n"
        )
        running.cli("book")
        assert answers() == before
        assert QUESTIONS["usage"](running, 0).SerializeToString(deterministic=True) != before["usage", end]
    with serving(tmp_path / "store") as running:
        assert answers() == before


def test_an_empty_book_answers_everything(tmp_path: Path) -> None:
    """It holds nothing but the record that names its key."""
    with serving(tmp_path / "store") as running:
        for name, ask in QUESTIONS.items():
            if name != "invoice":
                answer: Any = ask(running, 0)
                assert (answer.as_of, list(answer.rows)) == (1, []), name
        assert running.admin.Book(admin_pb2.BookRequest()) == admin_pb2.BookResponse(position=1)
        *_, last = running.query.Verify(query_pb2.VerifyRequest())
        assert (last.verdict.holds, last.verdict.position, last.verdict.batches) == (True, 1, 0)
        message = "tenant: tenant 'acme' has no subscription in the billing period "
        code, details = refused(lambda: running.query.Invoice(query_pb2.InvoiceRequest(tenant="acme")))
        assert code is grpc.StatusCode.INVALID_ARGUMENT and details.startswith(message)
        asked = query_pb2.Range(start="2026-01-01")
        assert list(running.query.Usage(query_pb2.UsageRequest(range=asked)).rows) == []

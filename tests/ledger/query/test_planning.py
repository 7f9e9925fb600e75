"""Plans are tried on a ledger that serves: every number here was computed by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterbook.ledger.v1 import invoicing_pb2, query_pb2
from meterbook.ledger.v1.invoicing_pb2_grpc import InvoicingStub
from meterbook.wire import instants
from tests.ledger.batches import content, coverage, event
from tests.ledger.running import Running, run_cli, serving

BOOK = """\
kind: meter
name: calls
spec: {source: {event: call}, aggregation: sum, unit: calls, group_by: [region]}
---
kind: meter
name: stored
spec: {source: {event: store}, aggregation: sum, unit: GB}
---
kind: plan
name: team
spec:
  currency: EUR
  flat_fee: 10
  charges:
    - {meter: calls, tiers: [{up_to: 1000, unit_price: 0.01}, {unit_price: 0.005}]}
---
{kind: plan, name: lonely, spec: {currency: EUR}}
---
{kind: plan, name: yearly, spec: {currency: EUR, interval: year}}
---
{kind: plan, name: dollars, spec: {currency: USD, flat_fee: 30}}
---
{kind: plan, name: free, spec: {currency: EUR}}
---
{kind: tenant, name: acme, spec: {timezone: Europe/Berlin}}
---
{kind: tenant, name: bcorp, spec: {}}
---
{kind: tenant, name: idle, spec: {}}
---
{kind: subscription, name: acme-team, spec: {tenant: acme, plan: team, start: 2026-02-01}}
---
{kind: subscription, name: bcorp-team, spec: {tenant: bcorp, plan: team, start: 2026-02-15}}
---
{kind: subscription, name: idle-free, spec: {tenant: idle, plan: free, start: 2026-02-01}}
"""
DEARER = """\
kind: plan
name: team
spec:
  currency: EUR
  flat_fee: 20
  charges:
    - {meter: calls, tiers: [{unit_price: 0.002}]}
"""
STORING = DEARER + "    - {meter: stored, tiers: [{unit_price: 1}]}\n"


def used(number: int, tenant: str, time: str, quantity: int) -> tuple[Any, ...]:
    return event(
        number,
        type="call",
        tenant=tenant,
        time=instants.parse(time),
        value=Decimal(quantity),
        properties='{"region":"eu"}',
    )


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("planning")
    with serving(folder / "store") as running:
        running.apply(folder, BOOK)
        running.send(
            content(
                events=[
                    used(1, "acme", "2026-02-10T10:00:00Z", 100),
                    # In Berlin it is March already.
                    used(2, "acme", "2026-02-28T23:30:00Z", 500),
                    used(3, "acme", "2026-03-10T10:00:00Z", 1000),
                    used(4, "bcorp", "2026-03-11T10:00:00Z", 300),
                    used(5, "acme", "2026-04-02T10:00:00Z", 7),
                ],
                coverage=[
                    coverage(0, source="log", start=instants.parse("2026-02-01"), end=instants.parse("2026-04-03"))
                ],
            )
        )
        running.cli("book")
        yield running


def simulated(book: Running, folder: Path, text: str, *arguments: str) -> Any:
    file = folder / "plan.yaml"
    file.write_text(text)
    return book.json("plan", "simulate", str(file), "--period", "2026-03", *arguments)


def row(currency: str, now: str, then: str, difference: str, percent: str, **group: str) -> dict[str, Any]:
    found = {"group": group, "currency": currency, "now": now, "then": then, "difference": difference}
    return found | {"percent": percent}


def test_revenue_side_by_side(book: Running, tmp_path: Path) -> None:
    before = book.json("usage")["as_of"]
    found = simulated(book, tmp_path, DEARER)
    # acme: 10 + 1000 x 0.01 + 500 x 0.005 = 22.50, and 20 + 1500 x 0.002 = 23; bcorp: 10 + 3 = 13, and 20 + 0.60.
    assert found["rows"] == [
        row("EUR", "13.00", "20.60", "7.60", "58.46", tenant="bcorp"),
        row("EUR", "22.50", "23.00", "0.50", "2.22", tenant="acme"),
    ]
    assert found["totals"] == [row("EUR", "35.50", "43.60", "8.10", "22.82")]
    assert (found["rated"], found["rows_total"], found["problems"]) == (2, 2, [])
    assert found["notes"] == ["1 tenants are on plans that do not change, and are left out"]
    assert found["as_of"] == before == book.json("usage")["as_of"], "nothing is written"
    drafts = book.json("plan", "simulate", str(tmp_path / "plan.yaml"), "--period", "2026-03", "--as-of", str(before))
    assert drafts == found


def test_now_is_what_the_draft_is(book: Running, tmp_path: Path) -> None:
    found = simulated(book, tmp_path, DEARER, "--tenant", "acme")
    draft = book.query.Invoice(query_pb2.InvoiceRequest(tenant="acme", at="2026-03-10T00:00:00Z")).invoices[0]
    assert [each["now"] for each in found["rows"]] == [draft.total]
    assert found["totals"] == [row("EUR", "22.50", "23.00", "0.50", "2.22")]


def test_by_product_and_by_plan(book: Running, tmp_path: Path) -> None:
    assert simulated(book, tmp_path, DEARER, "--by", "product")["rows"] == [
        row("EUR", "20.00", "40.00", "20.00", "100.00", product="flat fee"),
        row("EUR", "15.50", "3.60", "-11.90", "-76.77", product="calls"),
    ]
    both = simulated(book, tmp_path, DEARER, "--by", "plan,product")["rows"]
    assert [each["group"] for each in both] == [
        {"plan": "team", "product": "flat fee"},
        {"plan": "team", "product": "calls"},
    ]


def test_rows_are_limited_and_totals_are_not(book: Running, tmp_path: Path) -> None:
    found = simulated(book, tmp_path, DEARER, "--limit", "1")
    assert (len(found["rows"]), found["rows_total"]) == (1, 2)
    assert found["totals"] == [row("EUR", "35.50", "43.60", "8.10", "22.82")]


def test_a_later_version_does_not_shine_through(book: Running, tmp_path: Path) -> None:
    dated = DEARER.replace("name: team\n", "name: team\neffective_from: 2026-08-01\n")
    assert simulated(book, tmp_path, dated)["totals"] == [row("EUR", "35.50", "43.60", "8.10", "22.82")]


def test_a_billing_period_that_is_not_over_is_told(book: Running, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(DEARER)
    found = book.json("plan", "simulate", str(file), "--period", "2998-03", "--tenant", "acme")
    assert found["rows"] == [row("EUR", "10.00", "20.00", "10.00", "100.00", tenant="acme")]
    assert found["notes"][0] == "nobody used anything of meter 'calls' of plan 'team' in 2998-03"
    assert found["notes"][1].startswith("1 billing periods are not over at 20")


def test_another_plan_for_those_who_have_one(book: Running, tmp_path: Path) -> None:
    found = book.json("plan", "simulate", "--period", "2026-03", "--plan", "free=team", "--plan", "team=lonely")
    assert found["totals"] == [row("EUR", "35.50", "10.00", "-25.50", "-71.83")]
    assert [each["group"]["tenant"] for each in found["rows"]] == ["acme", "bcorp", "idle"]
    # A candidate under another name, tried on those who would be moved to it.
    file = tmp_path / "new.yaml"
    file.write_text(DEARER.replace("name: team", "name: team-2027"))
    found = book.json("plan", "simulate", str(file), "--period", "2026-03", "--plan", "team=team-2027")
    assert found["totals"] == [row("EUR", "35.50", "43.60", "8.10", "22.82")]


def test_another_currency_is_never_subtracted(book: Running) -> None:
    found = book.json("plan", "simulate", "--period", "2026-03", "--plan", "team=dollars", "--tenant", "acme")
    assert found["rows"] == [
        row("EUR", "22.50", "", "", "", tenant="acme"),
        row("USD", "", "30.00", "", "", tenant="acme"),
    ]


def test_a_plan_without_subscribers(book: Running, tmp_path: Path) -> None:
    found = simulated(book, tmp_path, DEARER.replace("name: team", "name: lonely"))
    assert (found["rows"], found["totals"], found["rated"]) == ([], [], 0)
    assert found["notes"] == [
        "nobody has a billing period on plan 'lonely' that begins in 2026-03: it changes nothing there",
        "3 tenants are on plans that do not change, and are left out",
    ]


def test_of_tenants_that_are_asked_for_it_is_told_why_they_have_no_row(book: Running, tmp_path: Path) -> None:
    found = simulated(book, tmp_path, DEARER, "--tenant", "idle", "--tenant", "@shared")
    assert (found["rows"], found["rated"]) == ([], 0)
    assert found["notes"] == [
        "none of these tenants has a billing period on plan 'team' that begins in 2026-03: it changes nothing there",
        "tenant 'idle' is on no plan that changes",
        "tenant '@shared' has no billing period that begins in 2026-03",
    ]


def test_a_meter_that_was_never_booked_is_told(book: Running, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(STORING)
    result = run_cli("plan", "simulate", str(file), "--period", "2026-03", "--ledger", book.address)
    assert result.exit_code == 1
    assert result.stderr == (
        "problem: meter 'stored' of plan 'team' was never booked: what goes by it is rated as if nobody used it\n"
    )
    assert "35.50  43.60" in re.sub(r"  +", "  ", result.stdout)


def test_a_meter_that_is_not_in_the_book_is_measured(book: Running, tmp_path: Path) -> None:
    meter = "kind: meter\nname: requests\nspec: {source: {event: EVENT}, aggregation: count, unit: requests}\n---\n"
    plan = DEARER.replace("meter: calls", "meter: requests")
    found = simulated(book, tmp_path, meter.replace("EVENT", "call") + plan)
    # acme called twice in its March, bcorp once: 20 + 2 x 0.002 is rounded to 20.
    assert found["totals"] == [row("EUR", "35.50", "40.00", "4.50", "12.68")]
    assert "meter 'requests' is not in the book: it was measured as these files define it" in found["notes"]
    (tmp_path / "plan.yaml").write_text(meter.replace("EVENT", "nothing") + plan)
    result = run_cli("plan", "simulate", str(tmp_path / "plan.yaml"), "--period", "2026-03", "--ledger", book.address)
    assert result.exit_code == 1
    assert (
        "problem: meter 'requests' of plan 'team' is not in the book, and measures nothing of 2026-03" in result.stderr
    )


def test_what_cannot_be_rated_is_left_out_of_both_sides(book: Running, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(
        "kind: plan\nname: team\nspec: {currency: EUR, products: [{name: p, prices: [{name: a, meter: calls, "
        "charge: {model: matrix, cells: [{where: {region: us}, unit_price: 1}]}}]}]}"
    )
    result = run_cli(
        "plan", "simulate", str(file), "--period", "2026-03", "--tenant", "bcorp", "--ledger", book.address
    )
    assert result.exit_code == 1
    assert "note:" not in result.stdout
    assert result.stderr.startswith(
        "problem: subscription 'bcorp-team' of tenant 'bcorp' is left out: there is no price for the 300 used"
    )


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (DEARER, ["--tenant", "acmee"], "tenants: there is no tenant 'acmee'; did you mean 'acme'?"),
        (DEARER, ["--plan", "teem=free"], "plans: there is no plan 'teem'; did you mean 'team'?"),
        (DEARER, ["--plan", "team=free", "--plan", "team=lonely"], "plans: 'team' is to be rated as 'free' and as 'lonely': name one"),
        (DEARER, ["--plan", "team=yearly"], "plans: 'team' is billed by the month from the calendar, 'yearly' by the year from the calendar:"),
        (DEARER, ["--by", "meter"], "by: 'meter' is not one of tenant, plan, product"),
        (DEARER, ["--period", "March"], "period: 'March' is neither a month such as 2026-03"),
        (DEARER, ["--period", "2024-01-01/2026-01-01"], "period: '2024-01-01/2026-01-01' is longer than a year"),
        (DEARER.replace("flat_fee", "flat_fees"), [], "{file}:5: spec.flat_fees: 'flat_fees' is not a known key; did you mean 'flat_fee'?"),
        (DEARER.replace("calls", "cals"), [], "{file}:7: spec.charges[0].meter: there is no meter 'cals'; did you mean 'calls'?"),
        ("{kind: tenant, name: t, spec: {}}", [], "manifests: there is no plan to rate by;"),
    ],
)  # fmt: skip
def test_a_mistake_is_told(book: Running, tmp_path: Path, text: str, arguments: list[str], message: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(text)
    told = book.error("plan", "simulate", str(file), *["--period", "2026-03"], *arguments)
    assert told.startswith(message.format(file=file))


def test_a_replacement_needs_both_names(book: Running) -> None:
    result = run_cli("plan", "simulate", "--period", "2026-03", "--plan", "team=", "--ledger", book.address)
    assert result.exit_code == 2 and "'team=' is not NAME=OTHER" in result.stderr


def test_diff_says_what_changes_for_whom(book: Running, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(DEARER.replace("name: team\n", "name: team\neffective_from: 2026-03-10\n"))
    found = book.json("plan", "diff", str(file))
    (plan,) = found["plans"]
    assert found["changes"] == [{"kind": "plan", "name": "team", "version": 2, "outcome": "changed"}]
    assert (plan["outcome"], plan["version"], plan["before"]) == ("changed", 2, 1)
    assert (plan["since"], plan["until"]) == ("2026-03-10T00:00:00Z", "")
    assert [each["sentence"] for each in plan["differences"]] == [
        "price 'flat fee': the amount goes from 10 to 20",
        "price 'calls': the end of tier 1 is removed, it was 1000",
        "price 'calls': the unit price of tier 1 goes from 0.01 to 0.002",
        "price 'calls': tier 2 is removed, it was unit_price 0.005, amount 0",
    ]
    # It holds from the next billing period on, which begins in each tenant's own zone.
    assert plan["subscriptions"] == [
        {"tenant": "acme", "subscription": "acme-team", "since": "2026-03-31T22:00:00Z", "state": "now"},
        {"tenant": "bcorp", "subscription": "bcorp-team", "since": "2026-04-01T00:00:00Z", "state": "now"},
    ]
    assert (plan["subscriptions_total"], plan["tenants_total"], plan["corrected_total"]) == (2, 2, 0)
    assert "plan team: changed, version 2 from 2026-03-10T00:00:00Z on, in place of version 1" in book.cli(
        "plan", "diff", str(file)
    )
    assert book.json("definitions", "--kind", "plan")["as_of"] == found["as_of"], "nothing is written"


def test_diff_of_what_is_there_and_of_what_is_new(book: Running, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(BOOK.split("---\n")[2] + "---\n" + DEARER.replace("name: team", "name: team-2027"))
    same, new = book.json("plan", "diff", str(file))["plans"]
    assert (same["outcome"], same["differences"], same["subscriptions_total"]) == ("unchanged", [], 0)
    assert (new["outcome"], new["before"], new["subscriptions_total"]) == ("created", 0, 0)
    assert "price 'calls' is added: graduated of meter 'calls', tiers [unit_price 0.002, amount 0]" in [
        each["sentence"] for each in new["differences"]
    ]
    assert "nobody is on it in that time" in book.cli("plan", "diff", str(file))


def test_diff_names_the_invoices_that_would_be_corrected(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as running:
        running.apply(tmp_path, BOOK)
        running.send(
            content(
                events=[used(1, "acme", "2026-02-10T10:00:00Z", 100), used(2, "bcorp", "2026-02-20T10:00:00Z", 9)],
                coverage=[
                    coverage(0, source="log", start=instants.parse("2026-01-01"), end=instants.parse("2026-04-03"))
                ],
            )
        )
        running.cli("book")
        stub = InvoicingStub(running.channel)
        asked = invoicing_pb2.FinalizeRequest(
            at="2026-02-20T00:00:00Z", tenants=["acme"], author="ada", force=True, reason="a test"
        )
        assert [each.outcome for each in stub.Finalize(asked)] == ["finalized"]
        file = tmp_path / "plan.yaml"
        file.write_text(DEARER)
        (plan,) = running.json("plan", "diff", str(file))["plans"]
        # 10 + 100 x 0.01 was invoiced, and 20 + 100 x 0.002 would be charged.
        (corrected,) = plan["corrected"]
        assert [corrected[key] for key in ("tenant", "now", "then", "difference", "currency")] == [
            "acme", "11.00", "20.20", "9.20", "EUR",
        ]  # fmt: skip
        assert (plan["corrected_total"], plan["subscriptions_total"]) == (1, 2)
        assert "1 finalized invoices are of billing periods that it would be charged for" in running.cli(
            "plan", "diff", str(file)
        )
        file.write_text(DEARER.replace("EUR", "USD"))
        result = run_cli("plan", "diff", str(file), "--ledger", running.address)
        assert result.exit_code == 1 and "EUR would become USD" in result.stderr
        # Dated after what was invoiced it corrects nothing.
        file.write_text(DEARER.replace("name: team\n", "name: team\neffective_from: 2026-02-02\n"))
        (plan,) = running.json("plan", "diff", str(file))["plans"]
        assert (plan["corrected_total"], plan["subscriptions_total"]) == (0, 2)

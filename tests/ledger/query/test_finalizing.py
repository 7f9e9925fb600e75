"""Finalizing: each draft once, numbered without gaps, never changed after, and computed again to the byte."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.journal.journal import Journal
from ledger.metering.booking import Booker
from ledger.query.applying import Applier
from ledger.query.finalizing import Finalizer
from ledger.query.invoices import answer_explain_line, answer_final_invoice, answer_invoices, answer_verify_invoice
from ledger.query.questions import BadQuestion
from meterbook.ledger.v1 import admin_pb2, invoicing_pb2
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import append, content, coverage, event, opened

NOW = instants.parse("2026-04-02")
HOUR, DAY = instants.HOUR_US, instants.DAY_US
BOOK = """\
kind: meter
name: requests
spec: {source: {event: request}, aggregation: sum, unit: requests, gate: 0.9}
---
kind: plan
name: team
spec:
  currency: EUR
  products:
    - name: api
      prices:
        - name: fee
          charge: {model: flat, amount: 10}
        - name: requests
          meter: requests
          charge: {model: graduated, tiers: [{up_to: 100, unit_price: 0.01}, {unit_price: 0.005}]}
---
{kind: tenant, name: acme, spec: {timezone: Europe/Berlin}}
---
{kind: tenant, name: bcorp, spec: {}}
---
{kind: credit, name: goodwill, spec: {tenant: bcorp, amount: 15, currency: EUR, reason: an outage}}
---
{kind: subscription, name: acme-team, spec: {tenant: acme, plan: team, start: 2026-02-01}}
---
{kind: subscription, name: bcorp-one, spec: {tenant: bcorp, plan: team, start: 2026-03-01}}
---
{kind: subscription, name: bcorp-zero, spec: {tenant: bcorp, plan: team, start: 2026-02-01, end: 2026-03-01}}
"""


def used(number: int, tenant: str, day: str, quantity: int) -> tuple[Any, ...]:
    return event(number, type="request", tenant=tenant, time=instants.parse(day), value=Decimal(quantity))


def watched(start: str = "2026-01-01", end: str = "2026-04-02") -> tuple[Any, ...]:
    return coverage(0, source="logfile", start=instants.parse(start), end=instants.parse(end))


FIRST = content(
    events=[
        used(1, "acme", "2026-02-10", 50),
        used(2, "acme", "2026-03-10", 300),
        used(3, "bcorp", "2026-03-11", 1000),
    ],
    coverage=[watched()],
)


def finalizer(journal: Any, now_us: int = NOW) -> Finalizer:
    return Finalizer(journal, Booker(journal), 0, lambda: now_us)


def run(journal: Any, now_us: int = NOW, **asked: Any) -> list[invoicing_pb2.FinalizeResponse]:
    request = invoicing_pb2.FinalizeRequest(**({"author": "ada"} | asked))
    return list(finalizer(journal, now_us).finalize(request, "operator oz"))


def told(answers: list[invoicing_pb2.FinalizeResponse]) -> list[tuple[str, str, str, str]]:
    return [(each.outcome, each.subscription, each.invoice.id, each.invoice.total) for each in answers]


def document(journal: Any, id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer_final_invoice(journal, invoicing_pb2.FinalInvoiceRequest(id=id)).document)
    return found


def assert_all_hold(journal: Any) -> None:
    found = answer_invoices(journal, invoicing_pb2.InvoicesRequest()).invoices
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    for each in found:
        verified = answer_verify_invoice(journal, invoicing_pb2.VerifyInvoiceRequest(id=each.id))
        assert verified.holds, verified.differences


@pytest.fixture
def book() -> Any:
    with memory_journal(NOW - HOUR) as journal:
        journal.define(BOOK)
        journal.send("one", FIRST)
        yield journal


def test_everything_that_is_due_is_finalized_in_order(book: MemoryJournal) -> None:
    assert told(run(book)) == [
        ("finalized", "acme-team", "INV-000001", "10.50"),
        ("finalized", "bcorp-zero", "INV-000002", "0.00"),
        ("finalized", "acme-team", "INV-000003", "12.00"),
        # 10 + 1 + 4.50, less what is left of the credit of 15.
        ("finalized", "bcorp-one", "INV-000004", "10.50"),
    ]
    assert run(book) == []
    assert_all_hold(book)


def test_one_period_of_one_tenant(book: MemoryJournal) -> None:
    assert told(run(book, at="2026-02-10", tenants=["acme"])) == [("finalized", "acme-team", "INV-000001", "10.50")]
    (again,) = run(book, at="2026-02-10", tenants=["acme"])
    assert (again.outcome, again.invoice.id, again.invoice.author) == ("already", "INV-000001", "ada")
    with pytest.raises(BadQuestion, match="has not ended"):
        run(book, at="2026-04-01", tenants=["acme"])


def test_late_usage_stands_on_the_next_invoice_and_names_what_it_corrects(book: MemoryJournal) -> None:
    run(book, at="2026-02-10", tenants=["acme"])
    before = document(book, "INV-000001")
    book.send("two", content(events=[used(9, "acme", "2026-02-11", 100)]))
    (march,) = run(book, tenants=["acme"])
    lines = document(book, march.invoice.id)["lines"]
    (corrected,) = [line for line in lines if line["corrects"]]
    # 150 requests are 1.25, and 50 were charged 0.50.
    assert (corrected["corrects"], corrected["amount"], corrected["invoiced"]) == ("INV-000001", "0.75", "0.50")
    assert corrected["period"]["start"] == "2026-01-31T23:00:00Z"
    assert document(book, "INV-000001") == before
    assert_all_hold(book)


def test_a_correction_of_its_own_is_a_credit_note(book: MemoryJournal) -> None:
    run(book, tenants=["acme"])
    request = invoicing_pb2.CorrectRequest(tenant="acme", subscription="acme-team", author="ada", reason="asked for")
    assert finalizer(book).correct(request, "oz").outcome == "nothing"
    book.define(BOOK.replace("amount: 10}", "amount: 4}").split("---\n")[1])
    made = finalizer(book).correct(request, "oz")
    assert (made.outcome, made.invoice.kind, made.invoice.id, made.invoice.total) == (
        "finalized",
        "credit-note",
        "INV-000003",
        "-12.00",
    )
    assert finalizer(book).correct(request, "oz").outcome == "nothing"
    assert_all_hold(book)


def test_what_was_not_observed_is_in_the_way() -> None:
    lost = coverage(1, "failed", source="logfile", start=instants.parse("2026-02-01"), end=instants.parse("2026-02-20"))
    told_of = [watched(end="2026-02-01"), lost, watched("2026-02-20")]
    with memory_journal(NOW - HOUR) as book:
        book.define(BOOK)
        book.send("one", content(events=[used(1, "acme", "2026-02-10", 50)], coverage=told_of))
        assert_held_back(book)


def assert_held_back(book: MemoryJournal) -> None:
    answers = run(book, tenants=["acme"])
    assert [(each.outcome, each.subscription) for each in answers] == [("refused", "acme-team")]
    assert answers[0].obstacles[0].kind == "coverage"
    with pytest.raises(BadQuestion, match="say why"):
        run(book, tenants=["acme"], force=True)
    assert [each.outcome for each in run(book, tenants=["acme"], force=True, reason="agreed")] == ["finalized"] * 2
    assert_all_hold(book)


def test_a_line_is_explained_by_its_entries(book: MemoryJournal) -> None:
    run(book, tenants=["acme"])
    found = answer_explain_line(book, invoicing_pb2.ExplainLineRequest(id="INV-000002", line=2))
    assert (found.quantity, found.entries_total) == ("300", 1)
    (entry,) = found.entries
    assert (entry.window, entry.quantity) == ("2026-03-10T00:00:00Z", "300")
    line = document(book, "INV-000002")["lines"][1]
    assert line["entries"] == {"count": 1, "first": entry.position, "last": entry.position}
    with pytest.raises(BadQuestion, match="which has 2"):
        answer_explain_line(book, invoicing_pb2.ExplainLineRequest(id="INV-000002", line=3))


def test_other_tenants_have_no_invoices(book: MemoryJournal) -> None:
    run(book)
    seen = frozenset(["bcorp"])
    found = answer_invoices(book, invoicing_pb2.InvoicesRequest(), seen)
    assert {each.tenant for each in found.invoices} == {"bcorp"}
    with pytest.raises(BadQuestion, match="there is no finalized invoice"):
        answer_final_invoice(book, invoicing_pb2.FinalInvoiceRequest(id="INV-000001"), seen)
    with pytest.raises(BadQuestion, match="there is no finalized invoice"):
        answer_verify_invoice(book, invoicing_pb2.VerifyInvoiceRequest(id="INV-000001"), seen)
    with pytest.raises(BadQuestion, match="there is no finalized invoice"):
        answer_explain_line(book, invoicing_pb2.ExplainLineRequest(id="INV-000001", line=1), seen)


def test_a_subscription_in_the_middle_waits_for_what_came_before(book: MemoryJournal) -> None:
    run(book, at="2026-02-10", tenants=["acme"])
    book.now_us = NOW + 40 * DAY
    book.send("four", content(coverage=[watched("2026-04-02", "2026-05-10")]))
    (told_,) = run(book, NOW + 40 * DAY, at="2026-04-10", tenants=["acme"])
    assert told_.outcome == "refused" and "is not finalized" in told_.reason


def test_two_runs_at_once_number_without_gaps_and_charge_once(tmp_path: Path) -> None:
    tenants = [f"t{number}" for number in range(30)]
    parts = BOOK.split("---\n")[:2]
    for name in tenants:
        parts.append(f"{{kind: tenant, name: {name}, spec: {{}}}}\n")
        parts.append(
            f"{{kind: subscription, name: s-{name}, spec: {{tenant: {name}, plan: team, start: 2026-01-01}}}}\n"
        )
    with opened(tmp_path) as journal:
        files = [admin_pb2.Manifest(name="a.yaml", text="---\n".join(parts))]
        Applier(journal).apply(admin_pb2.ApplyRequest(author="ada", manifests=files))
        append(journal, content(events=[used(1, "t0", "2026-02-10", 50)], coverage=[watched("2025-12-01")]))
        both = threading.Barrier(2)

        def finalize(_: int) -> list[invoicing_pb2.FinalizeResponse]:
            both.wait()
            return run(journal)

        with ThreadPoolExecutor(2) as pool:
            one, two = pool.map(finalize, range(2))
        made = [each for each in (*one, *two) if each.outcome == "finalized"]
        assert sorted(each.invoice.number for each in made) == list(range(1, 91))
        assert len({(each.subscription, each.invoice.start) for each in made}) == 90
        assert_all_hold(journal)


def test_a_run_that_stops_half_way_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        _prepare(journal)
        steps = finalizer(journal).finalize(invoicing_pb2.FinalizeRequest(author="ada"), "oz")
        first = next(steps)
        steps.close()
    with opened(tmp_path) as journal:
        left = told(run(journal))
        assert ("finalized", first.subscription, first.invoice.id, first.invoice.total) not in left
        assert_all_hold(journal)


def _prepare(journal: Journal) -> None:
    files = [admin_pb2.Manifest(name="a.yaml", text=BOOK)]
    Applier(journal).apply(admin_pb2.ApplyRequest(author="ada", manifests=files))
    append(journal, FIRST)


def test_what_fits_no_price_holds_back_its_own_invoice_and_no_other(book: MemoryJournal) -> None:
    book.define(
        """\
kind: meter
name: hosts
spec: {source: {event: host}, aggregation: sum, unit: hours, group_by: [type]}
---
kind: plan
name: hosting
spec:
  currency: EUR
  products:
    - name: hosts
      prices:
        - {name: hosts, meter: hosts, charge: {model: matrix, cells: [{where: {type: small}, unit_price: 1}]}}
---
{kind: tenant, name: dcorp, spec: {}}
---
{kind: subscription, name: dcorp-hosts, spec: {tenant: dcorp, plan: hosting, start: 2026-03-01}}
"""
    )
    host = event(
        20,
        type="host",
        tenant="dcorp",
        time=instants.parse("2026-03-05"),
        value=Decimal(3),
        properties='{"type":"huge"}',
    )
    book.send("two", content(events=[host]))
    answers = {each.subscription: each for each in run(book)}
    assert (answers["dcorp-hosts"].outcome, "huge" in answers["dcorp-hosts"].reason) == ("refused", True)
    assert {each.outcome for name, each in answers.items() if name != "dcorp-hosts"} == {"finalized"}


def test_a_later_period_waits_for_one_that_was_refused_whoever_else_is_billed() -> None:
    lost = coverage(1, "failed", source="logfile", start=instants.parse("2026-02-01"), end=instants.parse("2026-02-20"))
    told_of = [watched(end="2026-02-01"), lost, watched("2026-02-20")]
    with memory_journal(NOW - HOUR) as book:
        book.define(BOOK + "---\n{kind: tenant, name: zoo, spec: {}}\n---\n{kind: plan, name: fee, spec: {currency: EUR, flat_fee: 5}}\n"
                    "---\n{kind: subscription, name: zoo-fee, spec: {tenant: zoo, plan: fee, start: 2026-01-01}}\n")  # fmt: skip
        book.send("one", content(events=[used(1, "acme", "2026-02-10", 50)], coverage=told_of))
        answers = run(book, tenants=["acme", "zoo"])
        assert [each.outcome for each in answers if each.tenant == "acme"] == ["refused"]
        assert [each.outcome for each in answers if each.tenant == "zoo"] == ["finalized"] * 3


def test_what_was_used_in_a_pause_stands_behind_no_line(book: MemoryJournal) -> None:
    paused = BOOK.replace(
        "plan: team, start: 2026-03-01}",
        "plan: team, start: 2026-03-01, pauses: [{since: 2026-03-10, until: 2026-03-12}]}",
    )
    book.define(paused)
    book.send("two", content(events=[used(8, "bcorp", "2026-03-20", 12)]))
    run(book, tenants=["bcorp"])
    lines = document(book, "INV-000002")["lines"]
    number = 1 + next(at for at, line in enumerate(lines) if line["meter"])
    found = answer_explain_line(book, invoicing_pb2.ExplainLineRequest(id="INV-000002", line=number))
    assert (lines[number - 1]["quantity"], found.quantity) == ("12", "12")


def test_times_that_are_none_or_too_many(book: MemoryJournal) -> None:
    with pytest.raises(BadQuestion, match="goes not with 'at'"):
        run(book, at="2026-02-10", since="2026-02-01")
    with pytest.raises(BadQuestion, match="has no billing period"):
        run(book, at="9999-01-01")
    assert run(book, since="9999-12-31") == []

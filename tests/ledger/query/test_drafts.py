"""Many drafts are made by two processes, and are what one would have made, whatever becomes of the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.billing.terms import accounts
from ledger.journal.child import Child
from ledger.journal.journal import Journal
from ledger.metering.booking import Booker
from ledger.query import drafts
from ledger.query.applying import Applier
from ledger.query.desks import Desks
from ledger.query.drafts import Drafted, all_drafted
from ledger.query.dues import Job
from ledger.query.finalizing import Finalizer
from ledger.query.invoices import answer_invoices, answer_verify_invoice
from ledger.query.questions import Book
from meterbook.ledger.v1 import admin_pb2, invoicing_pb2
from meterbook.wire import instants
from tests.ledger.batches import append, content, coverage, event, opened

MARCH, NOW = instants.parse("2026-03-01"), instants.parse("2026-04-02")
TENANTS = ("acme", "bcorp", "corp", "dent", "evil")
DEFINED = """\
{kind: meter, name: requests, spec: {source: {event: request}, aggregation: sum, unit: requests}}
---
kind: plan
name: team
spec:
  currency: EUR
  proration: day
  products:
    - name: api
      prices:
        - {name: fee, billed: advance, charge: {model: flat, amount: 10}}
        - {name: requests, meter: requests, charge: {model: per_unit, unit_price: 0.1}}
---
kind: plan
name: passed-on
spec: {currency: EUR, products: [{name: all, prices: [{name: cost, charge: {model: cost_plus, markup_percent: 10}}]}]}
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A month of usage of some tenants; what one of them is charged cannot be known yet."""
    of_tenants = [
        f"---\n{{kind: tenant, name: {name}, spec: {{}}}}\n---\n{{kind: subscription, name: s-{name}, spec: {{tenant: {name},"
        f" plan: {'passed-on' if name == 'dent' else 'team'}, start: 2026-03-{number + 1:02}}}}}"
        for number, name in enumerate(TENANTS)
    ]
    with opened(tmp_path) as made:
        manifest = admin_pb2.Manifest(name="book.yaml", text="\n".join([DEFINED, *of_tenants]))
        Applier(made).apply(admin_pb2.ApplyRequest(author="ada", manifests=[manifest]))
        used: list[Any] = [
            event(number, type="request", tenant=name, time=instants.parse("2026-03-20"), value=Decimal(number + 7))
            for number, name in enumerate(TENANTS)
        ]
        watched = coverage(0, source="logfile", start=MARCH, end=NOW)
        append(made, content(events=used, coverage=[watched]))
        yield made


def drafted(journal: Journal) -> list[Drafted]:
    """The drafts of March, of everybody, and what is billed before it."""
    book = Book.at(journal, 0)
    jobs = [
        Job(account, cycle)
        for name in TENANTS
        for account in accounts(book.catalog, name)
        for cycle in (account.cycle_at(instants.parse("2026-03-20")), None)
    ]
    return list(all_drafted(journal.tables, Desks(book, set()), jobs))


@pytest.fixture
def made_here(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """What is drafted in this process, as soon as there are many of two drafts."""
    found: list[Job] = []
    of_one = drafts.drafted

    def here(desks: Desks, job: Job) -> Drafted:
        found.append(job)
        return of_one(desks, job)

    monkeypatch.setattr(drafts, "drafted", here)
    monkeypatch.setattr(drafts, "MANY", 2)
    monkeypatch.setattr(drafts, "BLOCK", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    return found


def test_a_helper_makes_half_of_them_and_nobody_can_tell(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = drafted(journal)
    reasons = [each.reason for each in alone]
    assert sum(each.record is not None for each in alone) == 2 * len(TENANTS) - 2
    assert sum("what serving cost is not known" in each for each in reasons) == 1
    monkeypatch.setattr(drafts, "MANY", 2)
    monkeypatch.setattr(drafts, "BLOCK", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert drafted(journal) == alone


def test_few_are_made_here(journal: Journal, made_here: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MANY", 11)
    assert len(drafted(journal)) == len(made_here) == 10


def test_half_of_many_are_made_here(journal: Journal, made_here: list[Job]) -> None:
    assert len(drafted(journal)) == 10
    assert len(made_here) == 6


def test_what_a_helper_that_fails_leaves_is_made_here(
    journal: Journal, made_here: list[Job], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(drafts, "Child", lambda _: Child("ledger.query.no_such_module"))
    with caplog.at_level(logging.WARNING):
        assert len(drafted(journal)) == len(made_here) == 10
    assert [each.message for each in caplog.records if "the process for them failed: it has ended" in each.message]


def test_without_another_core_or_process_all_are_made_here(
    journal: Journal, made_here: list[Job], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: str) -> Child:
        raise OSError("no more processes")

    monkeypatch.setattr(drafts, "Child", refuse)
    assert len(drafted(journal)) == len(made_here) == 10
    assert "no process could be begun for them: no more processes" in caplog.text
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    caplog.clear()
    assert len(drafted(journal)) == 10
    assert not caplog.text


def test_what_is_finalized_of_them_holds(journal: Journal, made_here: list[Job]) -> None:
    finalizer = Finalizer(journal, Booker(journal), 0, lambda: NOW)
    answers = list(finalizer.finalize(invoicing_pb2.FinalizeRequest(author="ada"), "operator oz"))
    assert [each.subscription for each in answers if each.invoice.id] == ["s-acme", "s-bcorp", "s-corp", "s-evil"]
    assert [each.invoice.number for each in answers if each.invoice.id] == [1, 2, 3, 4]
    assert [each.outcome for each in answers if each.subscription == "s-dent"] == ["refused"]
    for each in answer_invoices(journal, invoicing_pb2.InvoicesRequest()).invoices:
        assert answer_verify_invoice(journal, invoicing_pb2.VerifyInvoiceRequest(id=each.id)).holds
